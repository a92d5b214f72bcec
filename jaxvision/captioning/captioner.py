"""The captioner: features of an image begin the state of a recurrent cell, which says one word after the other."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvision.captioning.losses import temporal_softmax_loss
from jaxvision.captioning.vocabulary import NULL
from jaxvision.errors import InputError
from jaxvision.recurrent import (
    GRUParams,
    LSTMState,
    RecurrentParams,
    gru,
    gru_params,
    gru_step,
    lstm,
    lstm_params,
    lstm_step,
    rnn,
    rnn_params,
    rnn_step,
)


class Captioner(NamedTuple):
    r"""A captioner's weights, a pytree that is also the model.

    $$ h_0 = f W_{proj} + b_{proj}, \qquad x_t = W_{embed}[y_t], \qquad h_t = \mathrm{cell}(x_t, h_{t-1}), \qquad
    s_t = h_t W_{vocab} + b_{vocab} $$

    Attributes:
        W_proj: `(D, H)`, from the image's features.
        b_proj: `(H,)`.
        W_embed: `(V, W)`, a vector for each word.
        recurrent: the cell's, from W inputs to H states; which cell it is follows from them.
        W_vocab: `(H, V)`, to a score for each word.
        b_vocab: `(V,)`.

    Example:
        >>> model = captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, embed_size=3, hidden_size=5)
        >>> model(jnp.ones((2, 4)), jnp.array([[1, 5, 6], [1, 7, 2]])).shape
        (2, 3, 9)
        >>> carry, logits = model.step(model.start(jnp.ones((2, 4))), jnp.array([1, 1]))
        >>> logits.shape
        (2, 9)
    """

    W_proj: Float[Array, "d h"]
    b_proj: Float[Array, " h"]
    W_embed: Float[Array, "v w"]
    recurrent: RecurrentParams | GRUParams
    W_vocab: Float[Array, "h v"]
    b_vocab: Float[Array, " v"]

    @property
    def cell(self) -> str:
        """ "rnn", "lstm" or "gru"."""
        if isinstance(self.recurrent, GRUParams):
            return "gru"
        size, columns = self.recurrent.Wh.shape
        return "lstm" if columns == 4 * size else "rnn"

    def __call__(self, features: Float[Array, "n d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t v"]:
        """Teacher forcing: the scores of each next word, given the right words before it.

        Args:
            features: `(N, D)`, of the images.
            tokens: `(N, T)`, what is read: the first is START.

        Returns:
            `(N, T, V)`; `[:, t]` are of the word after `tokens[:, t]`.
        """
        if tokens.size < self.W_embed.shape[0]:
            params, x = self.recurrent, self.W_embed[tokens]  # (N, T, W)
        else:  # less work: each word through the cell's input weights once, and not again wherever it is read
            params, x = self.recurrent._replace(Wx=self.W_embed @ self.recurrent.Wx), tokens
        h = _SEQUENCES[self.cell](params, x, self.start(features))[0]  # (N, T, H)
        n, t, size = h.shape
        return (h.reshape(n * t, size) @ self.W_vocab + self.b_vocab[None]).reshape(n, t, -1)

    def start(self, features: Float[Array, "n d"]) -> Any:
        """The state before the first word.

        Args:
            features: `(N, D)`, of the images.

        Returns:
            What `step` carries: `(N, H)`, for an LSTM h and c.
        """
        h = features @ self.W_proj + self.b_proj[None]
        return LSTMState(h, jnp.zeros_like(h)) if self.cell == "lstm" else h

    def step(self, carry: Any, tokens: Int[Array, " n"]) -> tuple[Any, Float[Array, "n v"]]:
        """Reads one word and scores the next: what the decoders take.

        Args:
            carry: from `start` or the step before.
            tokens: `(N,)`, the word that was said last; at first START.

        Returns:
            The next carry, and scores `(N, V)`.
        """
        carry = _STEPS[self.cell](self.recurrent, carry, self.W_embed[tokens])
        h = carry.h if isinstance(carry, LSTMState) else carry
        return carry, h @ self.W_vocab + self.b_vocab[None]


_SEQUENCES: dict[str, Any] = {"rnn": rnn, "lstm": lstm, "gru": gru}
_STEPS: dict[str, Any] = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}
_PARAMS: dict[str, Any] = {"rnn": rnn_params, "lstm": lstm_params, "gru": gru_params}


def captioner(
    key: Key[Array, ""],
    *,
    feature_size: int,
    vocabulary_size: int,
    embed_size: int = 256,
    hidden_size: int = 512,
    cell: str = "lstm",
) -> Captioner:
    """A captioner to begin with.

    Args:
        key: decides the weights.
        feature_size: D, of an image's features.
        vocabulary_size: V.
        embed_size: W, of a word's vector.
        hidden_size: H, of the state.
        cell: "rnn", "lstm" or "gru".

    Returns:
        The model.

    Raises:
        InputError: if a size is below 1 or there is no such cell.

    Example:
        >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5}
        >>> captioner(jax.random.key(0), **sizes, cell="gru").recurrent.Wx.shape
        (3, 15)

    References:
        Vinyals et al., "Show and tell: a neural image caption generator", https://arxiv.org/abs/1411.4555, 2015. As
        in Stanford's CS231n, assignment 3, the image is the first state and not the first word.
    """
    if cell not in _PARAMS:
        raise InputError(f"there is no cell {cell!r}: choose one of {', '.join(_PARAMS)}")
    sizes = {"feature_size": feature_size, "vocabulary_size": vocabulary_size}
    for name, size in (sizes | {"embed_size": embed_size, "hidden_size": hidden_size}).items():
        if size < 1:
            raise InputError(f"{name} must be at least 1, got {size}")
    for_proj, for_words, for_cell, for_vocab = jax.random.split(key, 4)
    return Captioner(
        W_proj=jax.random.normal(for_proj, (feature_size, hidden_size)) / feature_size**0.5,
        b_proj=jnp.zeros(hidden_size),
        W_embed=jax.random.normal(for_words, (vocabulary_size, embed_size)),
        recurrent=_PARAMS[cell](for_cell, embed_size, hidden_size),
        W_vocab=jax.random.normal(for_vocab, (hidden_size, vocabulary_size)) / hidden_size**0.5,
        b_vocab=jnp.zeros(vocabulary_size),
    )


def caption_loss(
    model: Callable[[Array, Array], Array],
    features: Float[Array, "n *d"],
    captions: Int[Array, "n t"],
    *,
    null: int | Int[Array, ""] = NULL,
    per_token: bool = False,
    label_smoothing: float = 0.0,
    read: Int[Array, "n t"] | None = None,
) -> Float[Array, ""]:
    r"""Negative log-likelihood of captions given their images.

    $$ L = -\frac1N \sum_n \sum_{t=1}^{T-1} [y_{n,t+1} \neq \mathrm{null}] \log p(y_{n,t+1} | f_n, y_{n,1 \dots t}) $$

    Args:
        model: `(features, tokens) -> logits (N, T, V)`, such as a `Captioner` or an `AttentionCaptioner`.
        features: of the images, `(N, D)` or whatever the model takes.
        captions: `(N, T)`: START, words, END, and NULL up to the length, as `Vocabulary.encode` gives them. The first
            T - 1 are read, the last T - 1 predicted.
        null: the word that fills short captions; it is not to be predicted.
        per_token: see `temporal_softmax_loss`.
        label_smoothing: see `temporal_softmax_loss`.
        read: what is read in place of the captions, which are predicted all the same: from `scheduled_sampling` or
            `drop_words`.

    Returns:
        A scalar, in nats.

    Raises:
        InputError: if captions have fewer than two words.

    Example:
        >>> model = lambda features, tokens: jnp.zeros((*tokens.shape, 8))
        >>> loss = caption_loss(model, jnp.ones((1, 4)), jnp.array([[1, 5, 2, 0, 0]]))
        >>> jnp.exp2(loss / jnp.log(2.0)).round()  # a word and the end, of eight each
        Array(64., dtype=float32)

    References:
        Vinyals et al., "Show and tell: a neural image caption generator", https://arxiv.org/abs/1411.4555, 2015,
        equation 10.
    """
    if captions.shape[1] < 2:
        raise InputError(f"captions must be a START and at least one word more, got shape (N, T) = {captions.shape}")
    said = captions[:, 1:]  # (N, T-1)
    logits = model(features, (captions if read is None else read)[:, :-1])
    return temporal_softmax_loss(logits, said, said != null, per_token=per_token, label_smoothing=label_smoothing)

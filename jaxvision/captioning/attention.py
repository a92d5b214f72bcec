"""The captioner with soft attention: before each word it looks at a part of the image."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.captioning.losses import temporal_softmax_loss
from jaxvision.captioning.steps import OfImages
from jaxvision.captioning.vocabulary import NULL
from jaxvision.errors import InputError
from jaxvision.recurrent import (
    Attended,
    AttentionParams,
    LSTMState,
    RecurrentParams,
    attention_keys,
    attention_params,
    attentive_lstm,
    attentive_lstm_step,
    lstm_params,
)


class Grid(NamedTuple):
    """An image as the attention sees it.

    Attributes:
        cells: `(N, L, D)`.
        keys: `(N, L, A)`, the cells' share of the scores.
    """

    cells: Float[Array, "n l d"]
    keys: Float[Array, "n l a"]


class AttentionCarry(NamedTuple):
    """What an `AttentionCaptioner` carries from word to word.

    Attributes:
        state: h and c, `(M, H)` each, a row for each caption.
        grid: of each of the N images, which no step changes: a beam search keeps one for all hypotheses of an image.
    """

    state: LSTMState
    grid: OfImages[Grid]


class AttentionCaptioner(NamedTuple):
    r"""A captioner that attends, a pytree of weights that is also the model.

    $$ (h_0, c_0) = \tanh(\bar a W_{init} + b_{init}), \qquad x_t = W_{embed}[y_t], \qquad
       (z_t, \alpha_t) = \mathrm{attend}(h_{t-1}, a), \qquad h_t = \mathrm{LSTM}([x_t, z_t], h_{t-1}) $$
    $$ s_t = (x_t + h_t W_{h} + z_t W_{z}) W_{vocab} + b_{vocab} $$

    with $a$ the cells of an image's feature map, $\bar a$ their mean.

    Attributes:
        W_init: `(D, 2H)`, from the mean cell to h and c.
        b_init: `(2H,)`.
        W_embed: `(V, W)`, a vector for each word.
        attention: see `soft_attention`.
        recurrent: the LSTM's, from W + D inputs to H states.
        W_h: `(H, W)`, from the state to the output.
        W_z: `(D, W)`, from the context to the output.
        W_vocab: `(W, V)`, to a score for each word.
        b_vocab: `(V,)`.

    Example:
        >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5, "attention_size": 6}
        >>> model, grid = attention_captioner(jax.random.key(0), **sizes), jnp.ones((2, 7, 4))
        >>> model(grid, jnp.array([[1, 5, 6], [1, 7, 2]])).shape
        (2, 3, 9)
        >>> carry, logits = model.step(model.start(grid), jnp.array([1, 1]))
        >>> logits.shape
        (2, 9)

    References:
        Xu et al., "Show, attend and tell: neural image caption generation with visual attention",
        https://arxiv.org/abs/1502.03044, 2015, equations 1 to 7 and 13, the gate of section 4.2.1. Departures: one
        layer for each first state, no dropout, a bias to the scores.
    """

    W_init: Float[Array, "d 2*h"]
    b_init: Float[Array, " 2*h"]
    W_embed: Float[Array, "v w"]
    attention: AttentionParams
    recurrent: RecurrentParams
    W_h: Float[Array, "h w"]
    W_z: Float[Array, "d w"]
    W_vocab: Float[Array, "w v"]
    b_vocab: Float[Array, " v"]

    def __call__(self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t v"]:
        """Teacher forcing: the scores of each next word, given the right words before it.

        Args:
            grid: `(N, L, D)`, cells of the images' feature maps.
            tokens: `(N, T)`, what is read: the first is START.

        Returns:
            `(N, T, V)`; `[:, t]` are of the word after `tokens[:, t]`.
        """
        return self.attend(grid, tokens)[0]

    def attend(
        self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]
    ) -> tuple[Float[Array, "n t v"], Float[Array, "n t l"]]:
        """The scores of each next word, and where the captioner looked for it.

        Args:
            grid: as in a call.
            tokens: as in a call.

        Returns:
            `(N, T, V)` as from a call, and attention maps `(N, T, L)`: each cell's share, which sum to one.

        Example:
            >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5}
            >>> model = attention_captioner(jax.random.key(0), **sizes)
            >>> model.attend(jnp.ones((2, 7, 4)), jnp.array([[1, 5, 6], [1, 7, 2]]))[1].shape
            (2, 3, 7)
        """
        size = self.W_embed.shape[1]
        if tokens.size < self.W_embed.shape[0]:
            params, x = self.recurrent, self.W_embed[tokens]  # (N, T, W)
        else:  # less work: each word through the cell's input weights once, and not again wherever it is read
            Wx = self.recurrent.Wx
            params, x = self.recurrent._replace(Wx=jnp.concatenate([self.W_embed @ Wx[:size], Wx[size:]])), tokens
        h, seen = attentive_lstm(self.attention, params, x, self._state(grid), grid)
        n, t = tokens.shape
        logits = self._scores(tokens.reshape(n * t), h.reshape(n * t, -1), seen.context.reshape(n * t, -1))
        return logits.reshape(n, t, -1), seen.weights

    def start(self, grid: Float[Array, "n l d"]) -> AttentionCarry:
        """What is carried to the first word; the grid's keys are computed here, once for each image.

        Args:
            grid: `(N, L, D)`, cells of the images' feature maps.

        Returns:
            What `step` carries.
        """
        return AttentionCarry(self._state(grid), OfImages(Grid(grid, attention_keys(self.attention, grid))))

    def step(self, carry: AttentionCarry, tokens: Int[Array, " m"]) -> tuple[AttentionCarry, Float[Array, "m v"]]:
        """Reads one word and scores the next: what the decoders take.

        Args:
            carry: from `start` or the step before.
            tokens: `(M,)`, the word that was said last; at first START.

        Returns:
            The next carry, and scores `(M, V)`.
        """
        state, logits, _ = self._look(carry, tokens)
        return carry._replace(state=state), logits

    def _look(self, carry: AttentionCarry, tokens: Array) -> tuple[LSTMState, Array, Attended]:
        x, (cells, keys) = self.W_embed[tokens], carry.grid.values
        state, seen = attentive_lstm_step(self.attention, self.recurrent, carry.state, x, cells, keys)
        return state, self._scores(tokens, state.h, seen.context), seen

    def _state(self, grid: Array) -> LSTMState:
        return LSTMState(*jnp.split(jnp.tanh(jnp.mean(grid, axis=1) @ self.W_init + self.b_init[None]), 2, axis=1))

    def _scores(self, tokens: Array, h: Array, context: Array) -> Array:
        return (self.W_embed[tokens] + h @ self.W_h + context @ self.W_z) @ self.W_vocab + self.b_vocab[None]


def attention_captioner(
    key: Key[Array, ""],
    *,
    feature_size: int,
    vocabulary_size: int,
    embed_size: int = 256,
    hidden_size: int = 512,
    attention_size: int = 512,
) -> AttentionCaptioner:
    """A captioner with soft attention to begin with.

    Args:
        key: decides the weights.
        feature_size: D, of a cell of the feature map.
        vocabulary_size: V.
        embed_size: W, of a word's vector.
        hidden_size: H, of the state.
        attention_size: A, between the cells and their scores.

    Returns:
        The model.

    Raises:
        InputError: if a size is below 1.

    Example:
        >>> attention_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9).recurrent.Wx.shape
        (260, 2048)
    """
    sizes = {"feature_size": feature_size, "vocabulary_size": vocabulary_size, "embed_size": embed_size}
    for name, size in (sizes | {"hidden_size": hidden_size, "attention_size": attention_size}).items():
        if size < 1:
            raise InputError(f"{name} must be at least 1, got {size}")
    keys = jax.random.split(key, 7)
    normal = [
        jax.random.normal(key, shape) / rows**0.5
        for key, shape, rows in (
            (keys[0], (feature_size, 2 * hidden_size), feature_size),
            (keys[1], (vocabulary_size, embed_size), 1),
            (keys[2], (hidden_size, embed_size), hidden_size),
            (keys[3], (feature_size, embed_size), feature_size),
            (keys[4], (embed_size, vocabulary_size), embed_size),
        )
    ]
    W_init, W_embed, W_h, W_z, W_vocab = normal
    attention = attention_params(keys[5], cell_size=feature_size, state_size=hidden_size, attention_size=attention_size)
    return AttentionCaptioner(
        W_init=W_init,
        b_init=jnp.zeros(2 * hidden_size),
        W_embed=W_embed,
        attention=attention,
        recurrent=lstm_params(keys[6], embed_size + feature_size, hidden_size),
        W_h=W_h,
        W_z=W_z,
        W_vocab=W_vocab,
        b_vocab=jnp.zeros(vocabulary_size),
    )


def doubly_stochastic(maps: Float[Array, "n t l"], mask: Bool[Array, "n t"]) -> Float[Array, " n"]:
    r"""How far a caption is from looking at every cell of its image equally much in all.

    $$ R = \sum_l \Big( 1 - \sum_t m_t \alpha_{tl} \Big)^2 $$

    Args:
        maps: `(N, T, L)`, $\alpha$, from `AttentionCaptioner.attend`.
        mask: `(N, T)`, $m$, True where a word counts.

    Returns:
        `(N,)`; zero where each cell was given one word's attention.

    Example:
        >>> maps = jnp.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])
        >>> doubly_stochastic(maps, jnp.array([[True, True, False]])), doubly_stochastic(maps, jnp.ones((1, 3), bool))
        (Array([0.], dtype=float32), Array([1.], dtype=float32))

    References:
        Xu et al., https://arxiv.org/abs/1502.03044, 2015, equation 14.
    """
    return jnp.sum((1 - jnp.einsum("ntl,nt->nl", maps, mask.astype(maps.dtype))) ** 2, axis=1)


def attention_loss(
    model: AttentionCaptioner,
    grid: Float[Array, "n l d"],
    captions: Int[Array, "n t"],
    *,
    balance: float | Float[Array, ""] = 1.0,
    null: int | Int[Array, ""] = NULL,
    per_token: bool = False,
) -> Float[Array, ""]:
    r"""`caption_loss`, and what asks for a look at every part of the image.

    $$ L = L_{caption} + \lambda \frac1N \sum_n \sum_l \Big( 1 - \sum_t m_{nt} \alpha_{ntl} \Big)^2 $$

    Args:
        model: the captioner.
        grid: `(N, L, D)`, cells of the images' feature maps.
        captions: `(N, T)`, as in `caption_loss`.
        balance: $\lambda$; at 0 this is `caption_loss`.
        null: the word that fills short captions.
        per_token: of the first term, see `temporal_softmax_loss`.

    Returns:
        A scalar.

    Raises:
        InputError: if captions have fewer than two words.

    Example:
        >>> model = attention_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9)
        >>> attention_loss(model, jnp.ones((1, 7, 4)), jnp.array([[1, 5, 2, 0, 0]])).shape
        ()

    References:
        Xu et al., https://arxiv.org/abs/1502.03044, 2015, equation 14.
    """
    if captions.shape[1] < 2:
        raise InputError(f"captions must be a START and at least one word more, got shape (N, T) = {captions.shape}")
    read, said = captions[:, :-1], captions[:, 1:]
    logits, maps = model.attend(grid, read)
    mask = said != null
    loss = temporal_softmax_loss(logits, said, mask, per_token=per_token)
    return loss + balance * jnp.mean(doubly_stochastic(maps, mask)).astype(loss.dtype)

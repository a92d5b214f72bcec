"""The captioner with top-down attention: one LSTM decides where to look, another one what to say."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvision.captioning.attention import Grid
from jaxvision.captioning.steps import OfImages
from jaxvision.errors import InputError
from jaxvision.recurrent import Attended, LSTMState, RecurrentParams, attend_to, lstm_params, lstm_step


class TopDownCarry(NamedTuple):
    """What a `TopDownCaptioner` carries from word to word.

    Attributes:
        looking: state of the LSTM that attends, `(M, H)` each.
        saying: state of the LSTM that speaks.
        grid: of each of the N images, which no step changes.
        mean: `(N, D)`, each image's mean cell, likewise.
    """

    looking: LSTMState
    saying: LSTMState
    grid: OfImages[Grid]
    mean: OfImages[Float[Array, "n d"]]


class TopDownCaptioner(NamedTuple):
    r"""A captioner with two LSTMs, a pytree of weights that is also the model.

    $$ h^1_t = \mathrm{LSTM}_1([x_t, \bar a, h^2_{t-1}], h^1_{t-1}), \qquad x_t = W_{embed}[y_t], $$
    $$ \alpha_t = \mathrm{softmax}_l \big( v^\top \tanh(a_l W_{cells} + b + h^1_t W_{state}) \big), \qquad
       z_t = \sum_l \alpha_{tl} a_l, $$
    $$ h^2_t = \mathrm{LSTM}_2([z_t, h^1_t], h^2_{t-1}), \qquad s_t = h^2_t W_{vocab} + b_{vocab} $$

    with $a$ the cells of an image's feature map, $\bar a$ their mean, and states that begin at zero. Unlike in
    `AttentionCaptioner`, where it looks is decided after the last word was read.

    Attributes:
        W_embed: `(V, W)`, a vector for each word.
        looking: of the first LSTM, from W + D + H inputs to H states.
        W_cells: `(D, A)`, from a cell to its key.
        b: `(A,)`.
        W_state: `(H, A)`, from the first LSTM's state to what it looks for.
        v: `(A,)`, from both to a score.
        saying: of the second LSTM, from D + H inputs to H states.
        W_vocab: `(H, V)`, to a score for each word.
        b_vocab: `(V,)`.

    Example:
        >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5, "attention_size": 6}
        >>> model, grid = top_down_captioner(jax.random.key(0), **sizes), jnp.ones((2, 7, 4))
        >>> model(grid, jnp.array([[1, 5, 6], [1, 7, 2]])).shape
        (2, 3, 9)
        >>> carry, logits = model.step(model.start(grid), jnp.array([1, 1]))
        >>> logits.shape
        (2, 9)

    References:
        Anderson et al., "Bottom-up and top-down attention for image captioning and visual question answering",
        https://arxiv.org/abs/1707.07998, 2018, equations 2 to 7. Departures: the attention has a bias; the cells may
        be those of a feature map, not of detected objects; no dropout.
    """

    W_embed: Float[Array, "v w"]
    looking: RecurrentParams
    W_cells: Float[Array, "d a"]
    b: Float[Array, " a"]
    W_state: Float[Array, "h a"]
    v: Float[Array, " a"]
    saying: RecurrentParams
    W_vocab: Float[Array, "h v"]
    b_vocab: Float[Array, " v"]

    def __call__(self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t v"]:
        """Teacher forcing: the scores of each next word, given the right words before it.

        Args:
            grid: `(N, L, D)`, cells of the images' feature maps.
            tokens: `(N, T)`, what is read: the first is START.

        Returns:
            `(N, T, V)`; `[:, t]` are of the word after `tokens[:, t]`.

        Raises:
            InputError: if the grid does not fit.
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

        Raises:
            InputError: if the grid does not fit.

        Example:
            >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5}
            >>> model = top_down_captioner(jax.random.key(0), **sizes)
            >>> model.attend(jnp.ones((2, 7, 4)), jnp.array([[1, 5, 6], [1, 7, 2]]))[1].shape
            (2, 3, 7)
        """

        first = self.start(grid)

        @jax.checkpoint  # what lies between keys and scores, T times as large as the keys, is computed anew
        def one(states: tuple[LSTMState, LSTMState], read: Array) -> tuple[Any, tuple[Array, Array]]:
            # The grid is no part of what is carried: the way back would keep a copy of it for each word.
            after, seen = self._look(first._replace(looking=states[0], saying=states[1]), read)
            return (after.looking, after.saying), (after.saying.h, seen.weights)

        _, (h, weights) = jax.lax.scan(one, (first.looking, first.saying), tokens.T)  # (T, N, H), (T, N, L)
        t, n, size = h.shape
        logits = h.swapaxes(0, 1).reshape(n * t, size) @ self.W_vocab + self.b_vocab[None]
        return logits.reshape(n, t, -1), weights.swapaxes(0, 1)

    def start(self, grid: Float[Array, "n l d"]) -> TopDownCarry:
        """What is carried to the first word; the grid's keys and mean are computed here, once for each image.

        Args:
            grid: `(N, L, D)`, cells of the images' feature maps.

        Returns:
            What `step` carries.

        Raises:
            InputError: if the grid does not fit.
        """
        size, hidden = self.W_cells.shape[0], self.W_state.shape[0]
        if grid.ndim != 3 or grid.shape[2] != size or grid.shape[1] == 0:
            raise InputError(f"a grid must have shape (N, L, D) with D = {size} as W_cells has rows, got {grid.shape}")
        n, n_cells, _ = grid.shape
        keys = (grid.reshape(n * n_cells, size) @ self.W_cells + self.b[None]).reshape(n, n_cells, -1)
        zeros = jnp.zeros((n, hidden), jnp.promote_types(grid.dtype, self.saying.Wh.dtype))
        state = LSTMState(zeros, zeros)
        return TopDownCarry(state, state, OfImages(Grid(grid, keys)), OfImages(jnp.mean(grid, axis=1)))

    def step(self, carry: TopDownCarry, tokens: Int[Array, " m"]) -> tuple[TopDownCarry, Float[Array, "m v"]]:
        """Reads one word and scores the next: what the decoders take.

        Args:
            carry: from `start` or the step before.
            tokens: `(M,)`, the word that was said last; at first START.

        Returns:
            The next carry, and scores `(M, V)`.
        """
        carry, _ = self._look(carry, tokens)
        return carry, carry.saying.h @ self.W_vocab + self.b_vocab[None]

    def _look(self, carry: TopDownCarry, tokens: Array) -> tuple[TopDownCarry, Attended]:
        (cells, keys), mean = carry.grid.values, carry.mean.values
        mean = jnp.repeat(mean, tokens.shape[0] // mean.shape[0], axis=0)  # (M, D)
        read = jnp.concatenate([self.W_embed[tokens], mean, carry.saying.h], axis=1)
        looking = lstm_step(self.looking, carry.looking, read)
        seen = attend_to(self.v, looking.h @ self.W_state, cells, keys)
        saying = lstm_step(self.saying, carry.saying, jnp.concatenate([seen.context, looking.h], axis=1))
        return carry._replace(looking=looking, saying=saying), seen


def top_down_captioner(
    key: Key[Array, ""],
    *,
    feature_size: int,
    vocabulary_size: int,
    embed_size: int = 256,
    hidden_size: int = 512,
    attention_size: int = 512,
) -> TopDownCaptioner:
    """A captioner with top-down attention to begin with.

    Args:
        key: decides the weights.
        feature_size: D, of a cell of the feature map.
        vocabulary_size: V.
        embed_size: W, of a word's vector.
        hidden_size: H, of both states.
        attention_size: A, between the cells and their scores.

    Returns:
        The model.

    Raises:
        InputError: if a size is below 1.

    Example:
        >>> top_down_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9).looking.Wx.shape
        (772, 2048)
    """
    sizes = {"feature_size": feature_size, "vocabulary_size": vocabulary_size, "embed_size": embed_size}
    for name, size in (sizes | {"hidden_size": hidden_size, "attention_size": attention_size}).items():
        if size < 1:
            raise InputError(f"{name} must be at least 1, got {size}")
    keys = jax.random.split(key, 7)
    return TopDownCaptioner(
        W_embed=jax.random.normal(keys[0], (vocabulary_size, embed_size)),
        looking=lstm_params(keys[1], embed_size + feature_size + hidden_size, hidden_size),
        W_cells=jax.random.normal(keys[2], (feature_size, attention_size)) / feature_size**0.5,
        b=jnp.zeros(attention_size),
        W_state=jax.random.normal(keys[3], (hidden_size, attention_size)) / hidden_size**0.5,
        v=jax.random.normal(keys[4], (attention_size,)) / attention_size**0.5,
        saying=lstm_params(keys[5], feature_size + hidden_size, hidden_size),
        W_vocab=jax.random.normal(keys[6], (hidden_size, vocabulary_size)) / hidden_size**0.5,
        b_vocab=jnp.zeros(vocabulary_size),
    )

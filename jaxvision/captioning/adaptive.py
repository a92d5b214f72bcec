"""The captioner with adaptive attention: before each word it decides whether to look at the image at all."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvision.captioning.attention import Grid
from jaxvision.captioning.steps import OfImages
from jaxvision.errors import InputError
from jaxvision.recurrent import LSTMState, RecurrentParams, lstm_params, lstm_step


class AdaptiveCarry(NamedTuple):
    """What an `AdaptiveCaptioner` carries from word to word.

    Attributes:
        state: h and c, `(M, H)` each, a row for each caption.
        grid: of each of the N images, which no step changes: its cells as the captioner sees them and their keys.
        mean: `(N, W)`, the image as a whole, likewise.
    """

    state: LSTMState
    grid: OfImages[Grid]
    mean: OfImages[Float[Array, "n w"]]


class _Seen(NamedTuple):
    context: Array  # (M, H), cells and sentinel
    weights: Array  # (M, L), of the cells alone
    sentinel: Array  # (M,), its share


class AdaptiveCaptioner(NamedTuple):
    r"""A captioner that may look away, a pytree of weights that is also the model.

    $$ v_l = \mathrm{relu}(a_l W_{cells} + b_{cells}), \qquad v^g = \mathrm{relu}(\bar a W_{mean} + b_{mean}), \qquad
       x_t = [W_{embed}[y_t], v^g] $$
    $$ h_t, c_t = \mathrm{LSTM}(x_t, h_{t-1}), \qquad
       s_t = \sigma(x_t W_x + h_{t-1} W_h) \odot \tanh(c_t) $$
    $$ z_{tl} = v^\top \tanh(v_l W_{keys} + h_t W_{state}), \qquad
       z_{ts} = v^\top \tanh(s_t W_{sentinel} + h_t W_{state}) $$
    $$ [\hat\alpha_t, \beta_t] = \mathrm{softmax}([z_t, z_{ts}]), \qquad
       \hat c_t = \sum_l \hat\alpha_{tl} v_l + \beta_t s_t, \qquad
       \mathrm{scores}_t = (\hat c_t + h_t) W_{vocab} + b_{vocab} $$

    with $a$ the cells of an image's feature map, $\bar a$ their mean, and a state that begins at zero. $s_t$ is the
    visual sentinel, what the language model knows without the image, and $\beta_t$ how much the next word relies on it.

    Attributes:
        W_embed: `(V, W)`, a vector for each word.
        W_cells: `(D, H)`, from a cell to what is seen of it.
        b_cells: `(H,)`.
        W_mean: `(D, W)`, from the mean cell to the image as a whole.
        b_mean: `(W,)`.
        recurrent: the LSTM's, from 2 W inputs to H states.
        W_x: `(2W, H)`, from what is read to the sentinel's gate.
        W_h: `(H, H)`, from the state before to the sentinel's gate.
        W_keys: `(H, A)`, from a cell to its key.
        W_sentinel: `(H, A)`, from the sentinel to its key.
        W_state: `(H, A)`, from the state to what is looked for.
        v: `(A,)`, from both to a score.
        W_vocab: `(H, V)`, to a score for each word.
        b_vocab: `(V,)`.

    Example:
        >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5, "attention_size": 6}
        >>> model, grid = adaptive_captioner(jax.random.key(0), **sizes), jnp.ones((2, 7, 4))
        >>> model(grid, jnp.array([[1, 5, 6], [1, 7, 2]])).shape
        (2, 3, 9)
        >>> carry, logits = model.step(model.start(grid), jnp.array([1, 1]))
        >>> logits.shape
        (2, 9)

    References:
        Lu, Xiong, Parikh and Socher, "Knowing when to look: adaptive attention via a visual sentinel for image
        captioning", https://arxiv.org/abs/1612.01887, 2017, equations 6 to 13, 18 and 19. Departures: layers have
        biases where the paper names none, no dropout.
    """

    W_embed: Float[Array, "v w"]
    W_cells: Float[Array, "d h"]
    b_cells: Float[Array, " h"]
    W_mean: Float[Array, "d w"]
    b_mean: Float[Array, " w"]
    recurrent: RecurrentParams
    W_x: Float[Array, "2*w h"]
    W_h: Float[Array, "h h"]
    W_keys: Float[Array, "h a"]
    W_sentinel: Float[Array, "h a"]
    W_state: Float[Array, "h a"]
    v: Float[Array, " a"]
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
        return self._read(grid, tokens)[0]

    def attend(
        self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]
    ) -> tuple[Float[Array, "n t v"], Float[Array, "n t l"]]:
        r"""The scores of each next word, and where the captioner looked for it, as far as it looked.

        Args:
            grid: as in a call.
            tokens: as in a call.

        Returns:
            `(N, T, V)` as from a call, and attention maps `(N, T, L)`, $\hat\alpha / (1 - \beta)$: each cell's share,
            which sum to one.

        Raises:
            InputError: if the grid does not fit.

        Example:
            >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5}
            >>> model = adaptive_captioner(jax.random.key(0), **sizes)
            >>> model.attend(jnp.ones((2, 7, 4)), jnp.array([[1, 5, 6], [1, 7, 2]]))[1].shape
            (2, 3, 7)
        """
        return self._read(grid, tokens)[:2]

    def sentinel(self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t"]:
        r"""How little each next word needs the image.

        Args:
            grid: as in a call.
            tokens: as in a call.

        Returns:
            `(N, T)`, $\beta$, in [0, 1]; 1: the word follows from those before it.

        Raises:
            InputError: if the grid does not fit.

        Example:
            >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5}
            >>> model = adaptive_captioner(jax.random.key(0), **sizes)
            >>> model.sentinel(jnp.ones((2, 7, 4)), jnp.array([[1, 5, 6], [1, 7, 2]])).shape
            (2, 3)
        """
        return self._read(grid, tokens)[2]

    def start(self, grid: Float[Array, "n l d"]) -> AdaptiveCarry:
        """What is carried to the first word; all that depends on the image alone is computed here.

        Args:
            grid: `(N, L, D)`, cells of the images' feature maps.

        Returns:
            What `step` carries.

        Raises:
            InputError: if the grid does not fit.
        """
        size, hidden = self.W_cells.shape
        if grid.ndim != 3 or grid.shape[2] != size or grid.shape[1] == 0:
            raise InputError(f"a grid must have shape (N, L, D) with D = {size} as W_cells has rows, got {grid.shape}")
        n, n_cells, _ = grid.shape
        cells = jax.nn.relu(grid.reshape(n * n_cells, size) @ self.W_cells + self.b_cells[None])
        keys = (cells @ self.W_keys).reshape(n, n_cells, -1)
        mean = jax.nn.relu(jnp.mean(grid, axis=1) @ self.W_mean + self.b_mean[None])
        zeros = jnp.zeros((n, hidden), jnp.promote_types(grid.dtype, self.recurrent.Wh.dtype))
        return AdaptiveCarry(
            LSTMState(zeros, zeros), OfImages(Grid(cells.reshape(n, n_cells, hidden), keys)), OfImages(mean)
        )

    def step(self, carry: AdaptiveCarry, tokens: Int[Array, " m"]) -> tuple[AdaptiveCarry, Float[Array, "m v"]]:
        """Reads one word and scores the next: what the decoders take.

        Args:
            carry: from `start` or the step before.
            tokens: `(M,)`, the word that was said last; at first START.

        Returns:
            The next carry, and scores `(M, V)`.
        """
        state, seen = self._look(carry, tokens)
        return carry._replace(state=state), (seen.context + state.h) @ self.W_vocab + self.b_vocab[None]

    def _read(self, grid: Array, tokens: Array) -> tuple[Array, Array, Array]:
        first = self.start(grid)

        @jax.checkpoint  # what lies between keys and scores, T times as large as the keys, is computed anew
        def one(state: LSTMState, read: Array) -> tuple[LSTMState, Any]:
            # The grid is no part of what is carried: the way back would keep a copy of it for each word.
            state, seen = self._look(first._replace(state=state), read)
            return state, (seen.context + state.h, seen.weights, seen.sentinel)

        _, (said, weights, sentinel) = jax.lax.scan(one, first.state, tokens.T)  # (T, N, ...)
        t, n, size = said.shape
        logits = said.swapaxes(0, 1).reshape(n * t, size) @ self.W_vocab + self.b_vocab[None]
        return logits.reshape(n, t, -1), weights.swapaxes(0, 1), sentinel.T

    def _look(self, carry: AdaptiveCarry, tokens: Array) -> tuple[LSTMState, _Seen]:
        (cells, keys), mean = carry.grid.values, carry.mean.values
        n, (m,) = mean.shape[0], tokens.shape
        x = jnp.concatenate([self.W_embed[tokens], jnp.repeat(mean, m // n, axis=0)], axis=1)  # (M, 2W)
        state = lstm_step(self.recurrent, carry.state, x)
        sentinel = jax.nn.sigmoid(x @ self.W_x + carry.state.h @ self.W_h) * jnp.tanh(state.c)  # (M, H)
        query = state.h @ self.W_state  # (M, A)
        of_cells = jnp.tanh(keys[:, None] + query.reshape(n, m // n, 1, -1)) @ self.v  # (N, K, L)
        of_sentinel = jnp.tanh(sentinel @ self.W_sentinel + query) @ self.v  # (M,)
        scores = jnp.concatenate([of_cells, of_sentinel.reshape(n, -1, 1)], axis=2)
        shares = jax.nn.softmax(scores, axis=2)  # (N, K, L + 1)
        beta = shares[..., -1].reshape(m)
        context = jnp.einsum("nkl,nlh->nkh", shares[..., :-1], cells).reshape(m, -1) + beta[:, None] * sentinel
        weights = jax.nn.softmax(of_cells, axis=2)  # not shares / (1 - beta), which is 0 / 0 where it looks away
        return state, _Seen(context, weights.reshape(m, -1), beta)


def adaptive_captioner(
    key: Key[Array, ""],
    *,
    feature_size: int,
    vocabulary_size: int,
    embed_size: int = 256,
    hidden_size: int = 512,
    attention_size: int = 512,
) -> AdaptiveCaptioner:
    """A captioner with adaptive attention to begin with.

    Args:
        key: decides the weights.
        feature_size: D, of a cell of the feature map.
        vocabulary_size: V.
        embed_size: W, of a word's vector.
        hidden_size: H, of the state.
        attention_size: A, between keys and scores.

    Returns:
        The model.

    Raises:
        InputError: if a size is below 1.

    Example:
        >>> adaptive_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9).recurrent.Wx.shape
        (512, 2048)
    """
    sizes = {"feature_size": feature_size, "vocabulary_size": vocabulary_size, "embed_size": embed_size}
    for name, size in (sizes | {"hidden_size": hidden_size, "attention_size": attention_size}).items():
        if size < 1:
            raise InputError(f"{name} must be at least 1, got {size}")
    keys = jax.random.split(key, 11)

    def normal(k: int, rows: int, *columns: int) -> Array:
        return jax.random.normal(keys[k], (rows, *columns)) / rows**0.5

    return AdaptiveCaptioner(
        W_embed=jax.random.normal(keys[0], (vocabulary_size, embed_size)),
        W_cells=normal(1, feature_size, hidden_size),
        b_cells=jnp.zeros(hidden_size),
        W_mean=normal(2, feature_size, embed_size),
        b_mean=jnp.zeros(embed_size),
        recurrent=lstm_params(keys[3], 2 * embed_size, hidden_size),
        W_x=normal(4, 2 * embed_size, hidden_size),
        W_h=normal(5, hidden_size, hidden_size),
        W_keys=normal(6, hidden_size, attention_size),
        W_sentinel=normal(7, hidden_size, attention_size),
        W_state=normal(8, hidden_size, attention_size),
        v=normal(9, attention_size),
        W_vocab=normal(10, hidden_size, vocabulary_size),
        b_vocab=jnp.zeros(vocabulary_size),
    )

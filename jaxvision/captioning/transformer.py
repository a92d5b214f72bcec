"""The captioner as a Transformer decoder: each word looks at the words before it, and at the cells of the image.

While decoding, keys and values of the words that were said are kept (a key-value cache), so that a step costs one row
of every product and not as many as there are words; those of the cells are computed once for each image.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.captioning.multi_head import (
    KeysValues,
    MultiHeadParams,
    keys_values,
    multi_head_attention,
    multi_head_params,
)
from jaxvision.captioning.steps import OfImages
from jaxvision.errors import InputError


class NormParams(NamedTuple):
    """Of a layer normalisation: `scale` and `shift`, `(E,)` each."""

    scale: Float[Array, " e"]
    shift: Float[Array, " e"]


class DecoderLayer(NamedTuple):
    """One layer's parameters.

    Attributes:
        norm_words: before the attention to the words.
        words: the attention to the words so far.
        norm_cells: before the attention to the cells.
        cells: the attention to the image's cells.
        norm_inner: before the two layers that follow.
        W_in: `(E, F)`.
        b_in: `(F,)`.
        W_out: `(F, E)`.
        b_out: `(E,)`.
    """

    norm_words: NormParams
    words: MultiHeadParams
    norm_cells: NormParams
    cells: MultiHeadParams
    norm_inner: NormParams
    W_in: Float[Array, "e f"]
    b_in: Float[Array, " f"]
    W_out: Float[Array, "f e"]
    b_out: Float[Array, " e"]


class TransformerCarry(NamedTuple):
    """What a `TransformerCaptioner` carries from word to word.

    Attributes:
        position: `(M,)`, how many words were read.
        said: of each layer, keys and values of the words, `(M, T, H, C)`; those from `position` on mean nothing.
        cells: of each layer, keys and values of the N images' cells, which no step changes.
    """

    position: Int[Array, " m"]
    said: tuple[KeysValues, ...]
    cells: OfImages[tuple[KeysValues, ...]]


class TransformerCaptioner(NamedTuple):
    r"""A Transformer decoder over an image's cells, a pytree of weights that is also the model.

    $$ x_t = W_{embed}[y_t] + p_t, \qquad m_l = a_l W_{grid} + b_{grid}, $$

    then in every layer, with $\mathrm{N}$ a layer normalisation,

    $$ x \leftarrow x + \mathrm{attend}(\mathrm{N}(x), \mathrm{N}(x)_{\le t}), \qquad
       x \leftarrow x + \mathrm{attend}(\mathrm{N}(x), m), \qquad
       x \leftarrow x + \max(0, \mathrm{N}(x) W_{in} + b_{in}) W_{out} + b_{out}, $$

    and at the end $s_t = \mathrm{N}(x_t) W_{vocab} + b_{vocab}$.

    Attributes:
        W_grid: `(D, E)`, from a cell of the grid.
        b_grid: `(E,)`.
        W_embed: `(V, E)`, a vector for each word.
        positions: `(T, E)`, a vector for each position; no caption is longer.
        layers: one after the other.
        norm: before the scores.
        W_vocab: `(E, V)`, to a score for each word.
        b_vocab: `(V,)`.

    Example:
        >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 6, "num_heads": 2, "max_length": 5}
        >>> model, grid = transformer_captioner(jax.random.key(0), **sizes), jnp.ones((2, 7, 4))
        >>> model(grid, jnp.array([[1, 5, 6], [1, 7, 2]])).shape
        (2, 3, 9)
        >>> carry, logits = model.step(model.start(grid), jnp.array([1, 1]))
        >>> logits.shape
        (2, 9)

    References:
        Vaswani et al., "Attention is all you need", https://arxiv.org/abs/1706.03762, 2017. Xiong et al., "On layer
        normalization in the transformer architecture", https://arxiv.org/abs/2002.04745, 2020, for the normalisation
        before each part and not after. Departures: positions are learned; no encoder stands between the cells and
        the decoder, so that where a word looks is a place in the image; no dropout.
    """

    W_grid: Float[Array, "d e"]
    b_grid: Float[Array, " e"]
    W_embed: Float[Array, "v e"]
    positions: Float[Array, "t e"]
    layers: tuple[DecoderLayer, ...]
    norm: NormParams
    W_vocab: Float[Array, "e v"]
    b_vocab: Float[Array, " v"]

    def __call__(self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t v"]:
        """Teacher forcing: the scores of each next word, given the right words before it.

        Args:
            grid: `(N, L, D)`, cells of the images' feature maps.
            tokens: `(N, T)`, what is read: the first is START.

        Returns:
            `(N, T, V)`; `[:, t]` are of the word after `tokens[:, t]`.

        Raises:
            InputError: if there are more words than positions, or the grid does not fit.
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
            `(N, T, V)` as from a call, and attention maps `(N, T, L)` which sum to one: the last layer's attention to
            the cells, the mean of its heads.

        Raises:
            InputError: as in a call.

        Example:
            >>> sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 6, "num_heads": 2, "max_length": 5}
            >>> model = transformer_captioner(jax.random.key(0), **sizes)
            >>> model.attend(jnp.ones((2, 7, 4)), jnp.array([[1, 5, 6], [1, 7, 2]]))[1].shape
            (2, 3, 7)
        """
        n, t = tokens.shape
        if not 1 <= t <= self.positions.shape[0]:
            raise InputError(f"this captioner reads from 1 to {self.positions.shape[0]} words, got {t}")
        x = self.W_embed[tokens] + self.positions[None, :t]  # (N, T, E)
        causal = jnp.asarray(np.tri(t, dtype=bool))[None]
        shares = jnp.zeros((n, t, 1, grid.shape[1]), x.dtype)
        for layer, cells in zip(self.layers, self._cells(grid), strict=True):
            x, _, shares = _layer(layer, x, lambda now: now, causal, cells)
        return self._scores(x).reshape(n, t, -1), jnp.mean(shares, axis=2)

    def start(self, grid: Float[Array, "n l d"]) -> TransformerCarry:
        """What is carried to the first word; the cells' keys and values are computed here, once for each image.

        Args:
            grid: `(N, L, D)`, cells of the images' feature maps.

        Returns:
            What `step` carries.

        Raises:
            InputError: if the grid does not fit.
        """
        cells = self._cells(grid)
        n, (length, _) = grid.shape[0], self.positions.shape
        empty = jnp.zeros((n, length, *self.layers[0].words.b_value.shape), self.positions.dtype)
        said = tuple(KeysValues(empty, empty) for _ in self.layers)
        return TransformerCarry(jnp.zeros(n, jnp.int32), said, OfImages(cells))

    def step(self, carry: TransformerCarry, tokens: Int[Array, " m"]) -> tuple[TransformerCarry, Float[Array, "m v"]]:
        """Reads one word and scores the next: what the decoders take.

        Args:
            carry: from `start` or the step before.
            tokens: `(M,)`, the word that was said last; at first START.

        Returns:
            The next carry, and scores `(M, V)`; they are NaN after more words than there are positions.
        """
        position, length = carry.position, self.positions.shape[0]
        row = jnp.arange(tokens.shape[0])
        x = (self.W_embed[tokens] + self.positions[jnp.minimum(position, length - 1)])[:, None]  # (M, 1, E)
        before = (jnp.arange(length, dtype=position.dtype)[None] <= position[:, None])[:, None]  # (M, 1, T)
        said: list[KeysValues] = []
        for layer, earlier, cells in zip(self.layers, carry.said, carry.cells.values, strict=True):

            def with_earlier(now: KeysValues, earlier: KeysValues = earlier) -> KeysValues:
                return KeysValues(
                    *(old.at[row, position].set(new[:, 0]) for old, new in zip(earlier, now, strict=True))
                )

            x, kept, _ = _layer(layer, x, with_earlier, before, cells)
            said.append(kept)
        logits = jnp.where((position < length)[:, None], self._scores(x), jnp.nan)
        return TransformerCarry(position + 1, tuple(said), carry.cells), logits

    def _cells(self, grid: Array) -> tuple[KeysValues, ...]:
        size = self.W_grid.shape[0]
        if grid.ndim != 3 or grid.shape[2] != size or grid.shape[1] == 0:
            raise InputError(f"a grid must have shape (N, L, D) with D = {size} as W_grid has rows, got {grid.shape}")
        n, n_cells, _ = grid.shape
        cells = (grid.reshape(n * n_cells, size) @ self.W_grid + self.b_grid[None]).reshape(n, n_cells, -1)
        return tuple(keys_values(layer.cells, cells) for layer in self.layers)

    def _scores(self, x: Array) -> Array:
        """Of `(M, T, E)`, `(M T, V)`."""
        return _normed(self.norm, x).reshape(-1, x.shape[2]) @ self.W_vocab + self.b_vocab[None]


def _layer(
    layer: DecoderLayer,
    x: Float[Array, "m t e"],
    with_earlier: Callable[[KeysValues], KeysValues],
    mask: Bool[Array, "_ t l"],
    cells: KeysValues,
) -> tuple[Float[Array, "m t e"], KeysValues, Float[Array, "m t h k"]]:
    """The rows after a layer, the words they looked at, and the shares of the cells."""
    y = _normed(layer.norm_words, x)
    words = with_earlier(keys_values(layer.words, y))
    x = x + multi_head_attention(layer.words, y, words, mask)[0]
    seen, shares = multi_head_attention(layer.cells, _normed(layer.norm_cells, x), cells)
    x = x + seen
    y = _normed(layer.norm_inner, x).reshape(-1, x.shape[2])
    inner = jax.nn.relu(y @ layer.W_in + layer.b_in[None]) @ layer.W_out + layer.b_out[None]
    return x + inner.reshape(x.shape), words, shares


def _normed(norm: NormParams, x: Float[Array, "m t e"]) -> Float[Array, "m t e"]:
    mean = jnp.mean(x, axis=2, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, axis=2, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * norm.scale[None, None] + norm.shift[None, None]


def transformer_captioner(
    key: Key[Array, ""],
    *,
    feature_size: int,
    vocabulary_size: int,
    embed_size: int = 256,
    num_heads: int = 8,
    num_layers: int = 3,
    inner_size: int | None = None,
    max_length: int = 32,
) -> TransformerCaptioner:
    r"""A Transformer captioner to begin with.

    Positions begin as Vaswani's sinusoids; the weights that add to the sum of all layers begin $\sqrt{3 K}$ times
    smaller, for K layers of three parts.

    Args:
        key: decides the weights.
        feature_size: D, of a cell of the feature map.
        vocabulary_size: V.
        embed_size: E, of a word's vector, and throughout the layers.
        num_heads: H, a divisor of E.
        num_layers: K.
        inner_size: F, between the two weights that end a layer; none: 4 E.
        max_length: words read at most, START among them.

    Returns:
        The model.

    Raises:
        InputError: if a size is below 1 or the heads do not divide `embed_size`.

    Example:
        >>> len(transformer_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, num_layers=2).layers)
        2

    References:
        Vaswani et al., https://arxiv.org/abs/1706.03762, 2017, section 3.5. Radford et al., "Language models are
        unsupervised multitask learners", 2019, section 2.3: the smaller weights.
    """
    inner_size = 4 * embed_size if inner_size is None else inner_size
    sizes = {"feature_size": feature_size, "vocabulary_size": vocabulary_size, "embed_size": embed_size}
    sizes |= {"num_layers": num_layers, "inner_size": inner_size, "max_length": max_length}
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{name} must be at least 1, got {size}")
    for_grid, for_words, for_vocab, *for_layers = jax.random.split(key, 3 + num_layers)
    gain = (3 * num_layers) ** -0.5
    return TransformerCaptioner(
        W_grid=jax.random.normal(for_grid, (feature_size, embed_size)) / feature_size**0.5,
        b_grid=jnp.zeros(embed_size),
        W_embed=jax.random.normal(for_words, (vocabulary_size, embed_size)),
        positions=_sinusoids(max_length, embed_size),
        layers=tuple(_layer_params(k, embed_size, num_heads, inner_size, gain) for k in for_layers),
        norm=_norm_params(embed_size),
        W_vocab=jax.random.normal(for_vocab, (embed_size, vocabulary_size)) / embed_size**0.5,
        b_vocab=jnp.zeros(vocabulary_size),
    )


def _layer_params(key: Key[Array, ""], size: int, num_heads: int, inner_size: int, gain: float) -> DecoderLayer:
    for_words, for_cells, for_in, for_out = jax.random.split(key, 4)
    return DecoderLayer(
        norm_words=_norm_params(size),
        words=multi_head_params(for_words, size=size, num_heads=num_heads, gain=gain),
        norm_cells=_norm_params(size),
        cells=multi_head_params(for_cells, size=size, num_heads=num_heads, gain=gain),
        norm_inner=_norm_params(size),
        W_in=jax.random.normal(for_in, (size, inner_size)) * (2 / size) ** 0.5,
        b_in=jnp.zeros(inner_size),
        W_out=jax.random.normal(for_out, (inner_size, size)) * (gain / inner_size**0.5),
        b_out=jnp.zeros(size),
    )


def _norm_params(size: int) -> NormParams:
    return NormParams(jnp.ones(size), jnp.zeros(size))


def _sinusoids(length: int, size: int) -> Float[Array, "t e"]:
    """Sines in the first half of the columns, cosines in the others."""
    rates = 10_000.0 ** (-np.arange((size + 1) // 2) / max(size / 2, 1))
    angles = np.arange(length)[:, None] * rates[None]
    return jnp.asarray(np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :size], jnp.float32)

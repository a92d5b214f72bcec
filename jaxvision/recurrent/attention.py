"""Soft attention: where in a grid of cells a state looks, and what it sees there."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxvision.errors import InputError
from jaxvision.recurrent.lstm_cell import once


class AttentionParams(NamedTuple):
    """Parameters of soft attention with a gate.

    Attributes:
        W_cells: `(D, A)`, from a cell of the grid to its key.
        W_state: `(H, A)`, from the state to what it looks for.
        b: `(A,)`.
        v: `(A,)`, from both to a score.
        w_gate: `(H,)`, from the state to the gate.
        b_gate: `()`.
    """

    W_cells: Float[Array, "d a"]
    W_state: Float[Array, "h a"]
    b: Float[Array, " a"]
    v: Float[Array, " a"]
    w_gate: Float[Array, " h"]
    b_gate: Float[Array, ""]


class Attended(NamedTuple):
    """What was looked at.

    Attributes:
        context: `(N, D)`, of a sequence `(N, T, D)`: the gated mean of the cells.
        weights: `(N, L)`, of a sequence `(N, T, L)`: each cell's share, which sum to one.
    """

    context: Float[Array, "n *t d"]
    weights: Float[Array, "n *t l"]


def attention_params(key: Key[Array, ""], *, cell_size: int, state_size: int, attention_size: int) -> AttentionParams:
    """Parameters of soft attention to begin with: normal, zero biases.

    Args:
        key: decides the weights.
        cell_size: D.
        state_size: H.
        attention_size: A.

    Returns:
        The parameters.

    Raises:
        InputError: if a size is below 1.

    Example:
        >>> attention_params(jax.random.key(0), cell_size=3, state_size=4, attention_size=5).W_state.shape
        (4, 5)
    """
    sizes = {"cell_size": cell_size, "state_size": state_size, "attention_size": attention_size}
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{name} must be a size of at least 1, got {size}")
    for_cells, for_state, for_v, for_gate = jax.random.split(key, 4)
    return AttentionParams(
        W_cells=jax.random.normal(for_cells, (cell_size, attention_size)) / cell_size**0.5,
        W_state=jax.random.normal(for_state, (state_size, attention_size)) / state_size**0.5,
        b=jnp.zeros(attention_size),
        v=jax.random.normal(for_v, (attention_size,)) / attention_size**0.5,
        w_gate=jax.random.normal(for_gate, (state_size,)) / state_size**0.5,
        b_gate=jnp.zeros(()),
    )


def attention_keys(params: AttentionParams, grid: Float[Array, "n l d"]) -> Float[Array, "n l a"]:
    r"""The cells' share of the scores, once for each image.

    $$ k_l = a_l W_{cells} + b $$

    Args:
        params: of the attention.
        grid: `(N, L, D)`, cells of an image's feature map.

    Returns:
        `(N, L, A)`.

    Raises:
        InputError: if the grid does not fit.

    Example:
        >>> params = attention_params(jax.random.key(0), cell_size=3, state_size=4, attention_size=5)
        >>> attention_keys(params, jnp.ones((2, 7, 3))).shape
        (2, 7, 5)
    """
    size = params.W_cells.shape[0]
    if grid.ndim != 3 or grid.shape[2] != size or grid.shape[1] == 0:
        raise InputError(f"a grid must have shape (N, L, D) with D = {size} as W_cells has rows, got {grid.shape}")
    n, n_cells, _ = grid.shape
    return (grid.reshape(n * n_cells, size) @ params.W_cells + params.b[None]).reshape(n, n_cells, -1)


def soft_attention(
    params: AttentionParams, h: Float[Array, "m h"], grid: Float[Array, "n l d"], keys: Float[Array, "n l a"]
) -> Attended:
    r"""Where a state looks, and what it sees there.

    $$ e_l = v^\top \tanh(k_l + h W_{state}), \qquad \alpha = \mathrm{softmax}(e), \qquad
       z = \sigma(h^\top w_{gate} + b_{gate}) \sum_l \alpha_l a_l $$

    Args:
        params: of the attention.
        h: `(M, H)`, states; M is N, or a multiple of it for several states of each image, side by side.
        grid: `(N, L, D)`, the cells $a$.
        keys: `(N, L, A)`, from `attention_keys`.

    Returns:
        Contexts `(M, D)` and weights `(M, L)`.

    Example:
        >>> params = attention_params(jax.random.key(0), cell_size=1, state_size=1, attention_size=1)
        >>> grid = jnp.array([[[1.0], [3.0]]])
        >>> soft_attention(params, jnp.zeros((1, 1)), grid, 0 * grid)  # nothing to prefer, the gate half open
        Attended(context=Array([[1.]], dtype=float32), weights=Array([[0.5, 0.5]], dtype=float32))

    References:
        Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate",
        https://arxiv.org/abs/1409.0473, 2015, section A.1.2. Xu et al., "Show, attend and tell: neural image caption
        generation with visual attention", https://arxiv.org/abs/1502.03044, 2015, equations 4, 5 and 13, and the gate
        of section 4.2.1.
    """
    seen = attend_to(params.v, h @ params.W_state, grid, keys)
    gate = jax.nn.sigmoid(h @ params.w_gate + params.b_gate[None])
    return seen._replace(context=gate[:, None] * seen.context)


def attend_to(
    v: Float[Array, " a"], query: Float[Array, "m a"], grid: Float[Array, "n l d"], keys: Float[Array, "n l a"]
) -> Attended:
    r"""Where a query looks, without a gate.

    $$ \alpha = \mathrm{softmax}_l (v^\top \tanh(k_l + q)), \qquad z = \sum_l \alpha_l a_l $$

    Args:
        v: `(A,)`.
        query: `(M, A)`, M as in `soft_attention`.
        grid: `(N, L, D)`, the cells $a$.
        keys: `(N, L, A)`.

    Returns:
        Contexts `(M, D)` and weights `(M, L)`.

    Example:
        >>> grid = jnp.array([[[1.0], [3.0]]])
        >>> attend_to(jnp.ones(1), jnp.zeros((1, 1)), grid, 0 * grid).context
        Array([[2.]], dtype=float32)

    References:
        Bahdanau, Cho and Bengio, https://arxiv.org/abs/1409.0473, 2015, section A.1.2.
    """
    n, n_cells, size = keys.shape
    u = once(jnp.tanh(keys[:, None] + query.reshape(n, -1, 1, size)))  # (N, K, L, A)
    weights = jax.nn.softmax((u.reshape(-1, size) @ v).reshape(n, -1, n_cells), axis=2)
    context = jnp.einsum("nkl,nld->nkd", weights, grid).reshape(query.shape[0], -1)
    return Attended(context, weights.reshape(query.shape[0], n_cells))

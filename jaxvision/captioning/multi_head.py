"""Attention with several heads: what each row of a sequence sees of another one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jaxvision.errors import InputError


class MultiHeadParams(NamedTuple):
    """Parameters of attention with several heads; their number is an axis of the weights.

    Keys have no bias: it would add the same to every score of a query, which a softmax does not see.

    Attributes:
        W_query: `(E, H, C)`, from what asks to H queries of C numbers each.
        b_query: `(H, C)`.
        W_key: `(E, H, C)`, from what is looked at to its keys.
        W_value: `(E, H, C)`, and to its values.
        b_value: `(H, C)`.
        W_out: `(H, C, E)`, from what the heads saw.
        b_out: `(E,)`.
    """

    W_query: Float[Array, "e h c"]
    b_query: Float[Array, "h c"]
    W_key: Float[Array, "e h c"]
    W_value: Float[Array, "e h c"]
    b_value: Float[Array, "h c"]
    W_out: Float[Array, "h c e"]
    b_out: Float[Array, " e"]


class KeysValues(NamedTuple):
    """What is looked at, as the heads see it: leaves `(N, L, H, C)`."""

    keys: Float[Array, "n l h c"]
    values: Float[Array, "n l h c"]


def multi_head_params(key: Key[Array, ""], *, size: int, num_heads: int, gain: float = 1.0) -> MultiHeadParams:
    """Parameters to begin with: normal, zero biases.

    Args:
        key: decides the weights.
        size: E, of a row.
        num_heads: H, a divisor of E; a head has C = E / H numbers.
        gain: factor of the weights to the output; less than 1 where many sums follow each other.

    Returns:
        The parameters.

    Raises:
        InputError: if heads do not divide the size.

    Example:
        >>> multi_head_params(jax.random.key(0), size=6, num_heads=2).W_out.shape
        (2, 3, 6)
    """
    if num_heads < 1 or size < 1 or size % num_heads:
        raise InputError(f"num_heads must divide the size of a row, got {num_heads} heads for size {size}")
    of_head = (num_heads, size // num_heads)
    W_query, W_key, W_value, W_out = jax.random.normal(key, (4, size, size)) / size**0.5  # (E, E) each
    return MultiHeadParams(
        W_query=W_query.reshape(size, *of_head),
        b_query=jnp.zeros(of_head),
        W_key=W_key.reshape(size, *of_head),
        W_value=W_value.reshape(size, *of_head),
        b_value=jnp.zeros(of_head),
        W_out=gain * W_out.reshape(*of_head, size),
        b_out=jnp.zeros(size),
    )


def keys_values(params: MultiHeadParams, rows: Float[Array, "n l e"]) -> KeysValues:
    """Keys and values of what is looked at.

    Args:
        params: of the attention.
        rows: `(N, L, E)`.

    Returns:
        `(N, L, H, C)` each.

    Example:
        >>> params = multi_head_params(jax.random.key(0), size=6, num_heads=2)
        >>> keys_values(params, jnp.ones((4, 5, 6))).keys.shape
        (4, 5, 2, 3)
    """
    return KeysValues(_projected(rows, params.W_key), _projected(rows, params.W_value) + params.b_value[None, None])


def multi_head_attention(
    params: MultiHeadParams,
    rows: Float[Array, "m t e"],
    seen: KeysValues,
    mask: Bool[Array, "m t l"] | Bool[Array, "1 t l"] | None = None,
) -> tuple[Float[Array, "m t e"], Float[Array, "m t h l"]]:
    r"""What rows see of others.

    $$ \alpha_{tl} = \mathrm{softmax}_l \left( \frac{q_t^\top k_l}{\sqrt C} \right), \qquad
       o_t = \sum_{heads} \Big( \sum_l \alpha_{tl} v_l \Big) W_{out} + b_{out} $$

    Args:
        params: of the attention.
        rows: `(M, T, E)`, what asks; M is N, or a multiple of it for several sequences of each image, side by side.
        seen: from `keys_values`, leaves `(N, L, H, C)`.
        mask: `(M, T, L)`, True where a row may look; at least one place for each; M is N then.

    Returns:
        `(M, T, E)`, and each head's shares `(M, T, H, L)`, which sum to one.

    Example:
        >>> params = multi_head_params(jax.random.key(0), size=6, num_heads=2)
        >>> out, shares = multi_head_attention(params, jnp.ones((8, 1, 6)), keys_values(params, jnp.ones((4, 5, 6))))
        >>> out.shape, shares.shape
        ((8, 1, 6), (8, 1, 2, 5))

    References:
        Vaswani et al., "Attention is all you need", https://arxiv.org/abs/1706.03762, 2017, section 3.2.2. Departure:
        biases of queries, values and output, as in PyTorch's `nn.MultiheadAttention`.
    """
    m, t, size = rows.shape
    n, n_places, n_heads, of_head = seen.keys.shape
    q = _projected(rows, params.W_query) + params.b_query[None, None]  # (M, T, H, C)
    q = q.reshape(n, -1, n_heads, of_head)  # (N, K T, H, C)
    scores = jnp.einsum("nqhc,nlhc->nhql", q, seen.keys) * jnp.asarray(of_head**-0.5, q.dtype)
    if mask is not None:
        scores = jnp.where(mask[:, None], scores, -jnp.inf)
    shares = jax.nn.softmax(scores, axis=3)  # (N, H, K T, L)
    context = jnp.einsum("nhql,nlhc->nqhc", shares, seen.values).reshape(m * t, n_heads * of_head)
    out = context @ params.W_out.reshape(n_heads * of_head, size) + params.b_out[None]
    return out.reshape(m, t, size), shares.transpose(0, 2, 1, 3).reshape(m, t, n_heads, n_places)


def _projected(rows: Array, W: Array) -> Array:
    n, n_rows, size = rows.shape
    return (rows.reshape(n * n_rows, size) @ W.reshape(size, -1)).reshape(n, n_rows, *W.shape[1:])

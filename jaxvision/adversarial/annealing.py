"""Step sizes that fall as an attack goes on."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int


def annealed(
    step: Int[Array, ""], n_steps: ArrayLike, first: Float[Array, " n"], last: Float[Array, " n"]
) -> Float[Array, " n"]:
    r"""From the first value to the last along half a cosine.

    $$ v_t = v_T + \tfrac{1}{2} (v_0 - v_T) \bigl(1 + \cos(\pi t / T)\bigr) $$

    Args:
        step: $t$, from 0.
        n_steps: $T$, above zero.
        first: $v_0$, `(N,)`.
        last: $v_T$, `(N,)`.

    Returns:
        `(N,)`.

    Example:
        >>> [round(annealed(jnp.array(t), 12, jnp.array([1.0]), jnp.array([0.5])).item(), 4) for t in (0, 4, 6, 12)]
        [1.0, 0.875, 0.75, 0.5]
    """
    share = step.astype(first.dtype) / jnp.asarray(n_steps, first.dtype)
    return last + 0.5 * (first - last) * (1 + jnp.cos(jnp.pi * share))

r"""The nearest point of a plane that is still an image, in two norms.

$$ \delta = \arg\min \lVert \delta \rVert_p \quad \text{where} \quad
   \langle w, \delta \rangle = b, \quad l \le \delta \le h $$
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.adversarial.norms import Norm
from jaxvision.adversarial.sizes import Batch, PerImage, over_images


def onto_plane(norm: Norm, normals: Batch, gaps: PerImage, low: Batch, high: Batch) -> Batch:
    r"""The smallest perturbation that reaches a plane within bounds, or goes towards it as far as they allow.

    $$ \delta_i = \operatorname{clip}(t\, v_i,\, l_i,\, h_i), \qquad t \ge 0 \text{ the least with }
       \langle w, \delta \rangle = b $$

    $v$ is the norm's steepest direction, of $w$ where $b$ is positive, of $-w$ where it is negative. What is gained by
    raising $t$ only falls, as values reach their bounds, so that Newton's method never oversteps and ends: each of its
    steps but the last passes a value that has reached its bound.

    Args:
        norm: `LINF` or `L2`.
        normals: $w$, `(N, H, W, C)`.
        gaps: $b$, `(N,)`.
        low: zero or less.
        high: zero or more.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> from jaxvision.adversarial import L2, LINF
        >>> normal = jnp.array([3.0, 4.0]).reshape(1, 1, 2, 1)
        >>> low, high = -9 + 0 * normal, jnp.array([9.0, 0.5]).reshape(1, 1, 2, 1)
        >>> onto_plane(LINF, normal, jnp.array([7.0]), low, high).ravel()  # 3 x 5/3 + 4 x 1/2 = 7
        Array([1.6666667, 0.5      ], dtype=float32)
        >>> onto_plane(L2, normal, jnp.array([-25.0]), low, high).ravel()
        Array([-3., -4.], dtype=float32)

    References:
        Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack",
        https://arxiv.org/abs/1907.02044, 2019, equation 3. Departure: by Newton's method, not by sorting.
    """
    towards = over_images(jnp.sign(gaps)) * normals
    speeds = norm.ascend(towards, low, high)
    wanted = jnp.abs(gaps)
    n = len(normals)
    slopes, speed, lowest, highest = (x.reshape(n, -1) for x in (towards, speeds, low, high))

    def raised(t: Float[Array, " n"]) -> Float[Array, " n"]:
        moved = t[:, None] * speed
        gain = jnp.sum(slopes * jnp.clip(moved, lowest, highest), axis=1)
        free = jnp.where(speed > 0, moved < highest, moved > lowest)
        rate = jnp.sum(jnp.where(free, slopes * speed, 0), axis=1)
        step = (wanted - gain) / jnp.where(rate > 0, rate, 1)
        return t + jnp.where((rate > 0) & (step > 0), step, 0)

    def rises(ends: tuple[Array, Array]) -> Array:
        return jnp.any(ends[1] > ends[0])

    start = jnp.zeros_like(gaps)
    t = jax.lax.while_loop(rises, lambda ends: (ends[1], raised(ends[1])), (start, raised(start)))[1]
    return jnp.clip(over_images(t) * speeds, low, high)

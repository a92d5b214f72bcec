r"""What "a little" is to an attack: a norm of perturbations, and what follows from it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array

from jaxvision.adversarial.ascent import l1_ascent, l2_ascent, linf_ascent
from jaxvision.adversarial.projections import l1_projection, l2_projection, linf_projection
from jaxvision.adversarial.samples import l1_sample, l2_sample, linf_sample
from jaxvision.adversarial.sizes import l1_size, l2_size, linf_size


class Norm(NamedTuple):
    """What an attack asks of a norm. Compared with `==` when a program is looked up: give functions of a module.

    Attributes:
        size: perturbations `(N, H, W, C)` to their norms `(N,)`.
        ascend: `(gradients, low, high) -> directions`, of size 1, or 0 for a zero gradient, along which a loss rises.
            `low` and `high`, `(N, H, W, C)`, are how far each value can still go down and up.
        project: `(perturbations, eps (N,), low, high) -> perturbations`, the nearest of at most that size and between
            `low` and `high`.
        sample: `(keys (N,), shape (H, W, C), dtype) -> perturbations`, uniform in the ball of size 1.

    Example:
        >>> import jax.numpy as jnp
        >>> perturbation = jnp.array([3.0, -4.0]).reshape(1, 1, 2, 1)
        >>> LINF.size(perturbation), L2.size(perturbation), L1.size(perturbation)
        (Array([4.], dtype=float32), Array([5.], dtype=float32), Array([7.], dtype=float32))
    """

    size: Callable[[Array], Array]
    ascend: Callable[[Array, Array, Array], Array]
    project: Callable[[Array, Array, Array, Array], Array]
    sample: Callable[[Array, tuple[int, ...], Any], Array]


LINF = Norm(linf_size, linf_ascent, linf_projection, linf_sample)
"""No value changes by more than eps."""

L2 = Norm(l2_size, l2_ascent, l2_projection, l2_sample)
"""The whole change is at most eps long."""

L1 = Norm(l1_size, l1_ascent, l1_projection, l1_sample)
"""All changes together are at most eps: few values, each by much. Steps are sparse: Tramer and Boneh, 2019."""

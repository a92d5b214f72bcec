r"""Which way a small perturbation raises a loss most: the steepest direction of size 1, in three norms.

$$ d = \arg\max_{\lVert d \rVert_p \le 1} \langle g, d \rangle $$
"""

import math

import jax
import jax.numpy as jnp

from jaxvision.adversarial.sizes import Batch, l2_size, linf_size, or_one, over_images

SPARSE_SHARE = 0.01  # of an image's values, that a step in l1 changes


def linf_ascent(gradients: Batch, low: Batch, high: Batch) -> Batch:
    r"""The steepest direction of size 1 in $\ell_\infty$: $\operatorname{sign}(g)$.

    Args:
        gradients: `(N, H, W, C)`.
        low: not looked at.
        high: not looked at.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> gradient = jnp.array([3.0, -4.0, 0.0]).reshape(1, 1, 3, 1)
        >>> linf_ascent(gradient, -1 + 0 * gradient, 1 + 0 * gradient).ravel()
        Array([ 1., -1.,  0.], dtype=float32)

    References:
        Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples",
        https://arxiv.org/abs/1412.6572, 2014, section 3.
    """
    return jnp.sign(gradients)


def l2_ascent(gradients: Batch, low: Batch, high: Batch) -> Batch:
    r"""The steepest direction of size 1 in $\ell_2$: $g / \lVert g \rVert_2$.

    The gradient is scaled by its largest entry first, so one of 1e-30 is as good as one of 1 in float32.

    Args:
        gradients: `(N, H, W, C)`.
        low: not looked at.
        high: not looked at.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> gradient = jnp.array([3e-30, -4e-30]).reshape(1, 1, 2, 1)
        >>> l2_ascent(gradient, -1 + 0 * gradient, 1 + 0 * gradient).ravel()
        Array([ 0.6, -0.8], dtype=float32)
    """
    scaled = gradients / over_images(or_one(linf_size(gradients)))
    return scaled / over_images(or_one(l2_size(scaled)))


def l1_ascent(gradients: Batch, low: Batch, high: Batch, *, share: float = SPARSE_SHARE) -> Batch:
    r"""A steep direction of size 1 in $\ell_1$ that changes a small share of the values, all equally.

    $$ d_i = \frac{\operatorname{sign}(g_i)}{k}\, [\,i \in T\,], \qquad
       T = \text{the } k = \lceil q D \rceil \text{ largest } |g_i| \text{ whose value can still move} $$

    The steepest of all changes the one value of the largest $|g_i|$; the few of $T$ get there in fewer steps.

    Args:
        gradients: `(N, H, W, C)`.
        low: how far each value can go down, zero or less.
        high: how far each value can go up, zero or more.
        share: $q$, of the values of an image, a Python number above 0 and at most 1.

    Returns:
        `(N, H, W, C)`; equal gradients at the edge of $T$ are all in it, and $k$ counts them.

    Example:
        >>> gradient = jnp.array([3.0, -4.0, 2.0, 5.0]).reshape(1, 1, 4, 1)
        >>> high = jnp.array([1.0, 1.0, 1.0, 0.0]).reshape(1, 1, 4, 1)  # the last value is as high as it may be
        >>> l1_ascent(gradient, -1 + 0 * gradient, high, share=0.5).ravel()
        Array([ 0.5, -0.5,  0. ,  0. ], dtype=float32)

    References:
        Tramer and Boneh, "Adversarial training and robustness for multiple perturbations",
        https://arxiv.org/abs/1904.13000, 2019, section 2 and appendix A: sparse l1 descent, and its values that cannot
        move.
    """
    can_move = jnp.where(gradients > 0, high > 0, low < 0)
    strength = jnp.where(can_move, jnp.abs(gradients), 0)
    rows = strength.reshape(len(gradients), -1)  # (N, D)
    # Their minimum, not the last of them: from a slice of `top_k` the compiler makes a slice of a whole sort.
    least = jnp.min(jax.lax.top_k(rows, math.ceil(share * rows.shape[1]))[0], axis=1)
    kept = (strength >= over_images(least)) & (strength > 0)
    count = jnp.sum(kept, axis=(1, 2, 3)).astype(gradients.dtype)
    return jnp.where(kept, jnp.sign(gradients), 0) / over_images(or_one(count))

"""Objectives of images that are looked at together: a group that shall differ, or a row that shall not jump."""

from collections.abc import Mapping

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import with_settings
from jaxvision.visualization.objectives import Objective, of_layer, unit


def diversity(layer: str, n_group: int) -> Objective:
    r"""How unlike the images of a group are: together with another objective, its different facets.

    $$ D_a = -\frac{1}{g - 1} \sum_{b \ne a} \frac{\langle G_a, G_b \rangle}{\lVert G_a \rVert \, \lVert G_b \rVert},
       \qquad G = \sum_{i,j} F_{ij} F_{ij}^\top $$

    The first g images are a group, the next g another, and so on: an image's result depends on its own group, on no
    other.

    Args:
        layer: the activations' name.
        n_group: $g$, images in a group, 2 or more, a divisor of N.

    Returns:
        The objective, in [-1, 0] for activations that are not negative.

    Raises:
        InputError: when called, if N is no multiple of `n_group`.

    Example:
        >>> features = jnp.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).reshape(4, 1, 1, 2)
        >>> diversity("conv1", 2)({"conv1": features})
        Array([-1., -1.,  0.,  0.], dtype=float32)

    References:
        Olah, Mordvintsev and Schubert, "Feature visualization", https://distill.pub/2017/feature-visualization/, 2017,
        section "Diversity". Departure: the mean over the other images instead of their sum.
    """
    return Partial(with_settings(_diversity, layer, n_group))


def _diversity(layer: str, n_group: int, activations: Mapping[str, Array]) -> Float[Array, " n"]:
    features = of_layer(activations, layer)
    grams = unit(jnp.einsum("nhwc,nhwd->ncd", features, features))
    groups = _groups(grams, n_group)  # (N / g, g, c, c)
    cosines = jnp.einsum("magd,mbgd->mab", groups, groups)
    own = jnp.eye(n_group, dtype=bool)[None]
    return jnp.sum(jnp.where(own, 0, -cosines), axis=2).reshape(-1) / (n_group - 1)


def alignment(layer: str, n_group: int, *, reach: int = 4, decay: float = 2.0) -> Objective:
    r"""How near neighbours within a group are, place by place: analogous things are drawn at the same spot.

    $$ A_a = -\frac{1}{2} \sum_{0 < |a - b| \le r} \frac{1}{d^{\,|a - b|}} \, \frac{1}{hwc} \lVert F_a - F_b \rVert^2 $$

    Meant for a row of images on the way from one objective to another. Groups are as in `diversity`.

    Args:
        layer: the activations' name.
        n_group: images in a group, a divisor of N.
        reach: $r$, how far apart in the row neighbours may be.
        decay: $d$, how much less each further place counts.

    Returns:
        The objective, zero for a group of equal images.

    Raises:
        InputError: when called, if N is no multiple of `n_group`.

    Example:
        >>> features = jnp.array([0.0, 2.0, 7.0, 7.0]).reshape(4, 1, 1, 1)
        >>> alignment("conv1", 2)({"conv1": features})
        Array([-1., -1.,  0.,  0.], dtype=float32)

    References:
        Mordvintsev et al., "Differentiable image parameterizations",
        https://distill.pub/2018/differentiable-parameterizations/, 2018, section 1; numbers as in the authors' Lucid.
    """
    return Partial(with_settings(_alignment, layer, n_group, reach, decay))


def _alignment(
    layer: str, n_group: int, reach: int, decay: float, activations: Mapping[str, Array]
) -> Float[Array, " n"]:
    groups = _groups(of_layer(activations, layer), n_group)  # (N / g, g, h, w, c)
    total = jnp.zeros(groups.shape[:2], groups.dtype)
    for apart in range(1, min(reach, n_group - 1) + 1):
        squares = jnp.mean((groups[:, apart:] - groups[:, :-apart]) ** 2, axis=(2, 3, 4)) / (2 * decay**apart)
        total = total.at[:, apart:].add(-squares).at[:, :-apart].add(-squares)
    return total.reshape(-1)


def _groups(values: Float[Array, "n ..."], n_group: int) -> Float[Array, "m g ..."]:
    n = values.shape[0]
    if n_group < 2 or n % n_group:
        raise InputError(f"n_group must be 2 or more and a divisor of the number of images, got {n_group} for {n}")
    return values.reshape(-1, n_group, *values.shape[1:])

"""The three terms of style transfer as plain functions, one number per image."""

import functools
import operator
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.style.statistic import GRAM, StyleStatistic


def content_loss(
    features: Float[Array, "n h w c"], target: Float[Array, "n h w c"], *, normalize: bool = True
) -> Float[Array, " n"]:
    r"""How far features have moved from the content's.

    $$ L = \frac{1}{HWC} \sum_{i,j,c} (F_{ijc} - P_{ijc})^2 $$

    Args:
        features: `(N, H, W, C)`, of the image.
        target: `(N, H, W, C)`, of the content.
        normalize: divide by $HWC$, so that a weight holds for every size and layer; without, the plain sum.

    Returns:
        `(N,)`.

    Example:
        >>> content_loss(jnp.ones((1, 2, 2, 3)), jnp.zeros((1, 2, 2, 3)), normalize=False)
        Array([12.], dtype=float32)

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, equation 1;
        there half the sum. Johnson, Alahi and Fei-Fei, https://arxiv.org/abs/1603.08155, 2016, equation 2: the mean.
    """
    squares = (features - target) ** 2
    return jnp.mean(squares, axis=(1, 2, 3)) if normalize else jnp.sum(squares, axis=(1, 2, 3))


def style_loss(
    features: Mapping[str, Float[Array, "n _ _ _"]],
    targets: Mapping[str, Any],
    layer_weights: Mapping[str, ArrayLike],
    *,
    statistic: StyleStatistic = GRAM,
) -> Float[Array, " n"]:
    r"""How far an image's statistics are from a style's, over several layers.

    $$ L = \sum_l w_l \, d(S(F_l), A_l) $$

    Args:
        features: layer to `(N, H, W, C)`; layers without a weight are not looked at.
        targets: layer to `statistic.summarize` of the style's features.
        layer_weights: layer to $w_l$, a number or `(N,)`, at least one.
        statistic: what a style is.

    Returns:
        `(N,)`.

    Example:
        >>> ones = {"relu1_1": jnp.ones((1, 4, 4, 2))}
        >>> targets = {"relu1_1": GRAM.summarize(jnp.zeros((1, 8, 8, 2)))}
        >>> style_loss(ones, targets, {"relu1_1": 2.0})
        Array([2.], dtype=float32)

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, equation 5.
    """
    terms = (
        jnp.asarray(weight) * statistic.distance(statistic.summarize(features[layer]), targets[layer])
        for layer, weight in layer_weights.items()
    )
    return functools.reduce(operator.add, terms)


def total_variation_loss(images: Float[Array, "n h w c"], *, normalize: bool = True) -> Float[Array, " n"]:
    r"""Squared differences of neighbours: how rough an image is.

    $$ L = \frac{1}{HWC} \sum_{i,j,c} (x_{i+1,j,c} - x_{i,j,c})^2 + (x_{i,j+1,c} - x_{i,j,c})^2 $$

    Args:
        images: `(N, H, W, C)`.
        normalize: divide by $HWC$, so that a weight holds for every size; without, the plain sum.

    Returns:
        `(N,)`, zero for a constant image.

    Example:
        >>> total_variation_loss(jnp.arange(3.0).reshape(1, 1, 3, 1), normalize=False)
        Array([2.], dtype=float32)

    References:
        Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution",
        https://arxiv.org/abs/1603.08155, 2016, section 3.2; the form is that of Stanford's CS231n, assignment 3.
        Mahendran and Vedaldi, "Understanding deep image representations by inverting them",
        https://arxiv.org/abs/1412.0035, 2015, section 3: with an exponent. Departure: squares, not joined in one root.
    """
    down = images[:, 1:] - images[:, :-1]  # (N, H-1, W, C)
    right = images[:, :, 1:] - images[:, :, :-1]  # (N, H, W-1, C)
    total = jnp.sum(down**2, axis=(1, 2, 3)) + jnp.sum(right**2, axis=(1, 2, 3))
    return total / float(images[0].size) if normalize else total

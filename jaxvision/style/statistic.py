"""What a style is to this room: statistics of features that forget where things are, and a distance between them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array

from jaxvision.style.central import central_distance, central_moments
from jaxvision.style.gram import gram_distance, gram_matrix
from jaxvision.style.moments import channel_moments, moments_distance
from jaxvision.style.sliced import channel_histogram, sliced_wasserstein
from jaxvision.style.wasserstein import bures_distance, gaussian_moments


class StyleStatistic(NamedTuple):
    """A way to describe a style. Compared with `==` when a program is looked up: give functions of a module.

    Attributes:
        summarize: `(features (N, H, W, C), weights (N, H, W) or None) -> pytree`, each leaf with a leading axis N. The
            weights are a soft region: a pixel counts in proportion.
        distance: `(statistics, targets) -> (N,)`, zero where they are equal.

    Example:
        >>> import jax.numpy as jnp
        >>> ones = jnp.ones((1, 4, 4, 2))
        >>> GRAM.distance(GRAM.summarize(ones), GRAM.summarize(2 * ones))
        Array([9.], dtype=float32)
    """

    summarize: Callable[..., Any]
    distance: Callable[[Any, Any], Array]


GRAM = StyleStatistic(gram_matrix, gram_distance)
"""Products of channels, averaged over pixels: Gatys et al., 2016."""

MOMENTS = StyleStatistic(channel_moments, moments_distance)
"""Mean and deviation of each channel: Huang and Belongie, 2017."""

CENTRAL = StyleStatistic(central_moments, central_distance)
"""Mean, deviation and skewness of each channel: Kalischek et al., 2021."""

WASSERSTEIN = StyleStatistic(gaussian_moments, bures_distance)
"""Mean and covariance, compared by what it takes to move one Gaussian to the other."""

SLICED = StyleStatistic(*sliced_wasserstein())
"""Every distribution along random directions: Heitz et al., 2021."""

HISTOGRAM = StyleStatistic(*channel_histogram())
"""The distribution of each channel: Risser et al., 2017."""

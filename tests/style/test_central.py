"""Central moments: SciPy's, and what a channel's own units mean."""

import jax.numpy as jnp
import numpy as np
import scipy.stats

from jaxvision.style import CENTRAL, MOMENTS, central_moments
from tests.style.conftest import between, random_features


def test_moments_are_scipys():
    features = random_features(0)
    rows = np.asarray(features, np.float64).reshape(3, 20, 4)
    std = rows.std(axis=1)
    expected = [rows.mean(axis=1), *(scipy.stats.moment(rows, k, axis=1) / std ** (k - 1) for k in (2, 3, 4, 5))]
    np.testing.assert_allclose(central_moments(features, order=5), np.stack(expected, axis=1), rtol=1e-3, atol=1e-4)


def test_a_symmetric_channel_has_mean_and_deviation_alone():
    symmetric = jnp.concatenate([random_features(0), 2 - random_features(0)], axis=1)
    np.testing.assert_allclose(central_moments(symmetric)[:, 0], 1, atol=1e-5)
    np.testing.assert_allclose(central_moments(symmetric)[:, 2], 0, atol=1e-5)


def test_louder_features_have_louder_moments():
    features = random_features(0)
    np.testing.assert_allclose(central_moments(3 * features), 3 * central_moments(features), rtol=1e-4, atol=1e-5)


def test_it_adds_skewness_to_the_distance_of_mean_and_deviation():
    features, target = random_features(0), random_features(1)
    skewness = np.mean((central_moments(features) - central_moments(target))[:, 2] ** 2, axis=1)
    np.testing.assert_allclose(
        between(CENTRAL, features, target), between(MOMENTS, features, target) + skewness, rtol=1e-4
    )

"""Sorted projections: distributions compared value by value, against sorting and matching in NumPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxvision.errors import InputError
from jaxvision.style import HISTOGRAM, SLICED, StyleStatistic, channel_histogram, sliced_wasserstein
from jaxvision.style.sliced import quantile_distance, sorted_channels
from tests.style.conftest import between, random_features


@pytest.mark.parametrize("make", [sliced_wasserstein, channel_histogram])
def test_one_channel_is_the_distance_of_sorted_values(make):
    x, y = np.random.default_rng(0).normal(size=(2, 1, 4, 5, 1)).astype(np.float32)
    expected = np.mean((np.sort(x.ravel()) - np.sort(y.ravel())) ** 2)
    np.testing.assert_allclose(between(StyleStatistic(*make()), jnp.asarray(x), jnp.asarray(y)), expected, rtol=1e-5)
    np.testing.assert_allclose(between(StyleStatistic(*make()), jnp.asarray(x), jnp.asarray(x + 3)), 9, rtol=1e-5)


def test_sliced_shift_is_the_shift_by_its_length():
    features, shift = random_features(0), jnp.array([1.0, -2.0, 0.5, 3.0])
    found = between(SLICED, features, features + shift[None, None, None])
    np.testing.assert_allclose(found, np.mean(shift**2), rtol=1e-4)


def test_sliced_sees_correlations_that_histograms_do_not():
    x = np.random.default_rng(0).normal(size=(1, 20, 20, 1))
    aligned, opposed = (jnp.asarray(np.concatenate([x, sign * x], axis=3), jnp.float32) for sign in (1, -1))
    symmetric = jnp.concatenate([aligned, -aligned], axis=1), jnp.concatenate([opposed, -opposed], axis=1)
    np.testing.assert_allclose(between(HISTOGRAM, *symmetric), 0, atol=1e-6)
    assert between(SLICED, *symmetric)[0] > 0.1


@pytest.mark.parametrize("n_directions", [3, 7])
def test_fewer_and_more_directions_than_channels(n_directions):
    features, target = random_features(0), random_features(1, (3, 6, 6, 4))
    summarize, distance = sliced_wasserstein(n_directions)
    assert summarize(features).shape == (3, n_directions, 20)
    np.testing.assert_allclose(distance(summarize(features), summarize(features)), 0)
    # The same quantity, estimated from other directions.
    many = between(StyleStatistic(*sliced_wasserstein(400, seed=3)), features, target)
    np.testing.assert_allclose(distance(summarize(features), summarize(target)), many, rtol=0.6)


def test_directions_are_orthonormal():
    lengths = jnp.eye(4)[None, None]  # each pixel an axis: a projection is an entry of the directions
    (entries,) = sliced_wasserstein()[0](lengths)
    np.testing.assert_allclose(np.sum(np.square(entries), axis=1), 1, rtol=1e-5)
    features = random_features(0)
    energy = np.mean(np.square(sliced_wasserstein()[0](features)), axis=(1, 2))
    np.testing.assert_allclose(energy, np.mean(np.square(features), axis=(1, 2, 3)), rtol=1e-5)


def test_seed_decides_the_directions():
    features = random_features(0)
    first, again, other = (sliced_wasserstein(seed=seed)[0](features) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


@pytest.mark.parametrize("sizes", [(20, 20), (20, 40), (20, 30), (7, 30), (31, 8)])
def test_quantile_distance_of_different_sizes_is_exact(sizes):
    """Against every value repeated until both have as many."""
    rng = np.random.default_rng(0)
    x, y = (np.sort(rng.normal(size=(2, 3, size)), axis=-1).astype(np.float32) for size in sizes)
    common = math.lcm(*sizes)
    repeated = (np.repeat(values, common // values.shape[-1], axis=-1) for values in (x, y))
    expected = np.mean(np.square(np.subtract(*repeated)), axis=(1, 2))
    np.testing.assert_allclose(quantile_distance(jnp.asarray(x), jnp.asarray(y)), expected, rtol=1e-5)


def test_weighted_quantiles_are_those_of_the_weighted_distribution():
    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(1, 40, 50, 2)), rng.uniform(size=(1, 40, 50)) ** 3
    found = sorted_channels(jnp.asarray(features, jnp.float32), jnp.asarray(weights, jnp.float32))
    for channel in range(2):
        values = features[0, :, :, channel].ravel()
        cost = scipy.stats.wasserstein_distance(found[0, channel], values, v_weights=weights.ravel())
        assert cost < 2e-3  # unweighted, it is 0.03
        assert scipy.stats.wasserstein_distance(values, values, v_weights=weights.ravel()) > 0.02


@pytest.mark.parametrize("target_pixels", [(4, 5), (8, 5)])
def test_histogram_is_the_distance_to_the_matched_image(target_pixels):
    features, target = random_features(0), random_features(1, (3, *target_pixels, 4))
    matched = np.empty_like(features)
    for n in range(3):
        for c in range(4):
            order = np.argsort(features[n, ..., c], axis=None)
            ranks = np.empty(order.size, int)
            ranks[order] = np.arange(order.size)
            # A style of twice the size has two values for each rank: their mean, and their own spread besides.
            sorted_target = np.sort(target[n, ..., c], axis=None).reshape(order.size, -1)
            matched[n, ..., c] = sorted_target.mean(1)[ranks].reshape(4, 5)
    spread = np.sort(target.reshape(3, -1, 4), axis=1).reshape(3, 20, -1, 4).var(axis=2).mean(axis=(1, 2))
    found = between(HISTOGRAM, features, target)
    np.testing.assert_allclose(found, np.mean((features - matched) ** 2, axis=(1, 2, 3)) + spread, rtol=1e-5)
    gradient = jax.grad(lambda x: jnp.sum(between(HISTOGRAM, x, target)))(features)
    np.testing.assert_allclose(gradient, 2 * (features - matched) / features[0].size, atol=1e-6)


@pytest.mark.parametrize("n_directions", [0, -1])
def test_no_direction_is_refused(n_directions):
    with pytest.raises(InputError, match="at least 1 direction"):
        sliced_wasserstein(n_directions)

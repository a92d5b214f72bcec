"""Statistics of style: the laws that all of them obey, and the moments' closed forms."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.style import (
    CENTRAL,
    HISTOGRAM,
    MOMENTS,
    SLICED,
    WASSERSTEIN,
    StyleStatistic,
    channel_histogram,
    channel_moments,
    sliced_wasserstein,
)
from jaxvision.style.moments import EPSILON
from tests.style.conftest import between, random_features, value_and_grad

STATISTICS = {
    "moments": MOMENTS,
    "central": CENTRAL,
    "wasserstein": WASSERSTEIN,
    "sliced": SLICED,
    "histogram": HISTOGRAM,
}
every_statistic = pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)


@every_statistic
def test_distance_is_zero_to_itself_and_positive_to_others(statistic):
    features = random_features(0)
    np.testing.assert_allclose(between(statistic, features, features), 0, atol=1e-6)
    assert np.all(between(statistic, features, random_features(1)) > 0.1)


@every_statistic
def test_order_of_pixels_does_not_matter(statistic):
    features, target = random_features(0), random_features(1)
    shuffled = jax.random.permutation(jax.random.key(0), features.reshape(3, 20, 4), axis=1).reshape(3, 4, 5, 4)
    np.testing.assert_allclose(between(statistic, shuffled, features), 0, atol=1e-6)
    np.testing.assert_allclose(between(statistic, shuffled, target), between(statistic, features, target), rtol=1e-4)


@every_statistic
def test_repeating_a_picture_changes_nothing(statistic):
    features, target = random_features(0), random_features(1)
    twice, target_thrice = jnp.tile(features, (1, 1, 2, 1)), jnp.tile(target, (1, 3, 1, 1))
    expected = between(statistic, features, target)
    np.testing.assert_allclose(between(statistic, twice, features), 0, atol=1e-6)
    np.testing.assert_allclose(between(statistic, twice, target), expected, rtol=1e-4)
    np.testing.assert_allclose(between(statistic, twice, target_thrice), expected, rtol=1e-4)


@every_statistic
def test_scale_of_a_distance_is_that_of_one_channel(statistic):
    features, wide = random_features(0), random_features(1, (3, 4, 5, 9))
    np.testing.assert_allclose(between(statistic, features, features + 2), 4, rtol=1e-4)
    np.testing.assert_allclose(between(statistic, wide, wide + 2), 4, rtol=1e-4)


@every_statistic
def test_a_half_mask_is_the_cropped_half(statistic):
    features, target = random_features(0, (3, 4, 10, 4)), random_features(1)
    mask = jnp.zeros((3, 4, 10)).at[:, :, :5].set(2.5)
    masked = jnp.where(mask[..., None] > 0, features, 100)  # what is masked must not show, however large
    crop = features[:, :, :5]
    np.testing.assert_allclose(between(statistic, masked, crop, mask), 0, atol=1e-6)
    np.testing.assert_allclose(between(statistic, masked, target, mask), between(statistic, crop, target), rtol=1e-4)


@every_statistic
def test_weight_two_is_a_pixel_twice(statistic):
    features = random_features(0, (3, 1, 4, 4))
    weights = jnp.broadcast_to(jnp.array([1.0, 2.0, 4.0, 1.0, 0.0, 0.0, 0.0, 0.0]), (3, 1, 8))
    padded = jnp.concatenate([features, -features], axis=2)  # as many quantiles as the weights add up to
    spelled_out = features[:, :, np.array([0, 1, 1, 2, 2, 2, 2, 3])]
    np.testing.assert_allclose(between(statistic, padded, spelled_out, weights), 0, atol=1e-6)


@every_statistic
def test_equal_weights_are_no_weights(statistic):
    features = random_features(0)
    summarize = jax.jit(statistic.summarize)
    with_weights, without = summarize(features, jnp.full((3, 4, 5), 0.3)), summarize(features)
    for ours, plain in zip(jax.tree.leaves(with_weights), jax.tree.leaves(without), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-5)


CASES = {
    "constant": lambda features, target: (jnp.ones_like(features), target, None),
    "zero": lambda features, target: (jnp.zeros_like(features), target, None),
    "target zero": lambda features, target: (features, jnp.zeros_like(target), None),
    "itself": lambda features, target: (features, features, None),
    "one pixel": lambda features, target: (features[:, :1, :1], target, None),
    "no pixel counts": lambda features, target: (features, target, jnp.zeros(features.shape[:3])),
}


@every_statistic
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_gradient_is_finite_where_nothing_varies(statistic, case):
    features, target, weights = case(random_features(0), random_features(1))
    value, gradient = value_and_grad(statistic, features, target, weights)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    if weights is not None:
        np.testing.assert_array_equal(gradient, 0)


@every_statistic
@pytest.mark.parametrize(("target_shape", "weighted"), [((2, 4, 3, 3), False), ((2, 5, 2, 3), True)])
def test_gradient_is_the_finite_difference(statistic, target_shape, weighted):
    with jax.enable_x64(True):
        features, target = random_features(0, (2, 4, 3, 3), np.float64), random_features(1, target_shape, np.float64)
        weights = jnp.asarray(np.random.default_rng(2).uniform(size=(2, 4, 3))) if weighted else None
        targets = statistic.summarize(target)

        @jax.jit
        def distance(x):
            return statistic.distance(statistic.summarize(x, weights), targets)

        check_grads(distance, (features,), order=1, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-5)


@every_statistic
def test_jit_is_eager_and_a_batch_is_its_singles(statistic):
    features, target = random_features(0), random_features(1, (3, 3, 3, 4))
    weights = jnp.asarray(np.random.default_rng(2).uniform(size=(3, 4, 5)), jnp.float32)
    eager = between.__wrapped__(statistic, features, target, weights)
    assert eager.shape == (3,)
    np.testing.assert_allclose(between(statistic, features, target, weights), eager, rtol=1e-4)
    singles = [between(statistic, *(x[i : i + 1] for x in (features, target, weights))) for i in range(3)]
    np.testing.assert_allclose(jnp.concatenate(singles), eager, rtol=1e-4)


@every_statistic
def test_float32_agrees_with_float64(statistic):
    """On as many pixels as a layer has, far from zero, where sums of squares cancel."""
    shape = (1, 40, 40, 8)

    def run(dtype):
        features, target = random_features(0, shape, dtype) + 20, random_features(1, shape, dtype) + 21
        return jax.tree.map(np.asarray, value_and_grad(statistic, features, target))

    distance, gradient = run(np.float32)
    with jax.enable_x64(True):
        exact_distance, exact_gradient = run(np.float64)
    np.testing.assert_allclose(distance, exact_distance, rtol=1e-4)
    assert np.linalg.norm(gradient - exact_gradient) < 1e-3 * np.linalg.norm(exact_gradient)


@pytest.mark.parametrize(
    "make", [sliced_wasserstein, functools.partial(sliced_wasserstein, 3, seed=2), channel_histogram]
)
def test_made_twice_compiles_once(make):
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def run(statistic, features):
        traces.append(statistic)
        return between(StyleStatistic(*statistic), features, features)

    run(make(), random_features(0))
    run(make(), random_features(1))
    assert len(traces) == 1
    assert make() == make()
    assert hash(make()) == hash(make())


def test_moments_of_constant_and_two_valued_channels():
    constant, two_valued = jnp.full((1, 2, 4, 1), 5.0), jnp.tile(jnp.array([-1.0, 3.0]), 4).reshape(1, 2, 4, 1)
    moments = channel_moments(jnp.concatenate([constant, two_valued], axis=3))
    np.testing.assert_allclose(moments.mean, [[5, 1]])
    np.testing.assert_allclose(moments.std, [[math.sqrt(EPSILON), math.sqrt(4 + EPSILON)]], rtol=1e-6)


def test_moments_distance_adds_means_and_deviations():
    features = random_features(0)
    centre = jnp.mean(features, axis=(1, 2), keepdims=True)
    stretched = centre + 3 * (features - centre) + 0.5
    variance = np.var(features, axis=(1, 2))
    np.testing.assert_allclose(between(MOMENTS, features, stretched), 0.25 + np.mean(4 * variance, axis=1), rtol=1e-3)

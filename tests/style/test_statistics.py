"""Statistics of style: closed forms, exact optimal transport, and the laws that all of them obey."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from jax.test_util import check_grads

from jaxvision.errors import InputError
from jaxvision.style.moments import EPSILON, channel_moments, moments_distance
from jaxvision.style.sliced import channel_histogram, quantile_distance, sliced_wasserstein, sorted_channels
from jaxvision.style.sorting import sort_rows
from jaxvision.style.wasserstein import Gaussian, bures_distance, gaussian_moments, matrix_sqrt


class Statistic(NamedTuple):
    summarize: Callable
    distance: Callable


STATISTICS = {
    "moments": Statistic(channel_moments, moments_distance),
    "wasserstein": Statistic(gaussian_moments, bures_distance),
    "sliced": Statistic(*sliced_wasserstein()),
    "histogram": Statistic(*channel_histogram()),
}
every_statistic = pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS)


def random_features(seed, shape=(3, 4, 5, 4), dtype=np.float32):
    """Correlated channels with a mean, as after a layer."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(shape[-1], shape[-1]))
    return jnp.asarray(rng.normal(size=shape) @ mixing + rng.normal(size=shape[-1]), dtype)


@functools.partial(jax.jit, static_argnums=0)
def between(statistic, features, target, weights=None, target_weights=None):
    return statistic.distance(statistic.summarize(features, weights), statistic.summarize(target, target_weights))


@functools.partial(jax.jit, static_argnums=0)
def value_and_grad(statistic, features, target, weights=None):
    """Of the sum over images. Targets are arguments: XLA would sort constants while compiling, for seconds."""
    return jax.value_and_grad(lambda x: jnp.sum(between(statistic, x, target, weights)))(features)


# Laws.


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
    with_weights, without = statistic.summarize(features, jnp.full((3, 4, 5), 0.3)), statistic.summarize(features)
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
        return between(Statistic(*statistic), features, features)

    run(make(), random_features(0))
    run(make(), random_features(1))
    assert len(traces) == 1
    assert make() == make()
    assert hash(make()) == hash(make())


# Moments.


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
    np.testing.assert_allclose(
        between(STATISTICS["moments"], features, stretched), 0.25 + np.mean(4 * variance, axis=1), rtol=1e-3
    )


# Gaussians.


def covariances(seed, n_channels, rank, decay=3.0):
    """A random symmetric matrix with eigenvalues from 1 down to 10^-decay, then zeros."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(n_channels, n_channels)))[0][:, :rank]
    return (axes * np.logspace(0, -decay, rank)) @ axes.T


def exact_bures(a, b):
    """From singular values of roots in float64, which resolves what the textbook form with scipy's sqrtm does not."""

    def root(matrix):
        values, axes = np.linalg.eigh(matrix)
        return (axes * np.sqrt(np.maximum(values, 0))) @ axes.T

    return np.trace(a) + np.trace(b) - 2 * np.linalg.svd(root(a) @ root(b), compute_uv=False).sum()


def gaussians(*matrices, dtype=jnp.float32):
    stacked = jnp.asarray(np.stack(matrices), dtype)
    return Gaussian(jnp.zeros(stacked.shape[:2], dtype), matrix_sqrt(stacked))


@pytest.mark.parametrize("n_channels", [1, 16])
def test_bures_of_diagonals_is_that_of_deviations(n_channels):
    a, b = np.random.default_rng(0).uniform(0.01, 4, size=(2, n_channels))
    found = bures_distance(gaussians(np.diag(a)), gaussians(np.diag(b)))
    np.testing.assert_allclose(found, np.mean((np.sqrt(a) - np.sqrt(b)) ** 2), rtol=1e-4)


def test_bures_is_the_textbook_form():
    a, b = covariances(0, 12, 12), covariances(1, 12, 12)
    root = scipy.linalg.sqrtm(a).real
    expected = np.trace(a + b - 2 * scipy.linalg.sqrtm(root @ b @ root).real) / 12
    with jax.enable_x64(True):
        found = bures_distance(gaussians(a, dtype=jnp.float64), gaussians(b, dtype=jnp.float64))
        np.testing.assert_allclose(found, expected, rtol=1e-7)
    np.testing.assert_allclose(bures_distance(gaussians(a), gaussians(b)), expected, rtol=1e-4)


@pytest.mark.parametrize("ranks", [(64, 64), (64, 20), (20, 64), (20, 20), (1, 1)])
def test_bures_of_deficient_ranks(ranks):
    a, b = covariances(0, 64, ranks[0]), covariances(1, 64, ranks[1])
    expected = exact_bures(a, b) / 64
    # The ridge, 1e-6 of the trace, lends width to directions that have none: 2 sqrt(ridge * variance) at most in each.
    np.testing.assert_allclose(bures_distance(gaussians(a), gaussians(b)), expected, rtol=1e-2)
    with jax.enable_x64(True):
        found = bures_distance(gaussians(a, dtype=jnp.float64), gaussians(b, dtype=jnp.float64))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("rank", [1, 20, 64])
def test_bures_to_itself_is_zero_and_never_below(rank):
    gaussian = gaussians(covariances(0, 64, rank))
    distance, gradient = jax.value_and_grad(lambda g: bures_distance(g, gaussian)[0])(gaussian)
    assert 0 <= distance < 1e-8 * np.trace(gaussian.covariance[0])
    assert np.linalg.norm(gradient.root) < 1e-3 * np.linalg.norm(gaussian.root) / 64


def layer_features(seed, n_pixels, n_channels):
    """As of real layers: variances over five decades, rectified, some channels silent, at times fewer pixels than C."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(n_channels, n_channels)))[0]
    rows = rng.normal(size=(n_pixels, n_channels)) * np.logspace(0, -2.5, n_channels) @ axes.T
    rows = np.maximum(rows, 0)
    rows[:, :: n_channels // 4] = 0
    return rows.astype(np.float32)


def exact_transport(x, y):
    """Distance times C, and its gradient, from singular vectors in float64: x minus where transport takes it."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    shift, n = x.mean(0) - y.mean(0), len(x)
    u, s, vt = np.linalg.svd((x - x.mean(0)) / np.sqrt(n), full_matrices=False)
    _, t, wt = np.linalg.svd((y - y.mean(0)) / np.sqrt(len(y)), full_matrices=False)
    kept = s > 1e-9 * s[0]
    u, s, vt = u[:, kept], s[kept], vt[kept]
    left, values, right = np.linalg.svd((s[:, None] * vt) @ (wt.T * t), full_matrices=False)
    rank = values > 1e-12 * values[0]
    carried = np.sqrt(n) * u @ (left[:, rank] @ right[rank]) @ (t[:, None] * wt)
    distance = shift @ shift + (s**2).sum() + (t**2).sum() - 2 * values.sum()
    return distance, 2 / n * (x - x.mean(0) - carried + shift)


@pytest.mark.parametrize(
    ("sizes", "distance_tolerance", "gradient_tolerance"),
    [((600, 300, 256), 1e-3, 2e-3), ((121, 200, 256), 1e-2, 3e-2)],
)
def test_float32_transport_of_layers(sizes, distance_tolerance, gradient_tolerance):
    """Accuracy that fixes the ridge and with it the number of steps, forwards and backwards."""
    n, m, c = sizes
    x, y = layer_features(0, n, c), layer_features(1, m, c)
    distance, gradient = exact_transport(x, y)
    found, off = transport_error(x, y, gradient)
    np.testing.assert_allclose(found, distance, rtol=distance_tolerance)
    assert off < gradient_tolerance * np.linalg.norm(gradient)

    stretched = np.float32(1.01) * x  # close: the distance is 1e-4 of the mean square, and known
    found, off = transport_error(x, stretched, 2 / n * (x - stretched))
    np.testing.assert_allclose(found, 1e-4 * np.sum(x**2) / n, rtol=1e-3)
    assert off < 2e-2 * np.linalg.norm(2 / n * (x - stretched))

    found, off = transport_error(x, x, 0)  # zero, next to the variance and to the gradient that would undo it
    assert 0 <= found < 1e-7 * x.var(axis=0).sum()
    assert off < 2e-4 * np.linalg.norm(2 / n * (x - x.mean(0)))


@pytest.mark.parametrize("sizes", [(121, 200, 64), (10, 20, 64)])
def test_float64_transport_of_deficient_ranks(sizes):
    """Silent channels, fewer pixels than channels. Differences would measure their own noise there."""
    n, m, c = sizes
    with jax.enable_x64(True):
        x, y = (layer_features(seed, pixels, c).astype(np.float64) for seed, pixels in ((0, n), (1, m)))
        distance, gradient = exact_transport(x, y)
        found, off = transport_error(x, y, gradient)
        np.testing.assert_allclose(found, distance, rtol=1e-5)
        assert off < 1e-3 * np.linalg.norm(gradient)


def transport_error(x, y, gradient):
    """The library's distance times C, and how far off its gradient is."""
    features, target = (jnp.asarray(rows.reshape(1, 1, *rows.shape)) for rows in (x, y))
    found, found_gradient = value_and_grad(STATISTICS["wasserstein"], features, target)
    return x.shape[1] * found, np.linalg.norm(x.shape[1] * np.asarray(found_gradient).reshape(x.shape) - gradient)


@pytest.mark.parametrize(("n_channels", "share"), [(1, 1.0), (7, 0.4), (64, 1.0), (256, 0.4)])
def test_matrix_sqrt_squared_is_the_matrix(n_channels, share):
    matrix = covariances(0, n_channels, max(1, int(share * n_channels)), decay=5.0)
    root = matrix_sqrt(jnp.asarray(matrix[None], jnp.float32))[0]
    np.testing.assert_array_equal(root, root.T)
    np.testing.assert_allclose(root @ root, matrix, atol=3e-6 * np.trace(matrix))
    assert np.linalg.eigvalsh(np.asarray(root, np.float64)).min() > 0  # the root that is positive
    with jax.enable_x64(True):
        exact = jax.jit(matrix_sqrt)(jnp.asarray(matrix[None]))[0]
        values, axes = np.linalg.eigh(matrix)
        np.testing.assert_allclose(exact, (axes * np.sqrt(np.maximum(values, 0))) @ axes.T, atol=2e-7)


def test_matrix_sqrt_of_any_scale_and_of_zero():
    matrix = covariances(0, 8, 8)
    scales = np.array([1e-12, 1.0, 1e12])
    roots = matrix_sqrt(jnp.asarray(scales[:, None, None] * matrix, jnp.float32))
    np.testing.assert_allclose(roots[0] * 1e6, roots[1], atol=1e-5)
    np.testing.assert_allclose(roots[2] / 1e6, roots[1], atol=1e-5)
    np.testing.assert_array_equal(matrix_sqrt(jnp.zeros((1, 3, 3))), 0)


def test_matrix_sqrt_derivatives_of_both_modes_and_orders():
    with jax.enable_x64(True):
        matrices = jnp.asarray(np.stack([covariances(seed, 4, 4, decay=1.0) for seed in (0, 1)]))
        check_grads(jax.jit(matrix_sqrt), (matrices,), order=2, modes=["fwd", "rev"], atol=1e-5, rtol=1e-5, eps=1e-5)


# Sorted projections.


@pytest.mark.parametrize("make", [sliced_wasserstein, channel_histogram])
def test_one_channel_is_the_distance_of_sorted_values(make):
    x, y = np.random.default_rng(0).normal(size=(2, 1, 4, 5, 1)).astype(np.float32)
    expected = np.mean((np.sort(x.ravel()) - np.sort(y.ravel())) ** 2)
    np.testing.assert_allclose(between(Statistic(*make()), jnp.asarray(x), jnp.asarray(y)), expected, rtol=1e-5)
    np.testing.assert_allclose(between(Statistic(*make()), jnp.asarray(x), jnp.asarray(x + 3)), 9, rtol=1e-5)


def test_sliced_shift_is_the_shift_by_its_length():
    features, shift = random_features(0), jnp.array([1.0, -2.0, 0.5, 3.0])
    found = between(STATISTICS["sliced"], features, features + shift[None, None, None])
    np.testing.assert_allclose(found, np.mean(shift**2), rtol=1e-4)


def test_sliced_sees_correlations_that_histograms_do_not():
    x = np.random.default_rng(0).normal(size=(1, 20, 20, 1))
    aligned, opposed = (jnp.asarray(np.concatenate([x, sign * x], axis=3), jnp.float32) for sign in (1, -1))
    symmetric = jnp.concatenate([aligned, -aligned], axis=1), jnp.concatenate([opposed, -opposed], axis=1)
    np.testing.assert_allclose(between(STATISTICS["histogram"], *symmetric), 0, atol=1e-6)
    assert between(STATISTICS["sliced"], *symmetric)[0] > 0.1


@pytest.mark.parametrize("n_directions", [3, 7])
def test_fewer_and_more_directions_than_channels(n_directions):
    features, target = random_features(0), random_features(1, (3, 6, 6, 4))
    summarize, distance = sliced_wasserstein(n_directions)
    assert summarize(features).shape == (3, n_directions, 20)
    np.testing.assert_allclose(distance(summarize(features), summarize(features)), 0)
    # The same quantity, estimated from other directions.
    many = between(Statistic(*sliced_wasserstein(400, seed=3)), features, target)
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
    found = between(STATISTICS["histogram"], features, target)
    np.testing.assert_allclose(found, np.mean((features - matched) ** 2, axis=(1, 2, 3)) + spread, rtol=1e-5)
    gradient = jax.grad(lambda x: jnp.sum(between(STATISTICS["histogram"], x, target)))(features)
    np.testing.assert_allclose(gradient, 2 * (features - matched) / features[0].size, atol=1e-6)


@pytest.mark.parametrize("n_directions", [0, -1])
def test_no_direction_is_refused(n_directions):
    with pytest.raises(InputError, match="at least 1 direction"):
        sliced_wasserstein(n_directions)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_are_sorted_as_numpy_sorts(dtype):
    values = np.random.default_rng(0).normal(size=(2, 3, 50)).astype(dtype)
    values[0, 0, :6] = [np.inf, -np.inf, 0, -0.0, values[0, 0, 7], np.finfo(dtype).tiny]
    np.testing.assert_array_equal(jax.jit(sort_rows)(values), np.sort(values))


def test_a_sort_sends_gradients_back_and_equal_values_share():
    with jax.enable_x64(True):
        values, weights = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 3, 20)))
        check_grads(jax.jit(lambda x: jnp.sum(sort_rows(x) ** 3 * weights)), (values,), order=2, modes=["rev"])
    gradient = jax.grad(lambda x: jnp.dot(sort_rows(x), jnp.array([1.0, 2.0, 4.0, 8.0])))
    np.testing.assert_allclose(gradient(jnp.array([0.0, 5.0, 0.0, 0.0])), [7 / 3, 8, 7 / 3, 7 / 3], rtol=1e-6)

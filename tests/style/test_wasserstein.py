"""Styles as Gaussians: exact optimal transport in float64, and the roots of matrices behind it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.test_util import check_grads

from jaxvision.style import WASSERSTEIN, bures_distance
from jaxvision.style.wasserstein import Gaussian, matrix_sqrt
from tests.style.conftest import value_and_grad


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
    found, found_gradient = value_and_grad(WASSERSTEIN, features, target)
    return x.shape[1] * found, np.linalg.norm(x.shape[1] * np.asarray(found_gradient).reshape(x.shape) - gradient)


@pytest.mark.parametrize(("n_channels", "share"), [(1, 1.0), (7, 0.4), (64, 1.0), (256, 0.4)])
def test_matrix_sqrt_squared_is_the_matrix(n_channels, share):
    # As users compile it: of singular matrices unoptimised code rounds seven times worse.
    jax.config.update("jax_disable_most_optimizations", False)
    matrix = covariances(0, n_channels, max(1, int(share * n_channels)), decay=5.0)
    root = matrix_sqrt(jnp.asarray(matrix[None], jnp.float32))[0]
    np.testing.assert_array_equal(root, root.T)
    np.testing.assert_allclose(root @ root, matrix, atol=2e-5 * np.trace(matrix))  # 1e-6; JAX 0.8 has 1e-5
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

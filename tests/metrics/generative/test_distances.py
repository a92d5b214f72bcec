"""Fréchet and kernel distances: closed forms, exact expectations, gradients, and any precision of the caller."""

import inspect
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxvision.errors import InputError
from jaxvision.metrics import generative
from jaxvision.metrics.generative import FeatureGaussian, frechet_distance, gaussian_frechet_distance, squared_mmd
from jaxvision.metrics.generative.checks import check_features
from jaxvision.metrics.generative.float64 import in_float64


def features(n, d, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)).astype(dtype)


def by_square_root(real, fake):
    """The formula as it is written, by SciPy's square root of a product that is not symmetric."""
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = scipy.linalg.sqrtm(a @ b).real
    return np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.trace(a + b - 2 * root)


def test_of_gaussians_that_share_their_axes():
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    widths, others = np.array([0.0, 1.0, 2.0, 2.0, 5.0]), np.array([3.0, 0.0, 2.0, 1.0, 0.5])
    one = FeatureGaussian(np.arange(5.0), axes * widths**2 @ axes.T)
    other = FeatureGaussian(np.ones(5), axes * others**2 @ axes.T)
    expected = np.sum((np.arange(5.0) - 1) ** 2) + np.sum((widths - others) ** 2)
    np.testing.assert_allclose(gaussian_frechet_distance(one, other), expected, rtol=1e-7)


def test_frechet_distance_is_the_formula_in_any_precision():
    real, fake = features(40, 6, 0), features(50, 6, 1)
    expected = by_square_root(real, fake)
    found = frechet_distance(real, fake)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    known = generative.feature_gaussian(real), generative.feature_gaussian(fake)
    np.testing.assert_allclose(gaussian_frechet_distance(*known), expected, rtol=1e-10)
    single = jnp.asarray(real, jnp.float32), jnp.asarray(fake, jnp.float32)
    expected = by_square_root(*(np.asarray(x, np.float64) for x in single))
    for run in (frechet_distance, jax.jit(frechet_distance)):
        assert run(*single).dtype == jnp.float32
        np.testing.assert_allclose(run(*single), expected, rtol=1e-6)
    np.testing.assert_allclose(frechet_distance(real, real), 0, atol=1e-9)
    far = 1e4 + np.asarray(fake, np.float32)  # in float32 the covariance would be lost
    np.testing.assert_allclose(frechet_distance(far, far[::-1] + np.float32(0.5)), 6 / 4, rtol=1e-4)


def test_gradient_is_the_finite_difference():
    real, fake, direction = features(30, 4, 0), features(20, 4, 1), features(20, 4, 2)
    slope = (frechet_distance(real, fake + 1e-5 * direction) - frechet_distance(real, fake - 1e-5 * direction)) / 2e-5
    with jax.enable_x64(True):
        gradient = jax.grad(frechet_distance, 1)(real, jnp.asarray(fake))
    np.testing.assert_allclose(np.sum(np.asarray(gradient) * direction), slope, rtol=1e-7)
    single = jnp.asarray(fake, jnp.float32)
    in_jit = jax.jit(jax.grad(lambda x: 2 * frechet_distance(real.astype(np.float32), x)))(single)
    np.testing.assert_allclose(in_jit, 2 * np.asarray(gradient), rtol=1e-4, atol=1e-5)


def test_fewer_images_than_features_have_a_distance_and_a_gradient():
    """Covariances without full rank, equal eigenvalues, and a distribution without any width."""
    real, fake = features(5, 8, 0), features(4, 8, 1)
    a, b = (x - x.mean(0) for x in (real, fake))
    nuclear = np.linalg.svd(a @ b.T, compute_uv=False).sum() / np.sqrt(4 * 3)
    spread = np.sum((real.mean(0) - fake.mean(0)) ** 2) + np.sum(a**2) / 4 + np.sum(b**2) / 3
    np.testing.assert_allclose(frechet_distance(real, fake), spread - 2 * nuclear, rtol=1e-7)
    for points in (fake, np.ones((4, 8)), np.eye(8)[:4]):
        gradient = jax.grad(frechet_distance, 1)(real.astype(np.float32), jnp.asarray(points, jnp.float32))
        assert np.isfinite(gradient).all()


def test_squared_mmd_by_hand():
    x, y = features(6, 3, 0), features(5, 3, 1)
    kernel = lambda a, b: (a @ b / 3 + 1) ** 3  # noqa: E731
    within = [np.mean([kernel(a, b) for a, b in itertools.permutations(z, 2)]) for z in (x, y)]
    expected = sum(within) - 2 * np.mean([kernel(a, b) for a in x for b in y])
    np.testing.assert_allclose(squared_mmd(x, y), expected, rtol=1e-12)


def test_squared_mmd_has_no_bias():
    """The expectation over every draw of two from two points: zero for equal distributions, the truth for others."""
    points = np.array([[0.0, 1.0], [2.0, -1.0]])
    kernel = (points @ points.T / 2 + 1) ** 3
    for p, q in (([0.3, 0.7], [0.3, 0.7]), ([0.3, 0.7], [0.9, 0.1])):
        truth = (np.array(p) - q) @ kernel @ (np.array(p) - q)
        mean = sum(
            p[a] * p[b] * q[c] * q[d] * float(squared_mmd(points[[a, b]], points[[c, d]]))
            for a, b, c, d in itertools.product(range(2), repeat=4)
        )
        np.testing.assert_allclose(mean, truth, atol=1e-12)


def test_kernel_distance_of_subsets():
    key = jax.random.key(0)
    real, fake = features(40, 3, 0), features(45, 3, 0) + 1
    whole = generative.kernel_distance(real, fake[:40], key=key, n_subsets=3, subset_size=40)
    np.testing.assert_allclose(whole.mean, squared_mmd(real, fake[:40]), rtol=1e-10)
    assert whole.deviation < 1e-10 * abs(whole.mean)
    parts = generative.kernel_distance(real, fake, key=key, n_subsets=30, subset_size=20)
    assert parts == generative.kernel_distance(real, fake, key=key, n_subsets=30, subset_size=20)
    assert abs(parts.mean - whole.mean) < parts.deviation
    assert parts.deviation > 1e-3


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="features must have one width"):
        frechet_distance(np.zeros((4, 3)), np.zeros((4, 2)))
    with pytest.raises(InputError, match="at least 2 images are needed"):
        squared_mmd(np.zeros((4, 3)), np.zeros((1, 3)))
    with pytest.raises(InputError, match="at least 1000 images are needed"):
        generative.kernel_distance(np.zeros((4, 3)), np.zeros((4, 3)), key=jax.random.key(0))
    with pytest.raises(InputError, match="n_subsets must be at least 1, got 0"):
        generative.kernel_distance(
            np.zeros((4, 3)), np.zeros((4, 3)), key=jax.random.key(0), n_subsets=0, subset_size=2
        )
    with pytest.raises(InputError, match=r"features must have shape \(N, d\), got shapes \[\(4,\)\]"):
        inspect.unwrap(check_features)(np.zeros(4))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused_unless_traced(bad):
    good = features(6, 3, 0, np.float32)
    broken = good.copy()
    broken[2, 1] = bad
    for metric in (frechet_distance, squared_mmd, partial(generative.manifold_scores, k=2)):
        for real, fake in ((good, jnp.asarray(broken)), (broken, good)):
            with pytest.raises(InputError, match="NaN or infinity for 1 of 6 images, first for image 2"):
                metric(real, fake)
    with pytest.raises(InputError, match="features must be finite"):
        generative.feature_gaussian(broken)
    assert np.isnan(jax.jit(squared_mmd)(good, jnp.asarray(broken)))


def test_of_integers_the_result_is_a_float():
    """The mean of 1 and 2, and its gradient by another argument."""
    mean = in_float64(lambda x, y: jnp.mean(x) * jnp.sum(y))
    whole, one = np.array([1, 2]), np.array([1])
    for cast, dtype in ((list, np.float64), (np.asarray, np.float64), (jnp.asarray, jnp.float32)):
        found = mean(cast(whole), cast(one))
        assert found.dtype == dtype
        assert found == 1.5
    assert mean(whole, jnp.ones(1, jnp.bfloat16)).dtype == jnp.bfloat16
    assert jax.grad(mean, 1)(jnp.asarray(whole), jnp.ones(1)) == 1.5

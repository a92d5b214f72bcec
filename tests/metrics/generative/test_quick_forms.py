"""What makes the metrics quick gives what the plain way gives: strips, factors, groups of columns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.metrics.generative import frechet_distance
from jaxvision.metrics.generative.frechet import STRIP
from jaxvision.metrics.generative.neighbours import FOLD, smallest


def plainly(real, fake):
    """By the singular values of the product of two roots, which are the roots of the eigenvalues wanted."""
    (a, axes), (b, others) = (np.linalg.eigh(np.cov(x, rowvar=False)) for x in (real, fake))
    roots = [(v * np.sqrt(np.maximum(w, 0))) @ v.T for w, v in ((a, axes), (b, others))]
    nuclear = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    return np.sum((real.mean(0) - fake.mean(0)) ** 2) + a.sum() + b.sum() - 2 * nuclear


def test_features_wider_than_a_strip():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(STRIP + 9, STRIP + 9)) / 16
    real, fake = rng.normal(size=(600, STRIP + 9)) @ mix, rng.normal(size=(500, STRIP + 9)) @ mix * 0.9
    np.testing.assert_allclose(frechet_distance(real, fake), plainly(real, fake), rtol=1e-9)


@pytest.mark.parametrize("spoil", ["silent", "twice", "sum"])
def test_covariances_without_a_triangular_factor(spoil):
    """A feature that is always 0, one that is there twice, one that is the sum of all others; enough images."""
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(50, 6)), rng.normal(size=(60, 6)) + 0.3
    last = {"silent": lambda x: 0 * x[:, 0], "twice": lambda x: x[:, 0], "sum": lambda x: x.sum(1)}[spoil]
    real, fake = (np.column_stack([last(x), x]) for x in (real, fake))
    np.testing.assert_allclose(frechet_distance(real, fake), plainly(real, fake), rtol=1e-6)
    gradient = jax.grad(frechet_distance, 1)(*(jnp.asarray(x, jnp.float32) for x in (real, fake)))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("n", "k"), [(7, 7), (5 * FOLD, 1), (40 * FOLD + 3, 6), (2000, 2)])
def test_smallest_of_rows(n, k):
    values = np.random.default_rng(n).integers(0, n // 2 + 1, size=(5, n)).astype(np.float32)  # with ties
    values[:, max(k, n - FOLD + 1) :] = np.inf
    found = np.asarray(smallest(jnp.asarray(values), k))
    assert all(len(set(row)) == k for row in found.tolist())
    np.testing.assert_array_equal(
        np.sort(np.take_along_axis(values, found, axis=1), axis=1), np.sort(values, axis=1)[:, :k]
    )

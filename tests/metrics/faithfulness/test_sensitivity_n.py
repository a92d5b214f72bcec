"""Sensitivity-n and the correlations it is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import sensitivity_n, spearman
from jaxvision.metrics.faithfulness.sensitivity_n import random_pixels
from jaxvision.metrics.faithfulness.spearman import pearson
from jaxvision.pixels import example_keys

KEY = jax.random.key(3)
IMAGES = jax.random.normal(jax.random.key(0), (2, 6, 5, 2))
LABELS = np.array([1, 0])
WEIGHTS = np.random.default_rng(1).normal(size=(6, 5, 2, 2)).astype(np.float32)
MAPS = np.einsum("nhwc,hwcn->nhw", IMAGES, WEIGHTS[..., LABELS])


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, jnp.asarray(WEIGHTS, images.dtype), precision="highest")


@pytest.mark.parametrize("n_pixels", [1, 7, 29])
def test_a_linear_classifiers_contributions_are_perfect(n_pixels):
    settings = {"key": KEY, "n_pixels": n_pixels, "n_samples": 50}
    np.testing.assert_allclose(sensitivity_n(linear, IMAGES, LABELS, MAPS, **settings), 1, atol=1e-4)
    np.testing.assert_allclose(sensitivity_n(linear, IMAGES, LABELS, -3 * MAPS, **settings), -1, atol=1e-4)


def test_it_is_a_loop_on_the_same_sets():
    maps = np.random.default_rng(4).normal(size=(2, 6, 5)).astype(np.float32)
    curved = lambda x: jnp.tanh(0.3 * linear(x))  # noqa: E731
    found = sensitivity_n(curved, IMAGES, LABELS, maps, key=KEY, n_pixels=7, n_samples=30, baseline=0.5)
    sets = np.stack([random_pixels(example_keys(KEY, 2), (6, 5), 7, k) for k in range(30)])
    removed = [curved(jnp.where(chosen[..., None], 0.5, IMAGES)) for chosen in sets]
    falls = np.stack([np.asarray(curved(IMAGES) - y)[np.arange(2), LABELS] for y in removed])
    sums = np.sum(sets * maps[None], axis=(2, 3))
    np.testing.assert_allclose(found, [pearsonr(sums[:, i], falls[:, i]).statistic for i in range(2)], rtol=1e-4)


def test_sets_are_any_of_their_size():
    sets = np.asarray(random_pixels(example_keys(KEY, 2000), (6, 5), 7, 0))
    np.testing.assert_array_equal(sets.sum(axis=(1, 2)), 7)
    np.testing.assert_allclose(sets.mean(axis=0), 7 / 30, atol=4.5 * 0.42 / 2000**0.5)


@pytest.mark.parametrize("values", ["distinct", "tied", "large"])
def test_spearman_is_scipys(values):
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 4, 9, 8))
    b = 0.5 * a + b
    if values == "tied":
        a, b = np.round(2 * a), np.maximum(b, 0)
    if values == "large":
        a, b = 1e30 * a, 1e30 * b
    found = spearman(a.astype(np.float32), b.astype(np.float32))
    expected = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_spearman_of_a_photographs_size_is_scipys():
    a = np.random.default_rng(5).normal(size=(1, 224, 224)).astype(np.float32)
    b = a + np.random.default_rng(6).normal(size=a.shape).astype(np.float32)
    np.testing.assert_allclose(spearman(a, b)[0], spearmanr(a.ravel(), b.ravel()).statistic, rtol=1e-4)


def test_correlations_are_numbers_also_where_nothing_varies():
    flat, rising = jnp.full((1, 5), 0.1), jnp.arange(5.0)[None]
    for correlation in (spearman, pearson):
        np.testing.assert_array_equal(correlation(flat, rising), 0)
        np.testing.assert_array_equal(correlation(0 * flat, rising), 0)
        np.testing.assert_allclose(correlation(1e-25 * rising, 1e25 * rising), 1, rtol=1e-6)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="n_pixels must be from 1 to 29, the number of pixels less one, got 30"):
        sensitivity_n(linear, IMAGES, LABELS, MAPS, key=KEY, n_pixels=30)
    with pytest.raises(InputError, match="n_samples must be 2 or more, got 1"):
        sensitivity_n(linear, IMAGES, LABELS, MAPS, key=KEY, n_pixels=3, n_samples=1)
    with pytest.raises(InputError, match=r"share a shape .*, got \(2, 6, 5\) and \(2, 6, 4\)"):
        spearman(MAPS, MAPS[:, :, :4])

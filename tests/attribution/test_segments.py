"""KernelSHAP and LIME: Shapley's own sum over coalitions, linear classifiers, scikit-learn's regression."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from jaxvision.attribution import kernel_shap, lime, patches
from jaxvision.attribution.kernel_shap import coalition
from jaxvision.attribution.lime import coin_flips, proximity
from jaxvision.errors import InputError
from jaxvision.pixels import example_keys, target_logit

KEY = jax.random.key(3)
IMAGES = jax.random.normal(jax.random.key(0), (2, 6, 5, 2))
LABELS = np.array([1, 0])
WEIGHTS = np.random.default_rng(1).normal(size=(6, 5, 2, 2)).astype(np.float32)
M = 6
SEGMENTS = np.random.default_rng(2).integers(0, M, size=(2, 6, 5))  # of any shape, each image its own
BASELINE = np.random.default_rng(3).normal(size=(2, 6, 5, 2)).astype(np.float32)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, jnp.asarray(WEIGHTS, images.dtype), precision="highest")


def curved(images):
    return jnp.tanh(0.3 * linear(images)) + jnp.sum(images**3, axis=(1, 2))


def values_of(function, coalitions):
    """`(2, K)`: the class logit of each image under each coalition `(2, K, M)`."""
    found = []
    for i in range(2):
        seen = np.stack([z[SEGMENTS[i]] for z in coalitions[i]])[..., None]
        found.append(np.asarray(function(jnp.where(seen, IMAGES[i][None], BASELINE[i][None])))[:, LABELS[i]])
    return np.stack(found).astype(np.float64)


def shapley_values(function):
    """By definition: what a segment adds to a coalition, on average over all orders of coming."""
    every = np.array(list(itertools.product([False, True], repeat=M)))
    values = values_of(function, np.stack([every, every]))
    at = {tuple(z): k for k, z in enumerate(every)}
    shares = np.zeros((2, M))
    for j in range(M):
        for z in every[~every[:, j]]:
            s = z.sum()
            with_j = z.copy()
            with_j[j] = True
            weight = math.factorial(s) * math.factorial(M - s - 1) / math.factorial(M)
            shares[:, j] += weight * (values[:, at[tuple(with_j)]] - values[:, at[tuple(z)]])
    return shares


def contributions():
    """A linear classifier's, by segment."""
    each = np.einsum("nhwc,hwcn->nhw", np.asarray(IMAGES) - BASELINE, WEIGHTS[..., LABELS])
    return np.stack([np.bincount(SEGMENTS[i].ravel(), each[i].ravel(), M) for i in range(2)])


def test_of_all_coalitions_they_are_shapleys():
    found = kernel_shap(curved, IMAGES, LABELS, SEGMENTS, n_samples=None, baseline=BASELINE)
    expected = shapley_values(curved)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.maps[1], expected[1][SEGMENTS[1]], rtol=1e-4, atol=1e-4)


def test_of_random_coalitions_they_come_near_and_add_up():
    few, many = (
        kernel_shap(curved, IMAGES, LABELS, SEGMENTS, key=KEY, n_samples=n, baseline=BASELINE).values
        for n in (20, 4000)
    )
    expected = shapley_values(curved)
    assert np.abs(many - expected).max() < 0.02 * np.abs(expected).max()
    assert np.abs(many - expected).max() < np.abs(few - expected).max()
    change = curved(IMAGES)[np.arange(2), LABELS] - curved(jnp.asarray(BASELINE))[np.arange(2), LABELS]
    np.testing.assert_allclose(few.sum(axis=1), change, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_samples", [None, 20, 500])
def test_a_linear_classifiers_values_are_its_contributions(n_samples):
    found = kernel_shap(linear, IMAGES, LABELS, SEGMENTS, key=KEY, n_samples=n_samples, baseline=BASELINE).values
    np.testing.assert_allclose(found, contributions(), rtol=1e-3, atol=1e-4)


def test_coalitions_follow_the_kernel():
    keys = example_keys(KEY, 500)
    drawn = np.concatenate([coalition(keys, k, M) for k in range(0, 20, 2)])
    assert drawn.shape == (5000, M)
    sizes = np.arange(1, M)
    expected = 1 / (sizes * (M - sizes))
    expected /= expected.sum()
    counts = np.bincount(drawn.sum(axis=1), minlength=M + 1)
    assert counts[0] == counts[M] == 0
    np.testing.assert_allclose(counts[1:M] / 5000, expected, atol=4.5 * 0.5 / 5000**0.5)
    np.testing.assert_allclose(drawn.mean(axis=0), 0.5, atol=4.5 * 0.5 / 5000**0.5)


def test_a_segment_without_pixels_gets_nothing():
    found = kernel_shap(curved, IMAGES, LABELS, SEGMENTS % 3, n_samples=None, n_segments=4, baseline=BASELINE)
    np.testing.assert_allclose(found.values[:, 3], 0, atol=1e-4)
    assert np.abs(found.values[:, :3]).min() > 1e-3


def test_coalitions_that_repeat_leave_it_finite():
    segments = patches(6, 5, 3)[:, :] % 3
    keys = jax.random.split(KEY, 200)
    images = jnp.broadcast_to(IMAGES[:1], (200, *IMAGES.shape[1:]))
    found = kernel_shap(curved, images, [0] * 200, segments, key=keys, n_samples=8).values
    change = (curved(IMAGES[:1]) - curved(0 * IMAGES[:1]))[0, 0]
    np.testing.assert_allclose(found.sum(axis=1), change, rtol=1e-3, atol=1e-3)
    assert np.abs(found).max() < 100


@pytest.mark.parametrize("ridge", [0.0, 2.0])
def test_lime_is_scikit_learns_regression_on_the_same_samples(ridge):
    settings = {"n_samples": 40, "ridge": ridge, "kernel_width": 0.4, "score": target_logit}
    found = lime(curved, IMAGES, LABELS, SEGMENTS, key=KEY, baseline=BASELINE, **settings)
    keys = example_keys(KEY, 2)
    z = np.stack([coin_flips(keys, k, M) for k in range(40)], axis=1)
    values = values_of(curved, z)
    for i in range(2):
        weights = np.asarray(proximity(jnp.asarray(z[i], jnp.float32), 0.4), np.float64)
        model = Ridge(alpha=ridge).fit(z[i].astype(np.float64), values[i], sample_weight=weights)
        np.testing.assert_allclose(found.values[i], model.coef_, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found.maps[i], model.coef_[SEGMENTS[i]], rtol=1e-3, atol=1e-4)


def test_lime_finds_a_linear_classifiers_contributions():
    settings = {"n_samples": 60, "ridge": 0.0, "score": target_logit, "baseline": BASELINE}
    found = lime(linear, IMAGES, LABELS, SEGMENTS, key=KEY, **settings).values
    np.testing.assert_allclose(found, contributions(), rtol=1e-3, atol=1e-3)


def test_memory_does_not_grow_with_the_samples():
    def temporary(method, n_samples):
        def run(images, labels, key):
            mean = lambda x: jnp.tanh(x).mean(axis=(1, 2))  # noqa: E731
            return method(mean, images, labels, patches(32, 32, 8), key=key, n_samples=n_samples)

        program = jax.jit(run).lower(jnp.zeros((2, 32, 32, 3)), jnp.zeros(2, jnp.int32), KEY).compile()
        return program.memory_analysis().temp_size_in_bytes

    for method in (kernel_shap, lime):
        few, many = temporary(method, 100), temporary(method, 10_000)
        assert few > 0
        assert abs(many - few) <= 0.01 * few


def test_patches_are_squares():
    found = patches(7, 5, 3)
    assert found.dtype == np.int32
    for i, j in itertools.product(range(7), range(5)):
        assert found[i, j] == i // 3 * 2 + j // 3


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"n_samples must be even and 20 or more for 6 segments, got 18"):
        kernel_shap(linear, IMAGES, LABELS, SEGMENTS, key=KEY, n_samples=18)
    with pytest.raises(InputError, match="random coalitions need a key"):
        kernel_shap(linear, IMAGES, LABELS, SEGMENTS)
    with pytest.raises(InputError, match="all coalitions of 30 segments are too many"):
        kernel_shap(linear, IMAGES, LABELS, patches(6, 5, 1), n_samples=None)
    with pytest.raises(InputError, match=r"segments must lie in \[0, n_segments\) = \[0, 3\), got 0 to 5"):
        kernel_shap(linear, IMAGES, LABELS, SEGMENTS, key=KEY, n_segments=3)
    with pytest.raises(InputError, match=r"segments must be integers of shape .* got int64 of shape \(2, 5, 5\)"):
        lime(linear, IMAGES, LABELS, SEGMENTS[:, :5], key=KEY)
    with pytest.raises(InputError, match="there must be two segments or more, got 1"):
        lime(linear, IMAGES, LABELS, patches(6, 5, 9), key=KEY)
    with pytest.raises(InputError, match="n_samples must be above the number of segments, 6, got 6"):
        lime(linear, IMAGES, LABELS, SEGMENTS, key=KEY, n_samples=6)
    with pytest.raises(InputError, match="kernel_width must be above zero"):
        lime(linear, IMAGES, LABELS, SEGMENTS, key=KEY, kernel_width=0.0)
    with pytest.raises(InputError, match="ridge must be zero or more"):
        lime(linear, IMAGES, LABELS, SEGMENTS, key=KEY, ridge=-1.0)
    with pytest.raises(InputError, match="height, width and size must be 1 or more"):
        patches(6, 5, 0)

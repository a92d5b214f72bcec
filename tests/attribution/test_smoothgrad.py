"""SmoothGrad and VarGrad: closed forms under Gaussian noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from jaxvision.attribution import smoothgrad, vargrad
from jaxvision.attribution.smoothgrad import noisy
from jaxvision.errors import InputError
from jaxvision.pixels import example_keys

KEY = jax.random.key(3)
IMAGES = jnp.linspace(-1, 1, 40).reshape(2, 5, 4, 1)  # each image's range is 19 / 39 * 2
RANGE = 38 / 39
LABELS = jnp.array([0, 0])


def quadratic(images):
    return 3 * jnp.sum(images**2, axis=(1, 2))


def absolute(images):
    return jnp.sum(jnp.abs(images), axis=(1, 2))


def test_without_noise_it_is_the_gradient():
    found = smoothgrad(quadratic, IMAGES, LABELS, key=KEY, noise=0.0, n_samples=4)
    np.testing.assert_allclose(found, 6 * IMAGES, rtol=1e-6)
    np.testing.assert_array_equal(vargrad(quadratic, IMAGES, LABELS, key=KEY, noise=0.0, n_samples=4), 0)


def test_a_linear_classifier_is_smooth_already():
    weights = 1e3 + jax.random.normal(jax.random.key(1), (5, 4, 1, 1))
    linear = lambda x: jnp.einsum("nhwc,hwck->nk", x, weights)  # noqa: E731
    found = smoothgrad(linear, IMAGES, LABELS, key=KEY)
    np.testing.assert_allclose(found, jnp.broadcast_to(weights[None, ..., 0], IMAGES.shape), rtol=1e-6)
    np.testing.assert_allclose(vargrad(linear, IMAGES, LABELS, key=KEY), 0, atol=1e-6)  # though 1e3 is squared


def test_the_modulus_becomes_an_error_function():
    r"""$E\,\mathrm{sign}(x + \sigma\varepsilon) = \mathrm{erf}(x/\sqrt 2\sigma)$; the variance, one less its square."""
    n, std = 4000, 0.3 * RANGE
    found = smoothgrad(absolute, IMAGES, LABELS, key=KEY, noise=0.3, n_samples=n)
    expected = erf(np.asarray(IMAGES) / (2**0.5 * std))
    np.testing.assert_allclose(found, expected, atol=4.5 / n**0.5)
    variance = vargrad(absolute, IMAGES, LABELS, key=KEY, noise=0.3, n_samples=n)
    np.testing.assert_allclose(variance, 1 - np.asarray(found, np.float64) ** 2, atol=1e-5)  # of the same samples


def test_variance_of_a_quadratic_is_that_of_the_noise():
    n = 4000
    found = vargrad(quadratic, IMAGES, LABELS, key=KEY, noise=0.2, n_samples=n)
    np.testing.assert_allclose(found, 36 * (0.2 * RANGE) ** 2, rtol=4.5 * (2 / n) ** 0.5)


def test_both_are_numpys_mean_and_variance_of_the_samples():
    keys = example_keys(KEY, 2)
    copies = np.stack([noisy(IMAGES, keys, 0.2, k) for k in range(7)]).astype(np.float64)
    settings = {"key": KEY, "noise": 0.2, "n_samples": 7}
    cubic = lambda x: jnp.sum(x**3, axis=(1, 2))  # noqa: E731
    gradients = 3 * copies**2
    np.testing.assert_allclose(smoothgrad(cubic, IMAGES, LABELS, **settings), gradients.mean(0), rtol=1e-5)
    np.testing.assert_allclose(vargrad(cubic, IMAGES, LABELS, **settings), gradients.var(0), rtol=1e-4, atol=1e-6)


def test_noise_is_gaussian_in_units_of_each_images_range():
    images = jnp.concatenate([IMAGES[:1], 10 * IMAGES[:1] + 3])
    keys = example_keys(KEY, 2)
    added = np.stack([noisy(images, keys, 0.2, k) - images for k in range(500)]) / (RANGE * np.array([1, 10])).reshape(
        2, 1, 1, 1
    )
    n = 500 * 20
    np.testing.assert_allclose(added.std(axis=(0, 2, 3, 4)), 0.2, rtol=4.5 / (2 * n) ** 0.5)
    np.testing.assert_allclose(added.mean(axis=(0, 2, 3, 4)), 0, atol=4.5 * 0.2 / n**0.5)
    shares = np.mean(np.abs(added) < 0.2, axis=(0, 2, 3, 4))
    np.testing.assert_allclose(shares, erf(0.5**0.5), atol=4.5 * (0.683 * 0.317 / n) ** 0.5)
    assert abs(np.corrcoef(added[:, 0].ravel(), added[:, 1].ravel())[0, 1]) < 4.5 / n**0.5  # each image has its own


def test_memory_does_not_grow_with_the_samples():
    def temporary(method, n_samples):
        def run(images, labels, key):
            return method(quadratic, images, labels, key=key, n_samples=n_samples)

        program = jax.jit(run).lower(jnp.zeros((2, 64, 64, 3)), jnp.zeros(2, jnp.int32), KEY).compile()
        return program.memory_analysis().temp_size_in_bytes

    for method in (smoothgrad, vargrad):
        few, many = temporary(method, 10), temporary(method, 1000)
        assert few > 0
        assert abs(many - few) <= 0.01 * few


@pytest.mark.parametrize("method", [smoothgrad, vargrad])
def test_bad_input_is_one_sentence(method):
    for noise in (float("nan"), float("inf")):
        with pytest.raises(InputError, match=rf"noise must be zero or more, .* got {noise}"):
            method(quadratic, IMAGES, LABELS, key=KEY, noise=noise)
    with pytest.raises(InputError, match=r"noise must be zero or more, .* got -0.1"):
        method(quadratic, IMAGES, LABELS, key=KEY, noise=-0.1)
    with pytest.raises(InputError, match="n_samples must be 1 or more, got 0"):
        method(quadratic, IMAGES, LABELS, key=KEY, n_samples=0)
    with pytest.raises(InputError, match="one for each of the 2 images"):
        method(quadratic, IMAGES, LABELS, key=jax.random.split(KEY, 3))

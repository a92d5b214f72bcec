import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.errors import InputError
from jaxvision.visualization import COLOR_CORRELATION, fourier, maco, pixel

KEYS = jax.random.split(jax.random.key(0), 2)
SHAPES = [(8, 8, 3), (7, 10, 3), (6, 9, 1)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def variables(parametrization):
    return jax.vmap(parametrization.init)(KEYS)


@pytest.mark.parametrize("shape", SHAPES)
def test_fourier_is_numpys_inverse_transform(shape):
    h, w, c = shape
    parametrization = fourier(shape, decay=1.5, contrast=0.3)
    spectra = np.asarray(variables(parametrization), np.float64)
    assert spectra.shape == (2, 2, h, w // 2 + 1, c)
    rows, columns = np.minimum(np.arange(h), h - np.arange(h)) / h, np.arange(w // 2 + 1) / w
    frequencies = np.sqrt(rows[:, None] ** 2 + columns[None] ** 2)
    scale = np.sqrt(h * w) * np.maximum(frequencies, 1 / max(h, w)) ** -1.5
    values = np.fft.irfft2(scale[..., None] * (spectra[:, 0] + 1j * spectra[:, 1]), s=(h, w), axes=(1, 2)) / 4
    values = np.einsum("nhwd,cd->nhwc", values, COLOR_CORRELATION) if c == 3 else values
    np.testing.assert_allclose(parametrization.image(jnp.asarray(spectra, jnp.float32)), sigmoid(values), atol=1e-5)


def test_a_single_frequency_is_a_cosine():
    spectra = np.zeros((1, 2, 8, 5, 1), np.float32)
    spectra[0, 0, 0, 2, 0] = 1.0
    expected = sigmoid(2 / 4 * np.cos(2 * np.pi * 2 * np.arange(8) / 8) / (0.25 * 8))  # sqrt(64) / f / 64
    images = fourier((8, 8, 1), decay=1.0).image(jnp.asarray(spectra))
    np.testing.assert_allclose(images[0, 3, :, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(images[0, 0], images[0, 5], rtol=1e-5)


def test_colours_correlate_as_those_of_photographs():
    """The covariance of white noise after the matrix: brightness before all, orange to blue, green to violet."""
    covariance = COLOR_CORRELATION @ COLOR_CORRELATION.T
    unscaled = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    largest = np.sqrt(0.26**2 + 0.27**2 + 0.27**2)
    np.testing.assert_allclose(covariance, unscaled @ unscaled.T / largest**2)
    np.testing.assert_allclose(np.linalg.norm(COLOR_CORRELATION, axis=0).max(), 1.0)
    correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert correlation.min() > 0.75
    noise = fourier((64, 64, 3), decay=0.0, contrast=0.4)
    pixels = np.asarray(noise.image(variables(noise)), np.float64).reshape(-1, 3)
    logits = np.log(pixels / (1 - pixels))
    np.testing.assert_allclose(np.corrcoef(logits.T), correlation, atol=0.05)


@pytest.mark.parametrize("shape", SHAPES)
def test_maco_keeps_its_magnitudes(shape):
    h, w, c = shape
    magnitude = np.random.default_rng(0).uniform(0.5, 2.0, size=(h, w // 2 + 1, c)).astype(np.float32)
    parametrization = maco(shape, magnitude=magnitude)
    images = np.asarray(parametrization.image(variables(parametrization)), np.float64)
    values = np.log(images / (1 - images))
    values = values @ np.linalg.inv(COLOR_CORRELATION).T if c == 3 else values
    seen = np.abs(np.fft.rfft2(values, axes=(1, 2)))
    free = slice(1, (w + 1) // 2)  # the others are their own conjugates' columns, of which only a part is real
    np.testing.assert_allclose(seen[:, :, free], np.broadcast_to(magnitude, seen.shape)[:, :, free], rtol=2e-3)


def test_maco_without_magnitudes_has_unit_deviation_and_falls_with_the_frequency():
    parametrization = maco((32, 40, 3))
    (magnitude,) = jax.tree.leaves(parametrization.image)
    assert magnitude.shape == (32, 21, 3)
    np.testing.assert_allclose(magnitude[0, 4], magnitude[0, 2] / 2, rtol=1e-5)
    np.testing.assert_array_equal(magnitude[0, 0], 0)  # the mean
    power = np.asarray(magnitude[..., 0], np.float64) ** 2
    twice = 2 * power.sum() - power[:, 0].sum() - power[:, -1].sum()  # all but two columns have a conjugate
    np.testing.assert_allclose(twice / (32 * 40) ** 2, 1, rtol=1e-5)
    images = np.asarray(parametrization.image(variables(parametrization)), np.float64)
    values = np.log(images / (1 - images)) @ np.linalg.inv(COLOR_CORRELATION).T
    assert 0.85 < values.std() < 1.05  # entries that are their own conjugates lose what is imaginary
    with pytest.raises(InputError, match=r"magnitude must have shape \(H, W // 2 \+ 1, C\) = \(32, 21, 3\)"):
        maco((32, 40, 3), magnitude=np.ones((32, 40, 3), np.float32))


@pytest.mark.parametrize("parametrization", [pixel, fourier, maco])
def test_gradients_ranges_and_equality(parametrization):
    shape = (6, 5, 3)
    images = parametrization(shape).image(variables(parametrization(shape)))
    assert images.shape == (2, *shape)
    assert ((images > 0) & (images < 1)).all()
    assert jax.tree.structure(parametrization(shape).image) == jax.tree.structure(parametrization(shape).image)
    with jax.enable_x64(True):
        chosen = parametrization(shape)
        theta = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), variables(chosen))
        assert chosen.image(theta).dtype == jnp.float64
        check_grads(jax.jit(chosen.image), (theta,), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)

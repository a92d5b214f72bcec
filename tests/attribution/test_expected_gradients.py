"""Expected gradients and input times gradient: closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import expected_gradients, input_x_gradient, integrated_gradients
from jaxvision.attribution.expected_gradients import draw
from jaxvision.errors import InputError
from jaxvision.pixels import example_keys

KEY = jax.random.key(5)
IMAGES = jax.random.normal(jax.random.key(0), (2, 4, 3, 2))
BASELINES = jax.random.normal(jax.random.key(1), (3, 4, 3, 2))
LABELS = jnp.array([1, 0])
WEIGHTS = jax.random.normal(jax.random.key(2), (4, 3, 2, 2))
OF_CLASS = jnp.moveaxis(WEIGHTS[..., LABELS], -1, 0)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


def cubes(images):
    return jnp.sum(images**3, axis=(1, 2))


def samples(n, n_baselines):
    chosen, alphas = zip(*(draw(example_keys(KEY, 2), k, n_baselines, jnp.float32) for k in range(n)), strict=True)
    return np.stack(chosen), np.stack(alphas).astype(np.float64)


def test_from_one_baseline_a_linear_classifier_gives_weight_times_way():
    found = expected_gradients(linear, IMAGES, LABELS, BASELINES[:1], key=KEY, n_samples=4)
    np.testing.assert_allclose(found, OF_CLASS * (IMAGES - BASELINES[:1]), rtol=1e-5, atol=1e-5)


def test_it_is_the_mean_over_the_samples():
    chosen, alphas = samples(9, 3)
    images, baselines = (np.asarray(x, np.float64) for x in (IMAGES, BASELINES))
    starts, shares = baselines[chosen], alphas[..., None, None, None]
    gradients = 3 * (starts + shares * (images - starts)) ** 2 * np.eye(2)[np.asarray(LABELS)][:, None, None]
    found = expected_gradients(cubes, IMAGES, LABELS, BASELINES, key=KEY, n_samples=9)
    np.testing.assert_allclose(found, np.mean((images - starts) * gradients, axis=0), rtol=1e-4, atol=1e-5)


def test_expectation_is_the_mean_of_integrated_gradients():
    n = 4000
    exact = [integrated_gradients(cubes, IMAGES, LABELS, baseline=b, n_steps=2).attributions for b in BASELINES]
    found = expected_gradients(cubes, IMAGES, LABELS, BASELINES, key=KEY, n_samples=n)
    images, starts = np.asarray(IMAGES)[None, None], np.asarray(BASELINES)[:, None, None]
    on_the_way = starts + np.linspace(0, 1, 101)[:, None, None, None, None] * (images - starts)
    deviation = np.std(3 * (images - starts) * on_the_way**2, axis=(0, 1))  # of one sample, at each value
    error = np.abs(found - np.mean(exact, axis=0)) / deviation
    assert error.max() < 4.5 / n**0.5
    assert 0.5 / n**0.5 < np.sqrt(np.mean(error**2))  # about 0.7: half the values are of the other class


def test_baselines_and_shares_are_uniform_and_each_images_own():
    n = 2000
    chosen, alphas = samples(n, 3)
    counts = np.stack([np.bincount(column, minlength=3) for column in chosen.T])
    np.testing.assert_allclose(counts / n, 1 / 3, atol=4.5 * (2 / 9 / n) ** 0.5)
    for moment in (1, 2, 3):
        np.testing.assert_allclose((alphas**moment).mean(axis=0), 1 / (moment + 1), atol=4.5 * 0.3 / n**0.5)
    assert abs(np.corrcoef(alphas.T)[0, 1]) < 4.5 / n**0.5
    assert abs(np.corrcoef(chosen[:, 0], alphas[:, 0])[0, 1]) < 4.5 / n**0.5


def test_bad_baselines_are_one_sentence():
    with pytest.raises(InputError, match=r"shape \(B, 4, 3, 2\), got shape \(4, 3, 2\)"):
        expected_gradients(linear, IMAGES, LABELS, BASELINES[0], key=KEY)
    with pytest.raises(InputError, match=r"one or more images of shape \(B, 4, 3, 2\), got shape \(0, 4, 3, 2\)"):
        expected_gradients(linear, IMAGES, LABELS, BASELINES[:0], key=KEY)
    with pytest.raises(InputError, match="got uint8"):
        expected_gradients(linear, IMAGES, LABELS, np.zeros((2, 4, 3, 2), np.uint8), key=KEY)
    with pytest.raises(InputError, match="n_samples must be 1 or more, got 0"):
        expected_gradients(linear, IMAGES, LABELS, BASELINES, key=KEY, n_samples=0)


def test_input_times_gradient_of_a_linear_classifier_is_integrated_gradients():
    found = input_x_gradient(linear, IMAGES, LABELS)
    np.testing.assert_allclose(found, IMAGES * OF_CLASS, rtol=1e-5)
    expected = integrated_gradients(linear, IMAGES, LABELS, n_steps=1).attributions
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_input_times_gradient_adds_up_by_eulers_theorem():
    """A cubic form adds up to three times the logit."""
    found = input_x_gradient(cubes, IMAGES, LABELS)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), 3 * cubes(IMAGES)[jnp.arange(2), LABELS], rtol=1e-4)

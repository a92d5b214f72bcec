"""Borders, normalisation and doubling against closed forms and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.backbones import Conv
from jaxvision.pixels import denormalize
from jaxvision.stylizers import double, instance_norm, reflect_conv, reflect_pad
from jaxvision.stylizers.layers import bounded_image


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(0), (2, 5, 7, 3))


@pytest.mark.parametrize("margin", [0, 1, 4])
def test_reflection_is_numpys(x, margin):
    sides = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    np.testing.assert_array_equal(reflect_pad(x, margin), np.pad(np.asarray(x), sides, mode="reflect"))


def test_a_constant_map_becomes_the_shift():
    found = instance_norm(jnp.full((2, 4, 4, 3), 7.0), jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, -1.0, 5.0]))
    np.testing.assert_allclose(found, np.broadcast_to([0.0, -1.0, 5.0], (2, 4, 4, 3)), atol=1e-5)


def test_moments_of_each_image_are_shift_and_gain(x):
    found = np.asarray(instance_norm(3 * x + 2, jnp.full(3, 0.5), jnp.full(3, -1.0)))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), -1, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 0.5, atol=1e-5)


@pytest.mark.parametrize("size", [(2, 3), pytest.param((1, 1), marks=pytest.mark.slow)])
def test_doubling_is_a_convolution_of_the_repeated_map(size):
    layer = Conv(3, 4, 2, key=jax.random.key(1))
    layer.bias.set_value(jnp.array([0.5, -2.0]))
    x = jax.random.normal(jax.random.key(2), (2, *size, 4))
    repeated = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    np.testing.assert_allclose(double(layer, x), reflect_conv(layer, repeated), atol=1e-5)


def test_images_are_bounded_to_what_can_be_shown(x):
    found = np.asarray(denormalize(bounded_image(100 * x)))
    assert found.min() > -1e-6
    assert found.max() < 1 + 1e-6
    np.testing.assert_allclose(denormalize(bounded_image(0 * x)), 0.5, atol=1e-6)

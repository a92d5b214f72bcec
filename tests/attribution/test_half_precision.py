"""Attributions of images in half precision are those in float32, rounded: sums over many points do not stand still."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import (
    expected_gradients,
    integrated_gradients,
    kernel_shap,
    lime,
    patches,
    rise,
    smoothgrad,
    vargrad,
)
from jaxvision.metrics.faithfulness import infidelity
from jaxvision.pixels import target_logit

KEY = jax.random.key(0)
IMAGES = jax.random.uniform(jax.random.key(1), (2, 4, 4, 1))
LABELS = jnp.array([0, 0])
SEGMENTS = patches(4, 4, 2)

every_half = pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])


def linear(images):
    return 3 * images.sum(axis=(1, 2))


def square(images):
    return (images**2).sum(axis=(1, 2))


def constant(images):
    return 0 * images.sum(axis=(1, 2)) + 2


METHODS = {
    "expected": lambda images: expected_gradients(linear, images, LABELS, 0 * images, key=KEY, n_samples=2000),
    "integrated": lambda images: integrated_gradients(linear, images, LABELS, n_steps=1500).attributions,
    "smoothgrad": lambda images: smoothgrad(linear, images, LABELS, key=KEY, n_samples=2000),
    "rise": lambda images: rise(constant, images, LABELS, key=KEY, n_masks=40_000, cells=2, score=target_logit),
    "lime": lambda images: lime(linear, images, LABELS, SEGMENTS, key=KEY, n_samples=900, score=target_logit).values,
    "kernel_shap": lambda images: kernel_shap(linear, images, LABELS, SEGMENTS, key=KEY, n_samples=900).maps,
}


@every_half
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_half_precision_is_float32_rounded(method, dtype):
    images = IMAGES.astype(dtype)
    found = method(images)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.astype(jnp.float32), method(images.astype(jnp.float32)), rtol=0.03, atol=0.03)


@every_half
def test_delta_counts_what_rounding_the_sum_would_hide(dtype):
    images = IMAGES.astype(dtype)
    delta = integrated_gradients(square, images, LABELS, n_steps=1000).delta
    np.testing.assert_allclose(delta, np.zeros(2), atol=0.05)


@every_half
def test_variances_of_half_precision(dtype):
    images = jnp.linspace(0, 1, 16, dtype=jnp.float32).reshape(1, 4, 4, 1).astype(dtype)
    found = vargrad(square, images, LABELS[:1], key=KEY, noise=0.5, n_samples=2000)  # gradients deviate by 2 x 0.5
    np.testing.assert_allclose(found.astype(jnp.float32), np.ones(images.shape), rtol=0.1)


@every_half
def test_infidelity_of_half_precision(dtype):
    images = jnp.ones((1, 4, 4, 1), dtype)
    zero = jnp.zeros_like(images)
    settings = {"key": KEY, "perturb": lambda key, image: image / 16, "n_samples": 2000}  # predicts 0, falls by 3
    found = infidelity(linear, images, LABELS[:1], zero, **settings)
    np.testing.assert_allclose(found.astype(jnp.float32), [9.0])
    assert infidelity(linear, images, LABELS[:1], images, normalize=True, **settings).dtype == dtype

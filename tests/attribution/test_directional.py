"""Derivatives in a direction: against the gradient, and closed forms of a quadratic and of a softmax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import directional_derivative, hessian_vector_product
from jaxvision.attribution.gradients import logit_gradient
from jaxvision.backbones import lenet, logits_fn
from jaxvision.errors import InputError
from jaxvision.pixels import target_probability

RNG = np.random.default_rng(0)
LABELS = np.array([3, 0])


def test_it_is_the_gradient_times_the_direction():
    model = lenet(CHECKPOINTS / "lenet_mnist.safetensors")
    images, directions = RNG.uniform(size=(2, 28, 28, 1)), RNG.normal(size=(2, 28, 28, 1))
    with jax.enable_x64(True):
        classifier = logits_fn(jax.tree.map(lambda leaf: leaf.astype("float64"), model))
        found = directional_derivative(classifier, images, LABELS, directions)
        gradient = jax.jit(logit_gradient)(classifier, jnp.asarray(images), jnp.asarray(LABELS, jnp.int32))
        np.testing.assert_allclose(found, np.sum(gradient * directions, axis=(1, 2, 3)), rtol=1e-9)
        bend = hessian_vector_product(classifier, images, LABELS, directions)
        np.testing.assert_array_equal(bend, 0)  # piecewise linear


def test_the_hessian_of_a_quadratic_and_of_a_probability():
    matrices, kernel = RNG.normal(size=(4, 12, 12)), RNG.normal(size=(12, 4))
    images, vectors = RNG.normal(size=(2, 2, 2, 3)), RNG.normal(size=(2, 2, 2, 3))
    x, v = images.reshape(2, 12), vectors.reshape(2, 12)

    def quadratic(images):
        x = images.reshape(2, 12)
        return jnp.einsum("ni,kij,nj->nk", x, jnp.asarray(matrices), x)

    def linear(images):
        return images.reshape(2, 12) @ jnp.asarray(kernel)

    with jax.enable_x64(True):
        found = hessian_vector_product(quadratic, images, LABELS, vectors)
        symmetric = (matrices + matrices.transpose(0, 2, 1))[LABELS]
        np.testing.assert_allclose(found.reshape(2, 12), np.einsum("nij,nj->ni", symmetric, v), rtol=1e-10)

        settings = {"score": target_probability}
        slope = directional_derivative(linear, images, LABELS, vectors, **settings)
        bend = hessian_vector_product(linear, images, LABELS, vectors, **settings)
    p = np.exp(x @ kernel)
    p /= p.sum(axis=1, keepdims=True)
    p_y, gap = p[[0, 1], LABELS], kernel.T[LABELS] - p @ kernel.T  # gradient of log p_y
    np.testing.assert_allclose(slope, p_y * np.sum(gap * v, axis=1), rtol=1e-9)
    spread = np.einsum("nk,ik,nk->ni", p, kernel, v @ kernel) - (p @ kernel.T) * np.sum((p @ kernel.T) * v, 1)[:, None]
    expected = p_y[:, None] * (gap * np.sum(gap * v, axis=1)[:, None] - spread)
    np.testing.assert_allclose(bend.reshape(2, 12), expected, rtol=1e-8)


def test_one_sentence_for_directions_of_another_shape():
    images = np.zeros((2, 2, 2, 1), np.float32)
    with pytest.raises(InputError, match=r"directions must be floats of the images' shape \(2, 2, 2, 1\), got float32"):
        directional_derivative(lambda x: x.sum(axis=(1, 2)), images, [0, 0], images[:1])
    with pytest.raises(InputError, match="vectors must be floats"):
        hessian_vector_product(lambda x: x.sum(axis=(1, 2)), images, [0, 0], images[:1])

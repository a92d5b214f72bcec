"""Recomputed blocks: the same gradient, and in a network as deep as VGG from less memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.backbones import squeezenet1_1, vgg19, with_recomputed_blocks, with_replicated_edges
from jaxvision.style import gram_matrix


def gradient(model, images, layers):
    def styles(images):
        activations = model(images)[1]
        return sum(jnp.sum(gram_matrix(activations[layer]) ** 2) for layer in layers)

    return jax.grad(styles)(images)


def test_the_gradient_is_the_same(filled):
    model = with_replicated_edges(filled(lambda: squeezenet1_1(num_classes=2)))
    images = jax.random.normal(jax.random.key(0), (1, 40, 33, 3))
    program = jax.jit(gradient, static_argnums=2)
    plain, again = (program(m, images, ("features.7",)) for m in (model, with_recomputed_blocks(model)))
    np.testing.assert_allclose(again, plain, rtol=1e-5, atol=1e-5 * float(jnp.abs(plain).max()))


@pytest.mark.slow
def test_a_gradient_in_the_weights_of_vgg_takes_less_memory():
    """From the compiled programs, nothing is run. An image's gradient gains little: its ReLUs keep a byte a value.

    With oneDNN fewer images at a time are a part of it.
    """
    model = jax.eval_shape(lambda: vgg19(num_classes=2))
    images = jax.ShapeDtypeStruct((4, 224, 224, 3), jnp.float32)

    @jax.jit
    def of_weights(model, images):
        return jax.grad(lambda model: jnp.sum(model(images)[1]["relu5_1"] ** 2), allow_int=True)(model)

    plain, again = (
        of_weights.lower(m, images).compile().memory_analysis().temp_size_in_bytes
        for m in (model, with_recomputed_blocks(model))
    )
    assert again < 0.7 * plain

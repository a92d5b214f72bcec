"""Numbers of images as classes: a critic's score is attributed like a logit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import input_x_gradient, integrated_gradients, scalar_logits_fn
from jaxvision.errors import InputError
from jaxvision.gan import mlp_critic

IMAGES = jax.random.uniform(jax.random.key(0), (2, 28, 28, 1))


def test_a_critics_score_is_explained_in_full():
    critic = mlp_critic(key=jax.random.key(1))
    found = integrated_gradients(scalar_logits_fn(critic), IMAGES, [0, 0], n_steps=64)
    gained = np.asarray(critic(IMAGES) - critic(jnp.zeros_like(IMAGES)))
    np.testing.assert_allclose(found.attributions.sum(axis=(1, 2, 3)), gained, atol=0.02 * np.abs(gained).max())


def test_each_image_has_its_own_derivative():
    found = input_x_gradient(scalar_logits_fn(lambda x: (x**2).sum(axis=(1, 2, 3))), IMAGES, [0, 0])
    np.testing.assert_allclose(found, 2 * IMAGES**2, rtol=1e-6)


def test_more_than_a_number_is_one_sentence():
    with pytest.raises(InputError, match=r"one number for each of 2 images, got shape \(2, 1\)"):
        input_x_gradient(scalar_logits_fn(lambda x: x.mean(axis=(1, 2))), IMAGES, [0, 0])

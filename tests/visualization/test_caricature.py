import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.visualization import caricature, feature_visualization, likeness

KEY = jax.random.key(0)
IMAGES = jax.random.normal(jax.random.key(1), (2, 8, 10, 3))
KERNEL = jax.random.normal(jax.random.key(2), (3, 3, 3, 4)) / 3


def features_fn(images):
    mixed = jax.lax.conv_general_dilated(images, KERNEL, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return {"conv": jax.nn.relu(mixed)}


def test_it_is_the_visualization_of_the_likeness_and_goes_the_images_way():
    drawn = caricature(features_fn, IMAGES, "conv", key=KEY, power=4.0, transform=None, n_steps=40)
    given = features_fn(IMAGES)["conv"]
    objective = likeness("conv", given, power=4.0)
    settings = {"image_shape": (8, 10, 3), "transform": None, "n_steps": 40}
    expected = feature_visualization(features_fn, objective, 2, key=KEY, **settings)
    np.testing.assert_array_equal(drawn.images, expected.images)
    mine = features_fn(drawn.images)["conv"]
    norms = jnp.sqrt(jnp.sum(mine**2, axis=(1, 2, 3)) * jnp.sum(given**2, axis=(1, 2, 3)))
    assert (jnp.sum(mine * given, axis=(1, 2, 3)) / norms > 0.7).all()


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match='there is no layer "fire2": the network gives conv'):
        caricature(features_fn, IMAGES, "fire2", key=KEY)

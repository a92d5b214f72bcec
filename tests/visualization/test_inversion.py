import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.pixels import clip_normalized
from jaxvision.visualization import feature_inversion
from jaxvision.visualization.inversion import _variation

KEY = jax.random.key(0)
IMAGES = jax.random.uniform(jax.random.key(1), (2, 6, 8, 3), minval=-1.5, maxval=1.5)


def features_fn(images):
    pooled = images.reshape(images.shape[0], 3, 2, 4, 2, 3).mean(axis=(2, 4))
    return {"all": images, "pooled": pooled, "silent": 0.0 * pooled}


def test_a_layer_that_keeps_all_gives_the_image_back():
    result = feature_inversion(features_fn, IMAGES, "all", key=KEY, tv_weight=0.0, n_steps=200)
    np.testing.assert_allclose(result.images, IMAGES, atol=0.02)
    assert (result.distance < 1e-3).all()


def test_what_pooling_keeps_is_recovered_and_the_rest_is_smooth():
    result = feature_inversion(features_fn, IMAGES, "pooled", key=KEY, tv_weight=0.01, n_steps=300)
    assert (result.distance < 0.05).all()
    assert (_variation(result.images, 2.0) < 0.5 * _variation(IMAGES, 2.0)).all()
    np.testing.assert_allclose(
        result.trace["loss"], result.trace["distance"] + 0.01 * result.trace["variation"], rtol=1e-4
    )
    np.testing.assert_array_equal(result.images, clip_normalized(result.images))


def test_variation_by_hand():
    image = jnp.array([[0.0, 3.0], [4.0, 4.0]]).reshape(1, 2, 2, 1)  # differences (4, 3), (1, 0), (0, 0), (0, 0)
    np.testing.assert_allclose(_variation(image, 2.0), (25 + 1) / 4)
    np.testing.assert_allclose(_variation(image, 1.0), (5 + 1) / 4)
    np.testing.assert_allclose(_variation(image, 3.0), (125 + 1) / 4, rtol=1e-6)
    slopes = jax.grad(lambda x: _variation(x, 1.0).sum())(jnp.ones((1, 3, 3, 2)))
    np.testing.assert_array_equal(slopes, 0.0)


def test_only_the_activations_are_looked_at():
    swapped = IMAGES.reshape(2, 3, 2, 4, 2, 3)[:, :, ::-1].reshape(IMAGES.shape)  # the same within each pool
    one, other = (feature_inversion(features_fn, x, "pooled", key=KEY, n_steps=5).images for x in (IMAGES, swapped))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_silent_layers_and_bad_input():
    assert np.isfinite(feature_inversion(features_fn, IMAGES, "silent", key=KEY, n_steps=3).images).all()
    with pytest.raises(InputError, match='there is no layer "conv9": the network gives all, pooled, silent'):
        feature_inversion(features_fn, IMAGES, "conv9", key=KEY)

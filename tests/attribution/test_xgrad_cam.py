"""XGrad-CAM: closed forms of linear heads, and the axioms that its weights are chosen by."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.attribution import xgrad_cam

FEATURES = jnp.abs(jax.random.normal(jax.random.key(0), (2, 4, 5, 3)))
WEIGHTS = jax.random.normal(jax.random.key(1), (3, 6))
LABELS = jnp.array([5, 0])


def test_of_a_mean_and_a_linear_layer_it_is_the_class_activation_map():
    """Zhou et al., 2016, equation 2: the last layer's weights on the features."""
    found = xgrad_cam(lambda x: x.mean(axis=(1, 2)) @ WEIGHTS, FEATURES, LABELS)
    expected = np.einsum("nhwc,cn->nhw", FEATURES, WEIGHTS[:, LABELS]) / 20
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-6)


def test_conservation():
    """Where nothing is cut off, a map adds up to the logit of a head without biases (Euler's theorem)."""

    def head(x):  # homogeneous of degree one in the features
        return jnp.sqrt(jnp.sum(x**2, axis=(1, 2))) @ jnp.abs(WEIGHTS)

    found = xgrad_cam(head, FEATURES, LABELS)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), head(FEATURES)[jnp.arange(2), LABELS], rtol=1e-5)


def test_a_silent_channel_counts_for_nothing():
    silent = FEATURES.at[..., 1].set(0)
    found = xgrad_cam(lambda x: x.mean(axis=(1, 2)) @ WEIGHTS, silent, LABELS)
    without = xgrad_cam(lambda x: x.mean(axis=(1, 2)) @ WEIGHTS[jnp.array([0, 2])], FEATURES[..., ::2], LABELS)
    np.testing.assert_allclose(found, without, atol=1e-6)

"""Rules and taps inside the networks: every layer goes through its rule, every image of a large batch has its own tap.

LeNet, SqueezeNet and SceneNet are compared layer by layer where the methods are tested.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import alpha_beta_rule, deep_lift, lrp
from jaxvision.backbones import VGG, ruled_fn, squeezenet1_1
from jaxvision.forms import chunk_size

RNG = np.random.default_rng(0)
DRAWN = RNG.normal(size=9973)  # fewer numbers than VGG has weights


@pytest.mark.slow
def test_every_layer_of_vgg_goes_through_its_rule():
    """A ReLU or pool beside its rule would leave a delta, an affine layer beside it would not conserve relevance."""

    def fill(leaf):
        std = 0.1 if leaf.ndim == 1 else (2 / np.prod(leaf.shape[:-1])) ** 0.5
        return jnp.asarray(np.resize(DRAWN.astype(np.float32), leaf.shape) * np.float32(std))

    model = jax.tree.map(fill, jax.eval_shape(lambda: VGG((1, 1, 1, 2, 1), 3, key=jax.random.key(0))))
    images = jnp.asarray(RNG.uniform(-1, 1, size=(1, 40, 33, 3)), jnp.float32)
    shares = deep_lift(ruled_fn(model), images, [1])
    assert jnp.abs(shares.delta[0]) < 1e-4 * jnp.sum(jnp.abs(shares.attributions))
    relevance = lrp(ruled_fn(model), images, [1], rule=alpha_beta_rule(has_bias=False))
    logit = jax.jit(lambda model, images: model(images)[0][0, 1])(model, images)
    np.testing.assert_allclose(jnp.sum(relevance), logit, rtol=1e-3)


def test_taps_are_cut_into_chunks_as_images_are(monkeypatch):
    monkeypatch.setenv("JAXVISION_ONEDNN", "off")  # with it all four go through at once
    model = squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors")
    images = jnp.asarray(RNG.uniform(size=(4, 224, 224, 3)), jnp.float32)
    shape = jax.eval_shape(model, images)[1]["fire9"].shape
    tapped = jax.jit(lambda model, images, tap: model(images, {"fire9": tap})[0])
    before = tapped(model, images, jnp.zeros(shape))
    after = tapped(model, images, jnp.zeros(shape).at[2].set(1.0))
    moved = np.abs(after - before).max(axis=1)
    assert moved[2] > 1e-3
    np.testing.assert_array_equal(moved[np.array([0, 1, 3])], 0)
    if jax.default_backend() == "cpu":
        assert chunk_size(4, 224, 224) == 2

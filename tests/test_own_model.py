"""Methods take a network of any library: Flax NNX, Flax Linen, Equinox, plain functions; and docs/own_model.md runs."""

import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.tree_util import Partial

from jaxvision.adversarial import deepfool, pgd
from jaxvision.attribution import integrated_gradients, layer_cams, lrp, occlusion, saliency_map
from jaxvision.signatures import PLAIN
from jaxvision.visualization import class_logit, feature_visualization

PAGE = Path(__file__).parents[1] / "docs" / "own_model.md"
IMAGES = jax.random.uniform(jax.random.key(0), (2, 4, 4, 1))
LABELS = jnp.array([0, 2])
FIRST = jax.random.normal(jax.random.key(1), (16, 8)) / 4
LAST = jax.random.normal(jax.random.key(2), (8, 3))


class NNXNetwork(nnx.Module):
    def __init__(self):
        self.first = nnx.Linear(16, 8, use_bias=False, rngs=nnx.Rngs(0))
        self.last = nnx.Linear(8, 3, use_bias=False, rngs=nnx.Rngs(0))
        self.first.kernel[...], self.last.kernel[...] = FIRST, LAST

    def __call__(self, images):
        return self.last(jax.nn.relu(self.first(images.reshape(len(images), 16))))


class LinenNetwork(linen.Module):
    @linen.compact
    def __call__(self, images):
        hidden = linen.relu(linen.Dense(8, use_bias=False, name="first")(images.reshape(len(images), 16)))
        return linen.Dense(3, use_bias=False, name="last")(hidden)


class EquinoxNetwork(eqx.Module):
    first: eqx.nn.Linear
    last: eqx.nn.Linear

    def __init__(self):
        self.first, self.last = (
            eqx.tree_at(lambda layer: layer.weight, eqx.nn.Linear(*W.shape, use_bias=False, key=jax.random.key(0)), W.T)
            for W in (FIRST, LAST)
        )

    def __call__(self, images):
        return jax.vmap(self.last)(jax.nn.relu(jax.vmap(self.first)(images.reshape(len(images), 16))))


def plain(images):
    return jax.nn.relu(images.reshape(len(images), 16) @ FIRST) @ LAST


def dense(kernel, x):
    return linen.Dense(kernel.shape[1], use_bias=False).apply({"params": {"kernel": kernel}}, x)


VARIABLES = {"params": {"first": {"kernel": FIRST}, "last": {"kernel": LAST}}}
NETWORKS = {
    "nnx": NNXNetwork,
    "linen": lambda: Partial(LinenNetwork().apply, VARIABLES),
    "equinox": EquinoxNetwork,
    "plain": lambda: plain,
}
LAYERS = {  # of the same, each a callable pytree
    "nnx": lambda: (NNXNetwork().first, NNXNetwork().last),
    "linen": lambda: (Partial(dense, FIRST), Partial(dense, LAST)),
    "equinox": lambda: tuple(Partial(lambda layer, x: jax.vmap(layer)(x), layer) for layer in equinox_layers()),
    "plain": lambda: (Partial(jnp.dot, b=FIRST), Partial(jnp.dot, b=LAST)),
}
METHODS = {
    "saliency_map": lambda f: saliency_map(f, IMAGES, LABELS),
    "integrated_gradients": lambda f: integrated_gradients(f, IMAGES, LABELS, n_steps=5).attributions,
    "occlusion": lambda f: occlusion(f, IMAGES, LABELS, window=2, stride=2),
    "pgd": lambda f: pgd(f, IMAGES, LABELS, eps=0.1, n_steps=3, random_start=False).images,
    "deepfool": lambda f: deepfool(f, IMAGES, n_steps=3, n_classes=3).images,
    "feature_visualization": lambda f: (
        feature_visualization(
            f,
            class_logit(LABELS),
            2,
            key=jax.random.key(3),
            image_shape=(4, 4, 1),
            transform=None,
            n_steps=3,
            mean=[0.5],
            std=[0.25],
        ).images
    ),
}


def equinox_layers():
    network = EquinoxNetwork()
    return network.first, network.last


def ruled(layers, images, rules):
    hidden = rules.relu(jax.nn.relu, rules.affine(layers[0], images.reshape(len(images), 16)))
    return rules.affine(layers[1], hidden)


def tapped(layers, images, taps):
    hidden = layers[0](images.reshape(len(images), 16)).reshape(len(images), 2, 2, 2)
    hidden = hidden + taps["hidden"] if "hidden" in taps else hidden
    return layers[1](jax.nn.relu(hidden.reshape(len(images), 8))), {"hidden": hidden}


@pytest.mark.parametrize("method", METHODS)
def test_a_network_of_any_library_gives_what_the_plain_function_gives(method):
    expected = METHODS[method](plain)
    for library in ("nnx", "linen", "equinox"):
        np.testing.assert_allclose(METHODS[method](NETWORKS[library]()), expected, atol=2e-5, err_msg=library)


@pytest.mark.parametrize("library", LAYERS)
def test_rules_and_taps_reach_layers_of_any_library(library):
    layers = LAYERS[library]()
    np.testing.assert_allclose(ruled(layers, IMAGES, PLAIN), plain(IMAGES), rtol=1e-4, atol=1e-5)
    relevance = lrp(Partial(ruled, layers), IMAGES, LABELS)  # without constants it is conserved
    np.testing.assert_allclose(relevance.sum(axis=(1, 2, 3)), plain(IMAGES)[jnp.arange(2), LABELS], rtol=1e-3)
    hidden = IMAGES.reshape(2, 16) @ FIRST
    weights = jnp.where(hidden > 0, LAST.T[LABELS], 0).reshape(2, 2, 2, 2).mean(axis=(1, 2), keepdims=True)
    expected = jax.nn.relu((weights * hidden.reshape(2, 2, 2, 2)).sum(axis=-1))
    np.testing.assert_allclose(layer_cams(Partial(tapped, layers), IMAGES, LABELS)["hidden"], expected, atol=1e-5)


@pytest.mark.slow
def test_the_page_runs():
    names = {}
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    exec(compile("".join(snippets), str(PAGE), "exec"), names)
    seen = names["features_fn"](names["images"])
    assert float(jnp.abs(names["explained"].delta).max()) < 0.01
    assert {name: grid.shape for name, grid in seen.items()} == {f"block{i}": (2, 4, 4, 16) for i in range(2)}
    assert {name: cam.shape for name, cam in names["cams"].items()} == {f"block{i}": (2, 4, 4) for i in range(2)}
    assert all(float(cam.max()) > 0 for cam in names["cams"].values())
    assert names["relevance"].shape == names["images"].shape
    assert (names["drawn"].value > names["drawn"].trace["objective"][0]).all()
    assert (names["of_channels"].value > names["of_channels"].trace["objective"][0]).all()
    assert float(jnp.abs(names["fooled"].images - names["images"]).max()) <= 0.03 + 1e-6

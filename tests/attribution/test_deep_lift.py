"""DeepLIFT: summation to delta, a network by hand, and where it is the gradient times the way."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import deep_lift
from jaxvision.attribution.gradients import logit_gradient
from jaxvision.backbones import lenet, max_pool, ruled_fn, squeezenet1_1
from jaxvision.errors import InputError
from jaxvision.signatures import PLAIN

RNG = np.random.default_rng(0)


def test_two_hidden_layers_by_hand():
    first, second, last = RNG.normal(size=(12, 8)), RNG.normal(size=(8, 7)), RNG.normal(size=(7, 4))
    images, baseline, labels = RNG.normal(size=(3, 2, 2, 3)), RNG.normal(size=(1, 2, 2, 3)), np.array([3, 0, 2])

    def network(images, rules):
        x = images.reshape(len(images), -1)
        for kernel in (first, second):
            x = rules.relu(jax.nn.relu, x @ jnp.asarray(kernel) + 0.3)
        return x @ jnp.asarray(last)

    with jax.enable_x64(True):
        found = deep_lift(network, images, labels, baseline=baseline)
    now, before = images.reshape(3, 12), baseline.reshape(1, 12)
    ratios = []
    for kernel in (first, second):
        now, before = now @ kernel + 0.3, before @ kernel + 0.3
        ratios.append((np.maximum(now, 0) - np.maximum(before, 0)) / (now - before))
        now, before = np.maximum(now, 0), np.maximum(before, 0)
    back = ((last[:, labels].T * ratios[1]) @ second.T * ratios[0]) @ first.T
    np.testing.assert_allclose(found.attributions, back.reshape(images.shape) * (images - baseline), rtol=1e-10)
    np.testing.assert_allclose(found.delta, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ([1.0, 4.0], [3.0, 2.0], [0.0, 1.0]),  # risen from 3 to 4: all to where the image is largest
        ([1.0, 2.0], [5.0, 0.0], [-3.0, 0.0]),  # fallen from 5 to 2: all to where the baseline was
        ([2.0, 1.0], [1.0, 2.0], [0.0, 0.0]),
    ],
)
def test_a_maximum_by_hand(now, before, expected):
    def network(images, rules):
        return rules.max_pool(lambda x: x.max(axis=(1, 2)), images)

    now, before = (jnp.array(values).reshape(1, 1, 2, 1) for values in (now, before))
    found = deep_lift(network, now, [0], baseline=before)
    np.testing.assert_allclose(found.attributions.ravel(), expected)


@pytest.mark.parametrize(("name", "double"), [("LeNet", True), ("SqueezeNet", False)])
def test_shares_add_up_to_the_change(name, double):
    model, shape = {
        "LeNet": (lenet(CHECKPOINTS / "lenet_mnist.safetensors"), (3, 28, 28, 1)),
        "SqueezeNet": (squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors"), (2, 64, 64, 3)),
    }[name]
    images, baseline = RNG.uniform(size=shape), RNG.uniform(size=shape)
    with jax.enable_x64(double):
        dtype = jnp.float64 if double else jnp.float32
        model = jax.tree.map(lambda leaf: leaf.astype(dtype), model)
        images, baseline = jnp.asarray(images, dtype), jnp.asarray(baseline, dtype)
        found = deep_lift(ruled_fn(model), images, [2, 3, 4][: len(images)], baseline=baseline)
        size = jnp.sum(jnp.abs(found.attributions), axis=(1, 2, 3))
        assert size.min() > 0.1
        assert (jnp.abs(found.delta) / size).max() < (1e-12 if double else 1e-5)


def test_a_chunk_holds_pairs_and_no_mixtures():
    """Large images go through the network some at a time; each must meet its own baseline."""
    model = ruled_fn(lenet(CHECKPOINTS / "lenet_mnist.safetensors"))
    images = jnp.asarray(RNG.uniform(size=(3, 28, 28, 1)), jnp.float32)
    whole = deep_lift(model, images, [1, 2, 3], baseline=images[::-1])

    def network(images, rules):  # as a backbone does inside, one image after the other
        return jax.lax.map(lambda x: model(x[None], rules)[0], images)

    found = deep_lift(network, images, [1, 2, 3], baseline=images[::-1])
    np.testing.assert_allclose(found.attributions, whole.attributions, rtol=1e-3, atol=1e-5)


def test_where_no_relu_switches_it_is_the_gradient_times_the_way():
    images, baseline = RNG.uniform(1, 2, size=(2, 4, 4, 1)), RNG.uniform(1, 2, size=(2, 4, 4, 1))
    kernel = jnp.asarray(np.abs(RNG.normal(size=(16, 3))), jnp.float32)

    def network(images, rules):
        return rules.relu(jax.nn.relu, images.reshape(2, -1) @ kernel)

    images, baseline = (jnp.asarray(x, jnp.float32) for x in (images, baseline))
    gradient = logit_gradient(lambda x: network(x, PLAIN), images, jnp.array([1, 2]))
    found = deep_lift(network, images, [1, 2], baseline=baseline)
    np.testing.assert_allclose(found.attributions, gradient * (images - baseline), rtol=1e-4, atol=1e-6)


def test_a_layer_outside_the_rules_shows_in_delta():
    pool = functools.partial(max_pool, size=2)

    def network(images, rules):
        return pool(images).sum(axis=(1, 2)) ** 2

    images = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    assert abs(deep_lift(network, images, [0]).delta.item()) > 1


def test_one_sentence_for_a_baseline_that_does_not_fit():
    with pytest.raises(InputError, match="baseline must broadcast"):
        deep_lift(lambda images, rules: images.sum(axis=(1, 2)), jnp.zeros((1, 2, 2, 1)), [0], baseline=np.zeros(3))

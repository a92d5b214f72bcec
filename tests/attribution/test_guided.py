"""Guided backpropagation and deconvnets: a network with its derivatives by hand, and where both are the gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import backward_rule, deconvnet, guided_backprop
from jaxvision.attribution.gradients import logit_gradient
from jaxvision.backbones import lenet, logits_fn, ruled_fn
from jaxvision.signatures import Rules

RNG = np.random.default_rng(0)
FIRST, SECOND, LAST = RNG.normal(size=(12, 8)), RNG.normal(size=(8, 7)), RNG.normal(size=(7, 4))
IMAGES, LABELS = RNG.normal(size=(3, 2, 2, 3)), np.array([3, 0, 2])


def network(weights, images, rules):
    x = images.reshape(len(images), -1)
    for kernel in weights[:-1]:
        x = rules.relu(jax.nn.relu, x @ kernel)
    return x @ weights[-1]


def ruled(*weights):
    return jax.tree_util.Partial(network, [jnp.asarray(w) for w in weights])


@pytest.mark.parametrize("method", [guided_backprop, deconvnet], ids=lambda method: method.__name__)
def test_two_hidden_layers_by_hand(method):
    x = IMAGES.reshape(3, 12)
    hidden = x @ FIRST
    upper = np.maximum(hidden, 0) @ SECOND
    back = np.maximum(LAST[:, LABELS].T, 0) * ((upper > 0) if method is guided_backprop else 1)
    back = np.maximum(back @ SECOND.T, 0) * ((hidden > 0) if method is guided_backprop else 1)
    with jax.enable_x64(True):
        found = method(ruled(FIRST, SECOND, LAST), IMAGES, LABELS)
        np.testing.assert_allclose(found, (back @ FIRST.T).reshape(IMAGES.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", [guided_backprop, deconvnet], ids=lambda method: method.__name__)
def test_where_all_is_positive_it_is_the_gradient(method):
    with jax.enable_x64(True):
        found = method(ruled(*(np.abs(w) for w in (FIRST, SECOND, LAST))), np.abs(IMAGES), LABELS)
        expected = np.abs(FIRST) @ np.abs(SECOND) @ np.abs(LAST)[:, LABELS]
        np.testing.assert_allclose(found, expected.T.reshape(IMAGES.shape), rtol=1e-12)


def test_rules_change_the_way_back_and_not_the_way_forth():
    model = lenet(CHECKPOINTS / "lenet_mnist.safetensors")
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 28, 28, 1)), jnp.float32)
    seen = []

    def doubled(layer, x, cotangent):
        seen.append(x.shape)
        return 2 * jax.vjp(layer, x)[1](cotangent)[0]

    rule = backward_rule(doubled)
    rules = Rules(rule, rule, rule)

    @jax.jit
    def both(model, images):
        plain, ruled = logits_fn(model), lambda x: ruled_fn(model)(x, rules)
        return [(f(images), logit_gradient(f, images, jnp.array([3, 4]))) for f in (plain, ruled)]

    (logits, gradient), (ruled_logits, ruled_gradient) = both(model, images)
    np.testing.assert_array_equal(ruled_logits, logits)
    assert len(seen) == 4 + 3 + 2  # affine layers, ReLUs, pools
    np.testing.assert_allclose(ruled_gradient, 2.0**9 * gradient, rtol=1e-4, atol=1e-3)

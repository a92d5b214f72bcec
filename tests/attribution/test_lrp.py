"""Relevance propagation: each rule by hand, conservation, and where it is the gradient times the input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import alpha_beta_rule, epsilon_rule, gamma_rule, input_x_gradient, lrp
from jaxvision.backbones import lenet, logits_fn, ruled_fn, scenenet
from jaxvision.errors import InputError
from jaxvision.signatures import PLAIN

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(12, 8)), RNG.normal(size=(8, 4))
BIASES = RNG.normal(size=8), RNG.normal(size=4)
IMAGES, LABELS = RNG.normal(size=(3, 2, 2, 3)), np.array([3, 0, 2])


def dense(kernel, bias, x):
    return x.reshape(len(x), -1) @ kernel + bias[None]


def network(weights, images, rules):
    (first, first_bias), (second, second_bias) = weights
    hidden = rules.affine(jax.tree_util.Partial(dense, first, first_bias), images)
    hidden = rules.relu(jax.nn.relu, hidden)
    return rules.affine(jax.tree_util.Partial(dense, second, second_bias), hidden)


def ruled(scale=1.0):
    weights = zip((FIRST, SECOND), BIASES, strict=True)
    return jax.tree_util.Partial(network, [(jnp.asarray(w), scale * jnp.asarray(b)) for w, b in weights])


def epsilon_by_hand(x, kernel, bias, relevance, has_bias):
    shares = x[:, :, None] * kernel
    total = shares.sum(axis=1) + bias * has_bias
    return (shares * (relevance / (total + 0.1 * np.sign(total)))[:, None]).sum(axis=2)


def gamma_by_hand(x, kernel, bias, relevance, has_bias):
    kernel, bias = (w + 0.25 * np.maximum(w, 0) for w in (kernel, bias))
    shares = x[:, :, None] * kernel
    return (shares * (relevance / (shares.sum(axis=1) + bias * has_bias))[:, None]).sum(axis=2)


def alpha_beta_by_hand(x, kernel, bias, relevance, has_bias):
    found = 0
    for cut, factor in ((np.maximum, 2.0), (np.minimum, -1.0)):
        shares = cut(x[:, :, None] * kernel, 0)
        total = shares.sum(axis=1) + cut(bias, 0) * has_bias
        found = found + factor * (shares * (relevance / total)[:, None]).sum(axis=2)
    return found


@pytest.mark.parametrize("has_bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(
    ("make", "by_hand"),
    [
        (lambda has_bias: epsilon_rule(0.1, has_bias=has_bias), epsilon_by_hand),
        (lambda has_bias: gamma_rule(0.25, eps=0.0, has_bias=has_bias), gamma_by_hand),
        (lambda has_bias: alpha_beta_rule(2.0, 1.0, eps=0.0, has_bias=has_bias), alpha_beta_by_hand),
    ],
    ids=["epsilon", "gamma", "alpha-beta"],
)
def test_each_rule_by_hand(make, by_hand, has_bias):
    x = IMAGES.reshape(3, 12)
    hidden = np.maximum(x @ FIRST + BIASES[0], 0)
    logits = hidden @ SECOND + BIASES[1]
    relevance = np.where(np.arange(4) == LABELS[:, None], logits, 0)
    relevance = by_hand(hidden, SECOND, BIASES[1], relevance, has_bias)
    relevance = by_hand(x, FIRST, BIASES[0], relevance, has_bias)
    with jax.enable_x64(True):
        found = lrp(ruled(), IMAGES, LABELS, rule=make(has_bias))
        np.testing.assert_allclose(found, relevance.reshape(IMAGES.shape), rtol=1e-8, atol=1e-8)


def test_without_biases_and_epsilon_it_is_the_gradient_times_the_input():
    model = lenet(CHECKPOINTS / "lenet_mnist.safetensors")
    images = RNG.uniform(size=(2, 28, 28, 1))
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: leaf.astype("float64") * float(leaf.ndim > 1), model)
        found = lrp(ruled_fn(model), images, [3, 8], rule=epsilon_rule(0.0))
        np.testing.assert_allclose(found, input_x_gradient(logits_fn(model), images, [3, 8]), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "rule",
    [epsilon_rule(has_bias=False), gamma_rule(has_bias=False), alpha_beta_rule(2.0, 1.0, has_bias=False)],
    ids=["epsilon", "gamma", "alpha-beta"],
)
def test_relevance_is_conserved_where_biases_take_none(rule):
    model = lenet(CHECKPOINTS / "lenet_mnist.safetensors")
    images = np.random.default_rng(0).uniform(size=(2, 28, 28, 1))
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: leaf.astype("float64"), model)
        logits = jax.jit(lambda model, x: model(x)[0])(model, jnp.asarray(images))
        found = lrp(ruled_fn(model), images, [3, 8], rule=rule).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found, [logits[0, 3], logits[1, 8]], rtol=1e-5)


def test_z_plus_gives_no_relevance_of_the_other_sign():
    with jax.enable_x64(True):
        classifier = ruled()
        logits = classifier(jnp.asarray(IMAGES), PLAIN)
        labels = jnp.argmax(logits, axis=1)
        assert jnp.max(logits, axis=1).min() > 0
        assert lrp(classifier, IMAGES, labels, rule=alpha_beta_rule()).min() >= 0
        assert lrp(classifier, IMAGES, labels).min() < 0


def test_a_sum_of_branches_shares_out_and_does_not_double():
    """SceneNet adds layers to their inputs; without biases relevance of images far from grey is conserved."""
    model = jax.tree.map(
        lambda leaf: jnp.asarray(RNG.normal(0, (2 / np.prod(leaf.shape[:-1])) ** 0.5 * (leaf.ndim > 1), leaf.shape)),
        jax.eval_shape(lambda: scenenet(n_scores=3)),
    )
    images = RNG.uniform(size=(2, 16, 16, 3))

    def cells(images, rules):
        scores = model(images, rules=rules)[0]
        return rules.affine(lambda x: x.mean(axis=(1, 2)), scores)

    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: leaf.astype("float64"), model)
        logits = jax.jit(lambda x: cells(x, PLAIN))(jnp.asarray(images))
        found = lrp(cells, images, [1, 2], rule=epsilon_rule(0.0)).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found, [logits[0, 1], logits[1, 2]], rtol=1e-8)


def test_rules_are_the_same_function_for_the_same_numbers():
    assert epsilon_rule(0.1) is epsilon_rule(0.1)
    assert epsilon_rule(0.1) is not epsilon_rule(0.2)


def composite(layer, x):
    return (epsilon_rule(0.1) if x.ndim == 2 else gamma_rule())(layer, x)


def test_a_rule_may_tell_layers_apart():
    with jax.enable_x64(True):
        found, *others = (lrp(ruled(), IMAGES, LABELS, rule=r) for r in (composite, epsilon_rule(0.1), gamma_rule()))
    for other in others:
        assert np.abs(found - other).max() > 1e-3


def test_one_sentence_for_numbers_that_make_no_rule():
    with pytest.raises(InputError, match=r"alpha - beta must be 1, so that relevance is conserved, got 2.0 - 0.0"):
        alpha_beta_rule(2.0)
    with pytest.raises(InputError, match="eps must be zero or more, got -1"):
        epsilon_rule(-1.0)
    with pytest.raises(InputError, match="gamma must be zero or more"):
        gamma_rule(-0.25)

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial

from jaxvision.adversarial import L2, apgd, pgd
from jaxvision.pixels import example_keys
from jaxvision.training import adversarial_loss, classification_loss, fit, gradient_step, start

EPS = 0.2
FAST = partial(pgd, eps=EPS, step_size=1.25 * EPS, n_steps=1, keep_best=False)
MADRY = partial(pgd, eps=EPS, step_size=0.05, n_steps=8, keep_best=False)


def linear(weights, images):
    return jnp.einsum("nhwc,hwck->nk", images - 0.5, weights), {}


def logits(weights, images):
    return linear(weights, images)[0]


def features(index):
    """A sure pixel that an attack turns over, and one that is right nine times in ten and that no attack reaches."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), index))
    labels = jax.random.randint(keys[0], (40,), 0, 2)
    signs = 2.0 * labels.astype(jnp.float32) - 1
    right = jnp.where(jax.random.bernoulli(keys[1], 0.9, (40,)), signs, -signs)
    return (0.5 + jnp.stack([0.1 * signs, 0.4 * right], axis=1))[:, None, :, None], labels


def test_a_step_is_an_attack_and_an_ordinary_step():
    optimizer, weights = optax.sgd(0.5), jax.random.normal(jax.random.key(1), (1, 2, 1, 2))
    state = start(Partial(linear, weights), optimizer, key=jax.random.key(2))._replace(step=jnp.int32(3))
    images, labels = features(0)
    for attack in (FAST, MADRY, partial(apgd, eps=EPS, n_steps=5, norm=L2)):
        step = jax.jit(gradient_step(adversarial_loss(classification_loss, attack), optimizer))
        key = jax.random.fold_in(state.key, 3)
        attacked = attack(Partial(logits, weights), images, labels, key=key).images
        assert jnp.abs(attacked - images).max() > 0.1
        found, metrics = step(state, (images, labels))
        expected, expected_metrics = jax.jit(gradient_step(classification_loss, optimizer))(state, (attacked, labels))
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), found.model, expected.model)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), metrics, expected_metrics)
        assert int(found.step) == 4


def test_fast_is_one_signed_step_from_a_random_start():
    weights = jax.random.normal(jax.random.key(1), (1, 2, 1, 2))
    images, labels = features(0)
    model, key = Partial(logits, weights), jax.random.key(4)
    begin = np.asarray(pgd(model, images, labels, eps=EPS, n_steps=0, keep_best=False, key=key).images)
    slope = np.asarray(weights[..., 1] - weights[..., 0])[None] * np.where(labels == 0, 1, -1)[:, None, None, None]
    stepped = np.clip(begin + 1.25 * EPS * np.sign(slope), np.asarray(images) - EPS, np.asarray(images) + EPS)
    found = FAST(model, images, labels, key=key).images
    np.testing.assert_allclose(found, np.clip(stepped, 0, 1), atol=1e-6)


def test_training_learns_what_an_attack_cannot_turn_over():
    def robust_accuracy(loss_fn):
        optimizer = optax.adam(0.1)
        state = start(Partial(linear, jnp.zeros((1, 2, 1, 2))), optimizer, key=jax.random.key(2))
        state = fit(gradient_step(loss_fn, optimizer), state, features, n_steps=150)
        images, labels = features(jnp.int32(10_000))
        model = Partial(logits, *jax.tree.leaves(state.model))
        clean = float(jnp.mean(model(images).argmax(axis=1) == labels))
        return clean, 1 - float(MADRY(model, images, labels, key=jax.random.key(3)).success.mean())

    usual, fast, madry = (
        robust_accuracy(loss)
        for loss in (classification_loss, *(adversarial_loss(classification_loss, a) for a in (FAST, MADRY)))
    )
    assert usual[0] > 0.99
    assert usual[1] < 0.2
    assert min(fast[1], madry[1]) > 0.8


def test_the_loss_draws_other_numbers_than_the_attack():
    keys = []

    def attack(logits_fn, images, labels, *, key):
        keys.append(key)
        return MADRY(logits_fn, images, labels, key=key)

    def loss_fn(model, batch, key):
        keys.append(key)
        return classification_loss(model, batch, key)

    model = Partial(linear, jax.random.normal(jax.random.key(1), (1, 2, 1, 2)))
    adversarial_loss(loss_fn, attack)(model, features(0), jax.random.key(5))
    attacks, losses = ([tuple(np.asarray(jax.random.key_data(k))) for k in example_keys(key, 40)] for key in keys)
    assert len({*attacks, *losses}) == 80

"""DDN on classifiers whose nearest boundary is known, and beside its algorithm in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import ddn
from jaxvision.errors import InputError

SHAPE = (4, 3, 2)
WEIGHTS = jax.random.normal(jax.random.key(1), (*SHAPE, 2))
IMAGES = jax.random.uniform(jax.random.key(0), (6, *SHAPE))
WIDE = (-5.0, 5.0)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


LABELS = linear(IMAGES).argmax(axis=1)
ACROSS = np.asarray(WEIGHTS[..., 1] - WEIGHTS[..., 0], np.float64)


def by_hand(image, label, n_steps, eps, gamma, low, high):
    """Algorithm 1 for two classes, whose direction is the same everywhere; in float64."""
    away = ACROSS if label == 0 else -ACROSS
    direction, clean = away / np.linalg.norm(away), np.asarray(image, np.float64)
    x, best = clean, np.inf
    for t in range(n_steps + 1):
        adversarial = (x * away).sum() > 0
        if adversarial:
            best = min(best, np.linalg.norm(x - clean))
        rate = 0.01 + 0.99 * (1 + np.cos(np.pi * t / n_steps)) / 2
        delta = x - clean + rate * direction
        eps *= 1 - gamma if adversarial else 1 + gamma
        x = np.clip(clean + eps * delta / np.linalg.norm(delta), low, high)
    return best


@pytest.mark.parametrize("bounds", [WIDE, (0.0, 1.0)])
def test_it_is_the_algorithm_by_hand(bounds):
    result = ddn(linear, IMAGES, LABELS, n_steps=20, initial_eps=0.3, gamma=0.1, bounds=bounds)
    expected = [by_hand(x, y, 20, 0.3, 0.1, *bounds) for x, y in zip(IMAGES, np.asarray(LABELS), strict=True)]
    np.testing.assert_allclose(np.where(result.success, result.size, np.inf), expected, rtol=1e-4)
    assert result.success.any()
    np.testing.assert_array_equal(result.success, (linear(result.images).argmax(axis=1) != LABELS))


def test_the_boundary_is_found_to_within_gamma():
    result = ddn(linear, IMAGES, LABELS, n_steps=200, gamma=0.02, bounds=WIDE)
    nearest = np.abs(np.einsum("nhwc,hwc->n", np.asarray(IMAGES, np.float64), ACROSS)) / np.linalg.norm(ACROSS)
    assert (result.size >= nearest * (1 - 1e-5)).all()
    assert (result.size <= nearest / 0.98 * (1 + 1e-5)).all()


def test_a_target_is_another_class_of_two():
    away = ddn(linear, IMAGES, LABELS, n_steps=20, bounds=WIDE)
    towards = ddn(linear, IMAGES, 1 - LABELS, n_steps=20, bounds=WIDE, targeted=True)
    np.testing.assert_allclose(away.images, towards.images, atol=1e-5)
    np.testing.assert_allclose(away.loss, -towards.loss, atol=1e-5)


def test_what_is_adversarial_already_or_never_is_returned_as_it_is():
    already = ddn(linear, IMAGES, 1 - LABELS, n_steps=5)
    never = ddn(lambda images: linear(0 * images) + jnp.eye(2)[:1], IMAGES, 0 * LABELS, n_steps=5)
    for result in (already, never):
        np.testing.assert_array_equal(result.images, IMAGES)
        assert (result.size == 0).all()
    assert already.success.all()
    assert not never.success.any()
    np.testing.assert_array_equal(never.loss, -np.ones(6))


def test_it_ends_when_there_is_nothing_nearer():
    calls = []

    def counted(images):
        jax.debug.callback(lambda: calls.append(1))
        return linear(images)

    jax.block_until_ready(ddn(counted, IMAGES, 1 - LABELS, n_steps=50))
    jax.effects_barrier()
    assert len(calls) == 2


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="expected n_steps of at least 1, got 0"):
        ddn(linear, IMAGES, LABELS, n_steps=0)
    with pytest.raises(InputError, match="gamma must be above 0 and below 1"):
        ddn(linear, IMAGES, LABELS, gamma=-0.1)
    with pytest.raises(InputError, match="images must lie within bounds"):
        ddn(linear, 2 * IMAGES, LABELS)

"""EAD on linear classifiers, beside its algorithm in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import ead
from jaxvision.errors import InputError

SHAPE = (4, 3, 2)
WEIGHTS = jax.random.normal(jax.random.key(1), (*SHAPE, 2))
IMAGES = jax.random.uniform(jax.random.key(0), (6, *SHAPE))
ACROSS = np.asarray(WEIGHTS[..., 0] - WEIGHTS[..., 1], np.float64)
WIDE = (-5.0, 5.0)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


LABELS = linear(IMAGES).argmax(axis=1)


def by_hand(image, label, n_steps, weight, bounds, *, alpha=0.05, beta=0.02):
    """One run of algorithm 1 with the L1 rule, in float64: the least L1 size of what is adversarial."""
    clean, across = np.asarray(image, np.float64), ACROSS if label == 0 else -ACROSS
    x = y = clean
    best = np.inf
    for t in range(n_steps):
        slope = weight * across if (y * across).sum() > 0 else 0
        moved = y - alpha * np.sqrt(1 - t / n_steps) * (slope + 2 * (y - clean)) - clean
        new = np.clip(clean + np.sign(moved) * np.maximum(np.abs(moved) - beta, 0), *bounds)
        x, y = new, new + t / (t + 3) * (new - x)
        if (x * across).sum() < 0:
            best = min(best, np.abs(x - clean).sum())
    return best


@pytest.mark.parametrize("bounds", [WIDE, (0.0, 1.0)])
def test_a_run_is_the_algorithm_by_hand(bounds):
    settings = {"n_searches": 1, "initial_weight": 2.0, "step_size": 0.05, "regularization": 0.02}
    result = ead(linear, IMAGES, LABELS, n_steps=15, abort_early=False, bounds=bounds, **settings)
    expected = [by_hand(x, y, 15, 2.0, bounds) for x, y in zip(IMAGES, np.asarray(LABELS), strict=True)]
    np.testing.assert_allclose(np.where(result.success, result.size, np.inf), expected, rtol=1e-3)
    assert result.success.sum() >= 3
    assert result.images.min() >= bounds[0]
    assert result.images.max() <= bounds[1]


def test_searching_brings_it_nearer_and_few_values_change():
    settings = {"n_steps": 40, "step_size": 0.05, "regularization": 0.05, "initial_weight": 10.0, "bounds": WIDE}
    once, searched = (ead(linear, IMAGES, LABELS, n_searches=n, **settings) for n in (1, 6))
    assert searched.success.all()
    assert (searched.size <= once.size).all()
    assert (searched.size < once.size).any()
    assert np.mean(searched.images == IMAGES) > 0.2
    least = np.abs(np.einsum("nhwc,hwc->n", np.asarray(IMAGES, np.float64), ACROSS)) / np.abs(ACROSS).max()
    assert (searched.size >= least * (1 - 1e-4)).all()


def test_what_is_adversarial_already_or_never_is_returned_as_it_is():
    already = ead(linear, IMAGES, 1 - LABELS, n_steps=5)
    never = ead(lambda images: linear(0 * images) + jnp.eye(2)[:1], IMAGES, 0 * LABELS, n_steps=5)
    for result in (already, never):
        np.testing.assert_array_equal(result.images, IMAGES)
        assert (result.size == 0).all()
    assert already.success.all()
    assert not never.success.any()
    np.testing.assert_array_equal(never.loss, -np.ones(6))


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="n_steps and n_searches of at least 1, got 5 and 0"):
        ead(linear, IMAGES, LABELS, n_steps=5, n_searches=0)
    with pytest.raises(InputError, match="regularization of at least 0, got"):
        ead(linear, IMAGES, LABELS, regularization=-1.0)

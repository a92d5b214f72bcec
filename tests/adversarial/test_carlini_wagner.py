"""Carlini and Wagner's attack on classifiers whose nearest boundary is known, and its search for a weight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import carlini_wagner
from jaxvision.adversarial.tradeoff import Plan, advance, begin
from jaxvision.errors import InputError

SHAPE = (4, 3, 2)
WEIGHTS = jax.random.normal(jax.random.key(1), (*SHAPE, 5))
IMAGES = jax.random.uniform(jax.random.key(0), (6, *SHAPE), minval=0.2, maxval=0.8)
WIDE = (-5.0, 5.0)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


LABELS = linear(IMAGES).argmax(axis=1)


def distances(label):
    """From each image to the boundary between its own class and each other one, in float64."""
    w, x = np.asarray(WEIGHTS, np.float64).reshape(-1, 5), np.asarray(IMAGES, np.float64).reshape(6, -1)
    across = w[None] - w[:, label].T[:, :, None]  # (N, D, K)
    gaps = np.abs(np.einsum("nd,ndk->nk", x, across))
    lengths = np.linalg.norm(across, axis=1)
    return np.where(lengths > 0, gaps / np.where(lengths > 0, lengths, 1), np.inf)


def test_the_nearest_hyperplane_of_a_linear_classifier_is_hardly_crossed():
    result = carlini_wagner(linear, IMAGES, LABELS, n_steps=300, learning_rate=0.001, bounds=WIDE)
    nearest = distances(np.asarray(LABELS)).min(axis=1)
    assert result.success.all()
    assert (linear(result.images).argmax(axis=1) != LABELS).all()
    assert (result.size >= nearest * (1 - 1e-4)).all()
    assert (result.size <= nearest * 1.05 + 1e-3).all()
    np.testing.assert_allclose(result.size, np.linalg.norm((result.images - IMAGES).reshape(6, -1), axis=1), rtol=1e-5)
    assert (result.loss > 0).all()


def test_a_target_is_reached_and_confidence_is_kept():
    targets = (LABELS + 1) % 5
    near, sure = (
        carlini_wagner(
            linear, IMAGES, targets, targeted=True, confidence=confidence, n_steps=100, learning_rate=0.02, bounds=WIDE
        )
        for confidence in (0.0, 2.0)
    )
    for result, least in ((near, 0.0), (sure, 2.0)):
        logits = np.asarray(linear(result.images))
        own = np.take_along_axis(logits, np.asarray(targets)[:, None], axis=1)[:, 0]
        others = np.where(np.eye(5, dtype=bool)[np.asarray(targets)], -np.inf, logits).max(axis=1)
        assert result.success.all()
        assert (own - others > least - 1e-4).all()
        np.testing.assert_allclose(result.loss, others - own, atol=1e-4)
    assert (near.size < sure.size).all()


def test_an_image_that_is_adversarial_already_is_returned_as_it_is():
    result = carlini_wagner(linear, IMAGES, (LABELS + 1) % 5, n_steps=2)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert result.success.all()
    assert (result.size == 0).all()


def test_where_nothing_is_found_the_image_is_returned():
    result = carlini_wagner(lambda images: linear(0 * images) + jnp.eye(5)[:1], IMAGES, 0 * LABELS, n_steps=3)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert not result.success.any()
    np.testing.assert_array_equal(result.loss, -np.ones(6))


def test_bounds_hold_to_the_bit_and_images_on_them_move():
    images = jnp.round(IMAGES)
    labels = linear(images).argmax(axis=1)
    result = carlini_wagner(linear, images, labels, n_steps=60, learning_rate=0.3, bounds=(0.0, np.array([1.0, 1.5])))
    assert result.success.sum() >= 4
    assert result.images.min() >= 0
    assert result.images[..., 0].max() <= 1
    assert (result.size[result.success] > 0).all()


def test_a_search_grows_by_tens_then_halves():
    plan = Plan(1, 6, False)
    search = begin(jnp.full(2, 0.5), jnp.zeros(2, bool), plan)
    weights = []
    for _ in range(6):
        weights.append(np.asarray(search.weight))
        search, ended = advance(search, jnp.ones(2), search.weight >= jnp.array([30.0, 0.1]), plan)
        assert ended.all()
    first, second = np.array(weights).T
    np.testing.assert_allclose(first, [0.5, 5, 50, 27.5, 38.75, 33.125])
    np.testing.assert_allclose(second, [0.5, 0.25, 0.125, 0.0625, 0.09375, 0.109375])
    np.testing.assert_array_equal(search.runs, [6, 6])


def test_a_run_whose_loss_has_stopped_falling_ends_alone():
    plan = Plan(100, 5, True)
    search = begin(jnp.ones(2), jnp.zeros(2, bool), plan)
    ends = []
    for t in range(21):
        search, ended = advance(search, jnp.array([1.0, 1.0 - 0.01 * t]), jnp.zeros(2, bool), plan)
        ends.append(np.asarray(ended))
    np.testing.assert_array_equal(np.flatnonzero(np.array(ends)[:, 0]), [10])
    assert not np.array(ends)[:, 1].any()
    np.testing.assert_array_equal(search.weight, [10.0, 1.0])


def test_one_program_for_any_number_of_steps_and_weights():
    traces = []

    def counted(images):
        traces.append(images.shape)
        return linear(images)

    carlini_wagner(counted, IMAGES, LABELS, n_steps=1, n_searches=2)
    first = len(traces)
    carlini_wagner(counted, IMAGES, LABELS, n_steps=3, n_searches=3, initial_weight=0.1, confidence=1.0)
    assert len(traces) == first


def test_a_channel_that_cannot_move_stays_where_it_is():
    images = IMAGES.at[..., 1].set(0.5)
    labels = linear(images).argmax(axis=1)
    bounds = (jnp.zeros(SHAPE[-1]).at[1].set(0.5), jnp.ones(SHAPE[-1]).at[1].set(0.5))
    result = carlini_wagner(linear, images, labels, n_steps=200, bounds=bounds)
    assert bool(result.success.all())
    np.testing.assert_array_equal(result.images[..., 1], images[..., 1])
    np.testing.assert_array_equal(linear(result.images).argmax(axis=1) != labels, result.success)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="n_steps and n_searches of at least 1, got 0 and 9"):
        carlini_wagner(linear, IMAGES, LABELS, n_steps=0)
    with pytest.raises(InputError, match=r"a confidence of at least 0, got 0\.01, 0\.001 and -1"):
        carlini_wagner(linear, IMAGES, LABELS, confidence=-1.0)
    with pytest.raises(InputError, match="images must lie within bounds"):
        carlini_wagner(linear, 2 * IMAGES, LABELS)

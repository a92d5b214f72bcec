"""DeepFool on classifiers whose nearest boundary is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import deepfool
from jaxvision.adversarial.deepfool import NUDGE
from jaxvision.errors import InputError
from jaxvision.pixels import margin

SHAPE = (4, 3, 2)
WEIGHTS = jax.random.normal(jax.random.key(1), (*SHAPE, 5))
IMAGES = jax.random.uniform(jax.random.key(0), (6, *SHAPE))
EVERYWHERE = (-1e3, 1e3)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


def bent(images):
    return jnp.tanh(0.3 * linear(jnp.sin(2 * images)))


def nearest_boundary(image, classes):
    """The shortest way out of the first class into another of these, in float64."""
    w, x = np.asarray(WEIGHTS, np.float64).reshape(-1, 5), np.asarray(image, np.float64).ravel()
    ways = []
    for k in classes[1:]:
        across = w[:, k] - w[:, classes[0]]
        ways.append(across * abs(across @ x) / (across @ across))
    return min(ways, key=np.linalg.norm)


@pytest.mark.parametrize("n_classes", [2, 3, 5, 10])
def test_one_step_to_the_nearest_hyperplane_of_a_linear_classifier(n_classes):
    result = deepfool(linear, IMAGES, n_classes=n_classes, overshoot=0.02, bounds=EVERYWHERE)
    np.testing.assert_array_equal(result.steps, np.ones(6))
    assert result.success.all()
    for image, found, size in zip(IMAGES, np.asarray(result.images), np.asarray(result.size), strict=True):
        classes = np.argsort(-np.asarray(linear(image[None])[0]))[:n_classes]
        way = nearest_boundary(image, classes)
        length = np.linalg.norm(way)
        np.testing.assert_allclose((found - image).ravel(), 1.02 * (length + NUDGE) / length * way, atol=1e-5)
        assert size == pytest.approx(1.02 * (length + NUDGE), rel=1e-4)
        assert size < 1.03 * length + 2e-4


def test_a_boundary_that_is_no_plane_is_reached_and_hardly_crossed():
    result = deepfool(bent, IMAGES, bounds=EVERYWHERE)
    before, after = bent(IMAGES), bent(result.images)
    own = before.argmax(axis=1)
    assert result.success.all()
    assert (after.argmax(axis=1) != own).all()
    assert (np.abs(margin(after, own)) < 0.1 * margin(before, own)).all()
    assert len(np.unique(result.steps)) > 1  # images stop each on its own
    np.testing.assert_allclose(result.size, np.linalg.norm((result.images - IMAGES).reshape(6, -1), axis=1), rtol=1e-5)


def test_an_image_that_is_out_stands_still_while_others_go_on():
    batch = deepfool(bent, IMAGES, bounds=EVERYWHERE)
    first = deepfool(bent, IMAGES, bounds=EVERYWHERE, n_steps=int(batch.steps.min()))
    out = np.asarray(batch.steps == batch.steps.min())
    np.testing.assert_array_equal(np.asarray(first.images)[out], np.asarray(batch.images)[out])
    np.testing.assert_array_equal(first.success, out)
    assert 0 < out.sum() < 6


def test_bounds_hold_to_the_bit():
    result = deepfool(linear, jnp.round(IMAGES), bounds=(0.0, np.array([1.0, 1.0])))
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert (result.size > 0).all()


def test_no_steps_change_nothing():
    result = deepfool(bent, IMAGES, n_steps=0)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert not result.success.any()
    assert (result.size == 0).all()


def test_a_tie_and_a_flat_classifier_stay_finite():
    images = jnp.full((1, *SHAPE), 0.5)

    def tied(images):
        mean = images.mean(axis=(1, 2, 3))
        return jnp.stack([mean, 1 - mean], axis=1)

    result = deepfool(tied, images)
    assert result.success.item()
    assert 0 < result.size.item() < 1e-3
    flat = deepfool(lambda images: jnp.stack([0 * tied(images)[:, 0], 0 * tied(images)[:, 0] - 1], axis=1), images)
    np.testing.assert_array_equal(flat.images, images)
    assert not flat.success.item()


def test_one_program_for_any_number_of_steps_and_overshoot():
    traces = []

    def counted(images):
        traces.append(images.shape)
        return linear(images)

    deepfool(counted, IMAGES, n_steps=1, overshoot=0.1)
    first = len(traces)
    deepfool(counted, IMAGES, n_steps=9, overshoot=0.2)
    assert len(traces) == first


def test_mapped_over_overshoots_it_is_a_run_for_each():
    sweep = jax.vmap(lambda overshoot: deepfool(bent, IMAGES, overshoot=overshoot))(jnp.array([0.02, 0.5]))
    for i, overshoot in enumerate((0.02, 0.5)):
        np.testing.assert_allclose(sweep.images[i], deepfool(bent, IMAGES, overshoot=overshoot).images, atol=1e-5)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="n_classes of at least 2 and n_steps of at least 0, got 1 and 50"):
        deepfool(linear, IMAGES, n_classes=1)
    with pytest.raises(InputError, match="at least 2 classes apart, got 1"):
        deepfool(lambda images: linear(images)[:, :1], IMAGES)
    with pytest.raises(InputError, match=r"logits_fn must return logits of shape \(6, K\)"):
        deepfool(lambda images: linear(images)[0], IMAGES)
    with pytest.raises(InputError, match="images must lie within bounds"):
        deepfool(linear, 2 * IMAGES)

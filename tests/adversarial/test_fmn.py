"""FMN in three norms on linear classifiers, whose nearest boundary is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import L1, L2, LINF, fmn
from jaxvision.errors import InputError
from jaxvision.pixels import margin

SHAPE = (4, 3, 2)
WEIGHTS = jax.random.normal(jax.random.key(1), (*SHAPE, 2))
IMAGES = jax.random.uniform(jax.random.key(0), (6, *SHAPE))
WIDE = (-50.0, 50.0)
ACROSS = np.asarray(WEIGHTS[..., 1] - WEIGHTS[..., 0], np.float64)
GAPS = np.abs(np.einsum("nhwc,hwc->n", np.asarray(IMAGES, np.float64), ACROSS))
every_norm = pytest.mark.parametrize(
    ("norm", "dual"),
    [(LINF, np.abs(ACROSS).sum()), (L2, np.linalg.norm(ACROSS)), (L1, np.abs(ACROSS).max())],
    ids=["linf", "l2", "l1"],
)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


LABELS = linear(IMAGES).argmax(axis=1)


@every_norm
def test_the_boundary_is_as_far_as_the_dual_norm_says(norm, dual):
    result = fmn(linear, IMAGES, LABELS, norm=norm, n_steps=300, bounds=WIDE)
    assert result.success.all()
    assert (result.size >= GAPS / dual * (1 - 1e-4)).all()
    assert (result.size <= GAPS / dual * 1.02).all()
    np.testing.assert_allclose(result.size, norm.size(result.images - IMAGES), rtol=1e-6)
    assert (margin(linear(result.images), LABELS) < 1e-5).all()  # beyond it, but for rounding


@pytest.mark.parametrize("norm", [LINF, L2], ids=["linf", "l2"])
def test_the_second_image_is_at_the_linear_distance(norm):
    """A long first step ends in the ball whose radius is that distance and a thousandth."""
    result = fmn(linear, IMAGES, LABELS, norm=norm, n_steps=1, step_size=1e3, bounds=(-1e4, 1e4))
    dual = np.abs(ACROSS).sum() if norm == LINF else np.linalg.norm(ACROSS)
    np.testing.assert_allclose(result.size, 1.001 * GAPS / dual, rtol=1e-4)


@every_norm
def test_bounds_hold_to_the_bit(norm, dual):
    images = jnp.round(IMAGES)
    result = fmn(linear, images, linear(images).argmax(axis=1), norm=norm, n_steps=40, bounds=(0.0, np.ones(2)))
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert result.success.sum() >= 4
    assert (result.size[result.success] > 0).all()


def test_a_target_is_another_class_of_two():
    away = fmn(linear, IMAGES, LABELS, n_steps=20, bounds=WIDE)
    towards = fmn(linear, IMAGES, 1 - LABELS, n_steps=20, bounds=WIDE, targeted=True)
    np.testing.assert_allclose(away.images, towards.images, atol=1e-5)
    np.testing.assert_allclose(away.loss, -towards.loss, atol=1e-5)


def test_what_is_adversarial_already_or_never_is_returned_as_it_is():
    already = fmn(linear, IMAGES, 1 - LABELS, n_steps=5)
    never = fmn(lambda images: linear(0 * images) + jnp.eye(2)[:1], IMAGES, 0 * LABELS, n_steps=5)
    for result in (already, never):
        np.testing.assert_array_equal(result.images, IMAGES)
        assert (result.size == 0).all()
    assert already.success.all()
    assert not never.success.any()
    np.testing.assert_array_equal(never.loss, -np.ones(6))


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="expected n_steps of at least 1, got 0"):
        fmn(linear, IMAGES, LABELS, n_steps=0)
    with pytest.raises(InputError, match=r"step_size must be one number or one for each image, shape \(6,\)"):
        fmn(linear, IMAGES, LABELS, step_size=jnp.ones(2))
    with pytest.raises(InputError, match="images must lie within bounds"):
        fmn(linear, 2 * IMAGES, LABELS)

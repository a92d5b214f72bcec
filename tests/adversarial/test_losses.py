import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.test_util import check_grads

from jaxvision.adversarial import cross_entropy_loss, dlr_loss, margin_loss, targeted_dlr_loss
from jaxvision.errors import InputError

LOGITS = jax.random.normal(jax.random.key(0), (7, 5)) * 3
LABELS = jnp.array([0, 1, 2, 3, 4, 0, 1])
LOSSES = [cross_entropy_loss, margin_loss, dlr_loss]


def test_cross_entropy_is_optax():
    expected = optax.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)
    np.testing.assert_allclose(cross_entropy_loss(LOGITS, LABELS), expected, rtol=1e-5)


@pytest.mark.parametrize("lead", [1.0, 20.0, 60.0])
def test_gradient_of_cross_entropy_has_all_digits_where_the_classifier_is_sure(lead):
    """The probabilities of the others, and minus their sum, for which the usual form gives 0."""
    logits = np.asarray(LOGITS[:1], np.float64)
    logits[0, 2] = logits.max() + lead
    shares = np.exp(logits[0] - logits.max())
    shares /= shares.sum()
    shares[2] = -np.delete(shares, 2).sum()
    label = jnp.array([2])
    found = jax.grad(lambda s: cross_entropy_loss(s, label)[0])(jnp.asarray(logits, jnp.float32))[0]
    np.testing.assert_allclose(found, shares, rtol=1e-4)
    usual = jax.grad(lambda s: optax.softmax_cross_entropy_with_integer_labels(s, label)[0])
    if lead > 17:
        assert usual(jnp.asarray(logits, jnp.float32))[0, 2] == 0


def test_margin_and_ratio_are_numpys():
    for row, label, margin, ratio in zip(
        np.asarray(LOGITS, np.float64),
        np.asarray(LABELS),
        np.asarray(margin_loss(LOGITS, LABELS)),
        np.asarray(dlr_loss(LOGITS, LABELS)),
        strict=True,
    ):
        lead = np.delete(row, label).max() - row[label]
        falling = np.sort(row)[::-1]
        assert margin == pytest.approx(lead, rel=1e-5)
        assert ratio == pytest.approx(lead / (falling[0] - falling[2]), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_positive_lead_is_a_wrong_prediction(loss):
    """Whatever the loss, the label's falling logit never lowers it."""
    falling = jnp.stack([LOGITS.at[jnp.arange(7), LABELS].add(-step) for step in (0.0, 0.5, 1.0, 4.0)])
    assert (np.diff(jax.vmap(loss, (0, None))(falling, LABELS), axis=0) >= -1e-6).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_is_the_finite_difference(loss):
    with jax.enable_x64(True):
        logits = jnp.asarray(np.random.default_rng(0).normal(size=(7, 5)))
        check_grads(lambda s: loss(jnp.asarray(s), LABELS), (logits,), order=1, modes=["rev"], eps=1e-6)


def test_ratio_is_blind_to_scale_and_shift_and_needs_three_classes():
    np.testing.assert_allclose(dlr_loss(7 * LOGITS + 3, LABELS), dlr_loss(LOGITS, LABELS), rtol=1e-4)
    np.testing.assert_array_equal(dlr_loss(jnp.ones((1, 3)), jnp.array([0])), [0.0])
    with pytest.raises(InputError, match="at least 3 classes, got 2: take margin_loss"):
        dlr_loss(jnp.ones((1, 2)), jnp.array([0]))


def test_targeted_ratio_is_numpys():
    targets = jnp.array([4, 4, 3, 2, 1, 1, 0])
    found = targeted_dlr_loss(LOGITS, LABELS, targets)
    for row, label, target, ratio in zip(np.asarray(LOGITS, np.float64), LABELS, targets, found, strict=True):
        first, _, third, fourth, _ = np.sort(row)[::-1]
        assert ratio == pytest.approx(-(row[label] - row[target]) / (first - (third + fourth) / 2), rel=1e-5)
    np.testing.assert_allclose(targeted_dlr_loss(7 * LOGITS + 3, LABELS, targets), found, rtol=1e-4)
    np.testing.assert_array_equal(targeted_dlr_loss(jnp.ones((1, 4)), jnp.array([0]), jnp.array([1])), [0.0])
    with pytest.raises(InputError, match="at least 4 classes, got 3"):
        targeted_dlr_loss(jnp.ones((1, 3)), jnp.array([0]), jnp.array([1]))

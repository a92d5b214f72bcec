"""Diagnostics: each of the ways in which a classifier hides its gradients is seen, and an honest one is cleared."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import AttackDiagnostics, attack_diagnostics, explain
from jaxvision.errors import InputError

IMAGES = jax.random.uniform(jax.random.key(0), (6, 4, 4, 2))
LABELS = np.asarray(IMAGES.mean((1, 2)).argmax(1), np.int32)


def honest(images):
    return 5 * images.mean(axis=(1, 2))


def seen(logits_fn):
    return attack_diagnostics(logits_fn, IMAGES, LABELS)


def test_an_honest_classifier_is_cleared():
    found = seen(honest)
    assert found._replace(neighbours=0.0) == (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert explain(found) == []


def test_thresholds_have_no_gradient():
    found = seen(lambda images: honest(jnp.round(255 * images) / 255))
    assert found.zero_gradients == 1.0
    assert found.unbroken == 1.0
    assert any("gradient of zero everywhere" in sentence for sentence in explain(found))
    assert any("the attack fails, not the adversary" in sentence for sentence in explain(found))


def test_a_gradient_that_lies_leads_nowhere():
    @jax.custom_jvp
    def turned(images):
        return images

    turned.defjvp(lambda primals, tangents: (primals[0], -tangents[0]))
    found = seen(lambda images: honest(turned(images)))
    assert found.does_not_climb == 1.0
    assert found.zero_gradients == 0.0
    assert any("does not rise along its gradient" in sentence for sentence in explain(found))


def test_a_gradient_that_is_no_number():
    found = seen(lambda images: honest(images) + jnp.sqrt(jnp.zeros(()) * images.sum((1, 2))))
    assert found.non_finite_gradients == 1.0
    assert any("not finite" in sentence for sentence in explain(found))


def test_random_numbers_are_noticed():
    rng = np.random.default_rng(0)
    found = seen(lambda images: honest(images) + rng.normal(size=(1, 2)).astype(np.float32))
    assert found.random > 0.01
    (sentence,) = (sentence for sentence in explain(found) if "random" in sentence)
    assert sentence.startswith("two calls give logits that differ by")


def test_a_batch_that_mixes_is_noticed():
    found = seen(lambda images: honest(images - images.mean(axis=0, keepdims=True)))
    assert found.neighbours > 0.01
    assert any("with the others in the batch" in sentence for sentence in explain(found))


def test_without_an_image_that_is_right_there_is_nothing_to_attack():
    found = attack_diagnostics(honest, IMAGES, 1 - LABELS)
    assert found.accuracy == 0.0
    assert np.isnan(found[1:5]).all()
    (sentence,) = explain(found)
    assert sentence.startswith("the classifier is right about none of the images")


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
def test_logits_that_are_no_numbers(value):
    found = seen(lambda images: honest(images).at[:, 0].set(value))
    assert np.isnan(found.random)
    assert any(sentence.startswith("logits are not finite") for sentence in explain(found))
    assert not any("two calls" in sentence or "in the batch" in sentence for sentence in explain(found))


def test_logits_of_half_precision():
    with jax.numpy_dtype_promotion("standard"):
        found = seen(lambda images: honest(images).astype(jnp.bfloat16))
    assert found.accuracy > 0
    assert found.random == 0.0


@pytest.mark.parametrize(("share", "words"), [(1.0, "100 %"), (0.2, "20 %"), (0.034, "3 %"), (0.002, "0.2 %")])
def test_shares_are_plain_numbers(share, words):
    found = AttackDiagnostics(0.99, 0.0, 0.0, 0.0, 0.0, share, share)
    assert all(f"by {words} of the largest" in sentence for sentence in explain(found))
    assert len(explain(found)) == 2


def test_no_image_is_one_sentence():
    with pytest.raises(InputError, match="one image or more, got none"):
        attack_diagnostics(honest, IMAGES[:0], LABELS[:0])


@pytest.mark.parametrize("n", [1, 2])
def test_few_images_will_do(n):
    assert attack_diagnostics(honest, IMAGES[:n], LABELS[:n]).accuracy == 1.0


def test_shares_are_those_of_the_batch_twice_over_and_other_weights_are_no_new_program():
    traces = []

    def steps(weight, images):
        if isinstance(images, jax.core.Tracer):
            traces.append(images.shape)
        lead = weight * honest(images)
        return jnp.where(images[:, :1, 0, 0] > 0.5, jnp.round(lead), lead)  # some of the images have no gradient

    once = attack_diagnostics(jax.tree_util.Partial(steps, jnp.float32(1.0)), IMAGES, LABELS)
    first = len(traces)
    again = attack_diagnostics(jax.tree_util.Partial(steps, jnp.float32(1.0)), IMAGES, LABELS)
    other = attack_diagnostics(jax.tree_util.Partial(steps, jnp.float32(-1.0)), IMAGES, LABELS)
    assert len(traces) == first > 0
    assert once == again
    assert other.accuracy < once.accuracy
    twice = attack_diagnostics(
        jax.tree_util.Partial(steps, jnp.float32(1.0)), jnp.concatenate([IMAGES, IMAGES]), np.tile(LABELS, 2)
    )
    assert 0 < once.zero_gradients < 1
    np.testing.assert_allclose(twice[:5], once[:5], rtol=1e-6)

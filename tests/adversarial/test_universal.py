"""Universal perturbations: closed forms on a linear classifier, digits of the project's LeNet, and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.adversarial import L2, LINF, l2_size, universal_perturbation
from jaxvision.backbones import lenet, logits_fn
from jaxvision.data import mnist
from jaxvision.errors import InputError

KEY = jax.random.key(0)
WEIGHTS = np.random.default_rng(0).normal(size=(4 * 4 * 2, 2)).astype(np.float32)
AWAY = (WEIGHTS[:, 1] - WEIGHTS[:, 0]).reshape(4, 4, 2)  # what raises class 1 over class 0


def linear(images):
    return images.reshape(len(images), -1) @ WEIGHTS


@pytest.fixture
def images():
    return jax.random.uniform(KEY, (7, 4, 4, 2), minval=0.3, maxval=0.7)


@pytest.mark.parametrize("targeted", [False, True])
def test_a_linear_classifiers_is_known(images, targeted):
    """All images have class 0, or the target 1: in linf the sign of the difference, in l2 its direction."""
    labels = np.full(7, int(targeted), np.int32)
    wide = {"key": KEY, "targeted": targeted, "ceiling": 1e9, "batch_size": 3}
    found = universal_perturbation(linear, images, labels, eps=0.1, norm=LINF, **wide)
    np.testing.assert_allclose(found.perturbation, 0.1 * np.sign(AWAY), rtol=1e-5)
    np.testing.assert_allclose(found.images, images + found.perturbation[None], rtol=1e-6)
    logits = np.asarray(linear(found.images))
    np.testing.assert_array_equal(found.success, logits[:, 1] > logits[:, 0])
    short = universal_perturbation(linear, images, labels, eps=0.1, norm=L2, **wide)
    np.testing.assert_allclose(short.perturbation, 0.1 * AWAY / np.linalg.norm(AWAY), rtol=1e-4)


def test_images_beyond_the_ceiling_do_not_pull(images):
    """An image that is lost already has a loss of 20 and no say; the others go their own way."""

    def either(images):  # image 0 wants its first value up, the others theirs down, and much less so
        first = images[:, 0, 0, 0]
        is_lost = images[:, 3, 3, 1] > 0.9
        return jnp.stack([jnp.where(is_lost, -20 - 50 * first, first), jnp.zeros(len(images))], axis=1)

    images = images.at[:, 3, 3, 1].set(0.5).at[0, 3, 3, 1].set(1.0)
    labels = np.zeros(7, np.int32)
    settings = {"eps": 0.1, "key": KEY, "batch_size": 7}
    assert universal_perturbation(either, images, labels, **settings).perturbation[0, 0, 0] == pytest.approx(-0.1)
    pulled = universal_perturbation(either, images, labels, ceiling=1e9, **settings).perturbation
    assert pulled[0, 0, 0] == pytest.approx(0.1)


def test_values_stay_within_bounds_and_same_seed_same_bits(images):
    labels = np.zeros(7, np.int32)
    settings = {"eps": 0.6, "bounds": (0.25, 0.75), "batch_size": 2, "n_epochs": 3}
    one, two, other = (
        universal_perturbation(linear, images, labels, key=jax.random.key(seed), **settings) for seed in (0, 0, 1)
    )
    assert one.images.min() >= 0.25
    assert one.images.max() <= 0.75
    np.testing.assert_array_equal(one.perturbation, two.perturbation)
    assert np.abs(other.perturbation - one.perturbation).max() > 0  # the order of the batches is another


def test_one_program_for_all_weights_budgets_and_epochs_and_jit_is_eager(images):
    traces, labels = [], np.array([0, 1, 0, 1, 0, 1, 0], np.int32)

    def counted(weights, images):
        traces.append(images.shape)
        return jnp.tanh(images.reshape(len(images), -1) @ weights)

    def run(weights, eps=0.1, n_epochs=2):
        classifier = jax.tree_util.Partial(counted, weights)
        return universal_perturbation(classifier, images, labels, eps=eps, key=KEY, batch_size=2, n_epochs=n_epochs)

    found = run(WEIGHTS)
    first = len(traces)
    others = run(-WEIGHTS), run(WEIGHTS, eps=0.05), run(WEIGHTS, n_epochs=3)
    assert len(traces) == first > 0
    assert all(np.abs(other.images - found.images).max() > 0 for other in others[:2])
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), jax.jit(run)(WEIGHTS), found)


@pytest.mark.data
def test_one_change_fools_other_digits_than_those_it_was_made_from(needs):
    for part in ("images-idx3", "labels-idx1"):
        needs(f"mnist/t10k-{part}-ubyte.gz")
    images, labels = (x[:512] for x in mnist("test"))
    images, labels = jnp.asarray(images, jnp.float32) / 255, jnp.asarray(labels, jnp.int32)
    classify = logits_fn(lenet(CHECKPOINTS / "lenet_mnist.safetensors"))
    found = universal_perturbation(classify, images[:256], labels[:256], eps=0.25, key=KEY)

    def wrong(perturbation):
        attacked = jnp.clip(images[256:] + perturbation[None], 0, 1)
        return float(jnp.mean(classify(attacked).argmax(1) != labels[256:]))

    noise = 0.25 * jnp.sign(jax.random.normal(KEY, (28, 28, 1)))
    assert wrong(found.perturbation) > wrong(noise) + 0.2
    assert float(found.success.mean()) == pytest.approx(wrong(found.perturbation), abs=0.15)
    short = universal_perturbation(classify, images[:256], labels[:256], eps=2.0, key=KEY, norm=L2)
    assert l2_size(short.perturbation[None])[0] <= 2.0 * (1 + 1e-5)


def test_what_cannot_be_done_is_said(images):
    labels = np.zeros(7, np.int32)
    with pytest.raises(InputError, match="n_epochs and batch_size must be 1 or more, got 0 and 64"):
        universal_perturbation(linear, images, labels, eps=0.1, key=KEY, n_epochs=0)
    with pytest.raises(InputError, match="eps must be zero or more"):
        universal_perturbation(linear, images, labels, eps=-0.1, key=KEY)

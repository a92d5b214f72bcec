import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.pixels import check_images, check_labels, margin, pytree_function, target_logit

IMAGES = jnp.zeros((2, 4, 4, 3))


def channel_means(images):
    return images.mean(axis=(1, 2))


def test_margin_is_positive_exactly_for_the_prediction():
    logits = jax.random.normal(jax.random.key(0), (50, 7))
    labels = jax.random.randint(jax.random.key(1), (50,), 0, 7)
    np.testing.assert_array_equal(margin(logits, labels) > 0, logits.argmax(axis=1) == labels)
    np.testing.assert_array_equal(target_logit(logits, labels), np.asarray(logits)[np.arange(50), labels])
    assert margin(jnp.array([[2.0, 2.0, 1.0]]), jnp.array([0])) == 0


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((4, 4, 3), np.float32), r"got \(4, 4, 3\): give one image as image\[None\]"),
        (np.zeros((4, 4), np.float32), r"got \(4, 4\)$"),
        (np.zeros((1, 4, 4, 3), np.uint8), "must be floats.*uint8: divide bytes by 255"),
        (np.zeros((1, 0, 4, 3), np.float32), "at least one pixel"),
    ],
)
def test_bad_images(images, sentence):
    with pytest.raises(InputError, match=sentence):
        check_images(images)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0, 3], r"labels must lie in \[0, 3\), the classifier's 3 classes, got 3 at position 1"),
        (jnp.array([-1, 0]), "got -1 at position 0"),
        ([0], r"one class index per image, shape \(2,\), got shape \(1,\)"),
        (0, r"got shape \(\)"),
        ([[0], [1]], r"got shape \(2, 1\)"),
        ([0.0, 1.0], "integer class indices, got float"),
        ([True, False], "integer class indices, got bool"),
    ],
)
def test_bad_labels(labels, sentence):
    with pytest.raises(InputError, match=sentence):
        check_labels(channel_means, IMAGES, labels)


def test_bad_classifiers():
    with pytest.raises(InputError, match="got a tuple: a backbone returns"):
        check_labels(lambda images: (channel_means(images), {}), IMAGES, [0, 1])
    with pytest.raises(InputError, match=r"logits of shape \(2, K\) for 2 images, got shape \(2, 4, 4, 3\)"):
        check_labels(lambda images: images, IMAGES, [0, 1])


@pytest.mark.parametrize("labels", [[2, 0], np.array([2, 0]), np.array([2, 0], np.uint8), jnp.array([2, 0])])
def test_good_labels_become_int32(labels):
    checked = check_labels(channel_means, IMAGES, labels)
    assert checked.dtype == jnp.int32
    np.testing.assert_array_equal(checked, [2, 0])


def test_unknown_values_pass_under_jit():
    checked = jax.jit(lambda labels: check_labels(channel_means, IMAGES, labels))(jnp.array([0, 99]))
    np.testing.assert_array_equal(checked, [0, 99])


def test_pytree_function_keeps_pytrees_and_wraps_functions():
    partial = jax.tree_util.Partial(jnp.add, jnp.ones(3))
    assert pytree_function(partial) is partial
    wrapped = pytree_function(channel_means)
    assert jax.tree.leaves(wrapped) == []
    assert jax.tree.structure(wrapped) == jax.tree.structure(pytree_function(channel_means))  # so it is traced once

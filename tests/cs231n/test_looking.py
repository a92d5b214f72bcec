"""The assignment's names give the library's results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import cs231n
from jaxvision.adversarial import fooling_image
from jaxvision.attribution import saliency_map
from jaxvision.errors import InputError
from jaxvision.visualization import class_visualization

X = jax.random.normal(jax.random.key(0), (3, 6, 5, 3))
KEY = jax.random.key(1)


def logits_fn(images):
    return jnp.tanh(images).mean(axis=(1, 2))


def test_saliency_maps():
    y = jnp.array([2, 0, 1])
    np.testing.assert_array_equal(cs231n.compute_saliency_maps(logits_fn, X, y), saliency_map(logits_fn, X, y))
    same = cs231n.compute_saliency_maps(logits_fn, X, 1)
    np.testing.assert_array_equal(same, saliency_map(logits_fn, X, [1, 1, 1]))


@pytest.mark.parametrize("target_y", [1, np.int64(1), [1], jnp.array([1]), jnp.array(1)])
def test_fooling_image_of_one_image(target_y):
    fooled = cs231n.make_fooling_image(logits_fn, X[:1], target_y, learning_rate=0.5)
    np.testing.assert_array_equal(fooled, fooling_image(logits_fn, X[:1], [1], learning_rate=0.5).images)
    assert logits_fn(fooled).argmax() == 1


def test_fooling_images_of_a_batch():
    assert (logits_fn(cs231n.make_fooling_image(logits_fn, X, 2)).argmax(axis=1) == 2).all()
    fooled = cs231n.make_fooling_image(logits_fn, X, [0, 1, 2])
    np.testing.assert_array_equal(logits_fn(fooled).argmax(axis=1), [0, 1, 2])
    one_step = cs231n.make_fooling_image(logits_fn, X, 2, learning_rate=1e-3, num_steps=1)
    assert np.linalg.norm((one_step - X).reshape(3, -1), axis=1).max() <= 1.001e-3


def test_class_visualization_of_one_class_and_of_several():
    one = cs231n.create_class_visualization(logits_fn, 1, key=KEY, image_shape=(6, 5, 3), num_iterations=4)
    several = cs231n.create_class_visualization(logits_fn, [1, 2], key=KEY, image_shape=(6, 5, 3), num_iterations=4)
    assert one.shape == (1, 6, 5, 3)
    assert several.shape == (2, 6, 5, 3)
    np.testing.assert_allclose(several[:1], one, atol=1e-5)


def test_every_parameter_reaches_the_library():
    options = {"l2_reg": 0.5, "learning_rate": 1.5, "num_iterations": 5, "blur_every": 2, "max_jitter": 3}
    theirs = {"l2": 0.5, "learning_rate": 1.5, "n_steps": 5, "blur_every": 2, "max_jitter": 3}
    image = cs231n.create_class_visualization(logits_fn, 1, key=KEY, image_shape=(6, 5, 3), **options)
    expected = class_visualization(logits_fn, [1], key=KEY, image_shape=(6, 5, 3), **theirs)
    np.testing.assert_array_equal(image, expected.images)


def test_wrong_number_of_targets_is_refused():
    with pytest.raises(InputError, match=r"shape \(3,\), got shape \(2,\)"):
        cs231n.make_fooling_image(logits_fn, X, [0, 1])

"""Infidelity and max-sensitivity: linear and quadratic classifiers, whose values are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import saliency_map
from jaxvision.attribution.gradients import logit_gradient
from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import NoisyBaseline, SquareRemoval, infidelity, max_sensitivity
from jaxvision.metrics.faithfulness.infidelity import perturbations
from jaxvision.metrics.faithfulness.max_sensitivity import shaken
from jaxvision.pixels import example_keys

KEY = jax.random.key(3)
IMAGES = jax.random.normal(jax.random.key(0), (2, 6, 5, 2))
LABELS = jnp.array([1, 0])
WEIGHTS = np.random.default_rng(1).normal(size=(6, 5, 2, 2)).astype(np.float32)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, jnp.asarray(WEIGHTS, images.dtype), precision="highest")


def curved(images):
    return jnp.tanh(0.3 * linear(images))


@pytest.mark.parametrize("perturb", [NoisyBaseline(0.3), SquareRemoval(2)])
def test_a_linear_classifiers_gradient_is_faithful(perturb):
    gradient = logit_gradient(linear, IMAGES, LABELS)
    settings = {"key": KEY, "perturb": perturb, "n_samples": 20}
    np.testing.assert_allclose(infidelity(linear, IMAGES, LABELS, gradient, **settings), 0, atol=1e-8)
    assert np.all(infidelity(linear, IMAGES, LABELS, 2 * gradient, **settings) > 0.01)
    scaled = infidelity(linear, IMAGES, LABELS, 2 * gradient, normalize=True, **settings)
    np.testing.assert_allclose(scaled, 0, atol=1e-8)


@pytest.mark.parametrize("normalize", [False, True])
def test_it_is_a_loop_on_the_same_perturbations(normalize):
    perturb, keys = NoisyBaseline(0.3), example_keys(KEY, 2)
    attributions = jax.random.normal(jax.random.key(5), IMAGES.shape)
    found = infidelity(curved, IMAGES, LABELS, attributions, key=KEY, perturb=perturb, n_samples=7, normalize=normalize)
    of_class = (np.arange(2), np.asarray(LABELS))
    taken = np.stack([perturbations(perturb, keys, IMAGES, k) for k in range(7)])
    predicted = np.einsum("knhwc,nhwc->kn", taken, attributions)
    falls = np.stack([np.asarray(curved(IMAGES) - curved(IMAGES - d))[of_class] for d in taken])
    beta = (predicted * falls).sum(0) / (predicted**2).sum(0) if normalize else 1
    np.testing.assert_allclose(found, ((beta * predicted - falls) ** 2).mean(0), rtol=1e-4)


def test_a_square_is_somewhere_and_whole():
    image = jnp.ones((6, 5, 2))
    seen = np.stack([SquareRemoval(3)(key, image) for key in jax.random.split(KEY, 200)])
    np.testing.assert_array_equal(seen.sum(axis=(1, 2, 3)), 18)
    assert len(np.unique(seen.reshape(200, -1), axis=0)) == 4 * 3  # every place


def test_memory_does_not_grow_with_the_samples():
    def temporary(n_samples):
        def run(images, labels, key):
            return infidelity(
                lambda x: jnp.tanh(x).mean(axis=(1, 2)), images, labels, images, key=key, n_samples=n_samples
            )

        program = jax.jit(run).lower(jnp.zeros((2, 64, 64, 3)), jnp.zeros(2, jnp.int32), KEY).compile()
        return program.memory_analysis().temp_size_in_bytes

    few, many = temporary(50), temporary(1000)
    assert few > 0
    assert abs(many - few) <= 0.01 * few


def test_max_sensitivity_is_a_loop_on_the_same_copies():
    gradient = lambda images, labels: logit_gradient(curved, images, labels)  # noqa: E731
    found = max_sensitivity(gradient, IMAGES, LABELS, key=KEY, radius=0.1, n_samples=6)
    maps, keys = np.asarray(gradient(IMAGES, LABELS)).reshape(2, -1), example_keys(KEY, 2)
    copies = np.stack([shaken(IMAGES, keys, 0.1, k) for k in range(6)])
    assert 0.09 < np.abs(copies - np.asarray(IMAGES)).max() <= 0.1 + 1e-6
    changes = np.stack([np.asarray(gradient(jnp.asarray(x), LABELS)).reshape(2, -1) - maps for x in copies])
    expected = np.linalg.norm(changes, axis=2).max(axis=0) / np.linalg.norm(maps, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_linear_classifiers_map_does_not_move():
    attribute = jax.tree_util.Partial(saliency_map, jax.tree_util.Partial(linear))
    np.testing.assert_allclose(max_sensitivity(attribute, IMAGES, LABELS, key=KEY, radius=1.0), 0, atol=1e-6)


def test_of_the_image_itself_it_is_the_noise():
    """A map that is the image: noise of norm up to r sqrt(60), and about r sqrt(60 / 3)."""
    found = max_sensitivity(lambda images, labels: images, IMAGES, LABELS, key=KEY, radius=0.1, n_samples=50)
    length = np.linalg.norm(np.asarray(IMAGES).reshape(2, -1), axis=1)
    assert np.all(found * length < 0.1 * 60**0.5)
    assert np.all(found * length > 0.1 * 20**0.5)


def test_one_sample_is_the_first_of_many():
    attribute = jax.tree_util.Partial(saliency_map, jax.tree_util.Partial(lambda images: linear(images) ** 2))
    one, many = (max_sensitivity(attribute, IMAGES, LABELS, key=KEY, radius=0.1, n_samples=n) for n in (1, 20))
    assert np.all(one > 0)
    assert np.all(many >= one)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"attributions must have the images' shape .*, got \(2, 6, 5, 1\)"):
        infidelity(linear, IMAGES, LABELS, IMAGES[..., :1], key=KEY)
    with pytest.raises(InputError, match="n_samples must be 1 or more, got 0"):
        infidelity(linear, IMAGES, LABELS, IMAGES, key=KEY, n_samples=0)
    attribute = lambda images, labels: images  # noqa: E731
    with pytest.raises(InputError, match=r"one integer for each of the 2 images, got int32 of shape \(1,\)"):
        max_sensitivity(attribute, IMAGES, np.array([1], np.int32), key=KEY)
    for side in (0, 99):
        with pytest.raises(InputError, match=f"side must be from 1 to 4, .* got {side}"):
            SquareRemoval(side)(jax.random.key(0), jnp.ones((5, 4, 2)))
    with pytest.raises(InputError, match="radius must be zero or more"):
        max_sensitivity(attribute, IMAGES, LABELS, key=KEY, radius=-0.1)
    with pytest.raises(InputError, match="n_samples must be 1 or more, got 0"):
        max_sensitivity(attribute, IMAGES, LABELS, key=KEY, n_samples=0)

"""Occlusion: a loop of NumPy's over the windows."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import occlusion
from jaxvision.attribution.occlusion import _extent
from jaxvision.errors import InputError
from jaxvision.pixels import target_probability

IMAGES = jax.random.normal(jax.random.key(0), (2, 7, 5, 3))
LABELS = np.array([1, 0])
WEIGHTS = np.random.default_rng(1).normal(size=(7, 5, 3, 2)).astype(np.float32)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, jnp.asarray(WEIGHTS, images.dtype), precision="highest")


def curved(images):
    return jnp.tanh(linear(images))


def by_loop(function, window, stride, baseline):
    """Each window in turn, of each image and class."""
    images = np.asarray(IMAGES)
    baseline = np.broadcast_to(baseline, images.shape)
    total, count = np.zeros(images.shape), np.zeros(images.shape)
    whole = np.asarray(function(IMAGES))[np.arange(2), LABELS]
    starts = [range(0, -(-(side - w) // s) * s + 1, s) for side, w, s in zip((7, 5, 3), window, stride, strict=True)]
    for i in starts[0]:
        for j in starts[1]:
            for c in starts[2]:
                at = (slice(None), slice(i, i + window[0]), slice(j, j + window[1]), slice(c, c + window[2]))
                hidden = images.copy()
                hidden[at] = baseline[at]
                fall = whole - np.asarray(function(jnp.asarray(hidden)))[np.arange(2), LABELS]
                total[at] += fall[:, None, None, None]
                count[at] += 1
    return total / count


@pytest.mark.parametrize(
    ("window", "stride"),
    [
        ((1, 1, 1), (1, 1, 1)),
        ((3, 2, 3), (2, 2, 1)),
        ((4, 3, 2), (3, 1, 1)),
        ((7, 5, 3), (1, 1, 1)),
        ((2, 5, 1), (2, 9, 1)),
    ],
)
def test_it_is_a_loop_over_windows(window, stride):
    baseline = np.random.default_rng(2).normal(size=(7, 5, 3)).astype(np.float32)
    found = occlusion(curved, IMAGES, LABELS, window=window, stride=stride, baseline=baseline)
    np.testing.assert_allclose(found, by_loop(curved, window, stride, baseline), rtol=1e-4, atol=1e-5)


def test_one_value_at_a_time_a_linear_classifier_shows_its_weights():
    found = occlusion(linear, IMAGES, LABELS, window=(1, 1, 1), baseline=0.25)
    expected = (np.asarray(IMAGES) - 0.25) * np.moveaxis(WEIGHTS[..., LABELS], -1, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_side_is_of_all_channels():
    found = occlusion(curved, IMAGES, LABELS, window=2, stride=2)
    np.testing.assert_array_equal(found, occlusion(curved, IMAGES, LABELS, window=(2, 2, 3), stride=(2, 2, 3)))
    np.testing.assert_array_equal(found, jnp.broadcast_to(found[..., :1], found.shape))


def test_it_may_be_of_the_probability():
    found = occlusion(linear, IMAGES, LABELS, window=3, score=target_probability)
    probability = lambda x: jax.nn.softmax(linear(x))  # noqa: E731
    np.testing.assert_allclose(found, by_loop(probability, (3, 3, 3), (1, 1, 3), 0.0), rtol=1e-4, atol=1e-5)


def test_large_images_go_in_chunks_of_the_batch(monkeypatch):
    monkeypatch.setenv("JAXVISION_ONEDNN", "off")  # with it more images go at once
    images = jax.random.normal(jax.random.key(1), (4, 160, 120, 1))
    mean = lambda x: jnp.mean(x**2, axis=(1, 2)) * jnp.array([[1.0, -2.0]])  # noqa: E731
    labels = np.array([0, 1, 1, 0])
    whole = occlusion(mean, images, labels, window=50, stride=40)
    for i in range(4):
        single = occlusion(mean, images[i : i + 1], labels[i : i + 1], window=50, stride=40)
        np.testing.assert_allclose(whole[i : i + 1], single, rtol=1e-4, atol=1e-5)


def test_memory_does_not_grow_with_the_windows():
    def temporary(stride):
        def run(images, labels):
            return occlusion(lambda x: jnp.tanh(x).mean(axis=(1, 2)), images, labels, window=10, stride=stride)

        program = jax.jit(run).lower(jnp.zeros((2, 109, 109, 3)), jnp.zeros(2, jnp.int32)).compile()
        return program.memory_analysis().temp_size_in_bytes

    few, many = temporary(10), temporary(3)  # 121 and 1,156 windows
    assert 0 < many < 1.1 * few


@pytest.mark.parametrize("window", [np.int64(2), [2, 2], np.array([2, 2]), (np.int32(2), 2, np.int64(3))])
def test_whole_numbers_of_numpy_are_sides(window):
    expected = occlusion(linear, IMAGES, LABELS, window=2, stride=2)
    np.testing.assert_array_equal(occlusion(linear, IMAGES, LABELS, window=window, stride=np.int64(2)), expected)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"window \(8, 8, 3\) must fit into an image of shape .* \(7, 5, 3\)"):
        occlusion(linear, IMAGES, LABELS, window=8)
    with pytest.raises(InputError, match=r"stride \(3, 3, 3\) must be at most the window \(2, 2, 3\)"):
        occlusion(linear, IMAGES, LABELS, window=2, stride=3)
    with pytest.raises(InputError, match=r"stride must be one side, .* got \(1,\)"):
        occlusion(linear, IMAGES, LABELS, window=2, stride=(1,))
    with pytest.raises(InputError, match=r"window must be one side, .* got 0"):
        occlusion(linear, IMAGES, LABELS, window=0)
    with pytest.raises(InputError, match=r"window must be one side, .* got \(1\.5, 2\)"):
        inspect.unwrap(_extent)("window", (1.5, 2), 3)

"""RISE: a loop of NumPy's on the same masks, and what the masks are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxvision.attribution import rise
from jaxvision.attribution.rise import smooth_masks
from jaxvision.errors import InputError
from jaxvision.pixels import example_keys, target_logit

KEY = jax.random.key(3)
IMAGES = jax.random.normal(jax.random.key(0), (2, 7, 10, 2))
LABELS = np.array([1, 0])
WEIGHTS = np.random.default_rng(1).normal(size=(7, 10, 2, 3)).astype(np.float32) / 4
BASELINE = np.random.default_rng(3).normal(size=(7, 10, 2)).astype(np.float32)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, jnp.asarray(WEIGHTS, images.dtype), precision="highest")


def test_it_is_a_loop_over_the_same_masks():
    found = rise(linear, IMAGES, LABELS, key=KEY, n_masks=30, cells=3, p_keep=0.4, baseline=BASELINE)
    keys, images, total = example_keys(KEY, 2), np.asarray(IMAGES, np.float64), 0
    for k in range(30):
        masks = np.asarray(smooth_masks(keys, k, (7, 10), 3, 0.4), np.float64)
        seen = masks[..., None] * images + (1 - masks[..., None]) * BASELINE
        p = softmax(np.einsum("nhwc,hwck->nk", seen, WEIGHTS), axis=1)[np.arange(2), LABELS]
        total = total + p[:, None, None] * masks
    np.testing.assert_allclose(found, total / (30 * 0.4), rtol=1e-4)


def test_a_mask_is_a_part_of_an_enlarged_grid():
    """Of JAX's own bilinear enlargement by a whole number of pixels a cell, at one of its shifts."""
    (key,) = keys = example_keys(KEY, 1)
    for k in range(20):
        of_grid, _ = jax.random.split(jax.random.fold_in(key, k))
        grid = jax.random.bernoulli(of_grid, 0.5, (3, 3)).astype(jnp.float32)
        large = np.asarray(jax.image.resize(grid, (4 * 3, 4 * 4), "bilinear"))
        mask = np.asarray(smooth_masks(keys, k, (7, 10), 3, 0.5))[0]
        parts = np.stack([large[i : i + 7, j : j + 10] for i in range(3) for j in range(4)])
        assert np.abs(parts - mask).max(axis=(1, 2)).min() < 1e-6


def test_masks_keep_their_share_everywhere_and_differ():
    masks = np.asarray(smooth_masks(example_keys(KEY, 4000), 0, (7, 10), 3, 0.3))
    np.testing.assert_allclose(masks.mean(axis=0), 0.3, atol=4.5 * 0.46 / 4000**0.5)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert len(np.unique(masks.reshape(4000, -1), axis=0)) > 2000


def test_what_a_class_is_seen_through_stands_out():
    """The logit is one pixel: there the mean over masks is 1, elsewhere what the pixel is seen with."""
    at = jax.nn.one_hot(23, 70).reshape(1, 7, 10, 1)
    one_pixel = lambda images: jnp.sum(images * at, axis=(1, 2))  # noqa: E731
    image = jnp.ones((1, 7, 10, 1))
    found = np.asarray(rise(one_pixel, image, [0], key=KEY, n_masks=4000, cells=7, score=target_logit))[0]
    far = found[:, 8:]
    np.testing.assert_allclose(far, 0.5, atol=0.05)  # no cell in common: E[M] alone
    assert found[2, 3] > 0.8 * found.max()
    assert found.max() > 1.3 * far.max()


def test_memory_does_not_grow_with_the_masks():
    def temporary(n_masks):
        def run(images, labels, key):
            return rise(lambda x: jnp.tanh(x).mean(axis=(1, 2)), images, labels, key=key, n_masks=n_masks)

        program = jax.jit(run).lower(jnp.zeros((2, 64, 64, 3)), jnp.zeros(2, jnp.int32), KEY).compile()
        return program.memory_analysis().temp_size_in_bytes

    few, many = temporary(100), temporary(4000)
    assert few > 0
    assert abs(many - few) <= 0.01 * few


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="n_masks must be 1 or more, got 0"):
        rise(linear, IMAGES, LABELS, key=KEY, n_masks=0)
    with pytest.raises(InputError, match="cells must be from 2 to 7, the pixels of the shorter side, got 8"):
        rise(linear, IMAGES, LABELS, key=KEY, cells=8)
    with pytest.raises(InputError, match=r"p_keep must be above 0 and at most 1, got 0.0"):
        rise(linear, IMAGES, LABELS, key=KEY, p_keep=0.0)

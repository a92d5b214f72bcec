"""Image operations against SciPy, Pillow and closed forms."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from PIL import Image
from scipy import ndimage

from jaxvision.errors import InputError
from jaxvision.pixels import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClipNormalized,
    Jitter,
    center_crop,
    clip_normalized,
    denormalize,
    gaussian_blur,
    grid,
    jitter,
    normalize,
    resize,
)

IMAGES = jax.random.uniform(jax.random.key(0), (2, 12, 9, 3))


# blur


@pytest.mark.parametrize("sigma", [0.05, 0.5, 1.0, 2.3, 6.0])
def test_blur_is_scipys(sigma):
    expected = ndimage.gaussian_filter(np.asarray(IMAGES, np.float64), (0, sigma, sigma, 0), mode="reflect")
    np.testing.assert_allclose(gaussian_blur(IMAGES, sigma), expected, atol=1e-6)


def test_blur_keeps_mean_and_constants():
    np.testing.assert_allclose(gaussian_blur(IMAGES, 1.5).mean((1, 2)), IMAGES.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(gaussian_blur(jnp.full((1, 5, 5, 1), 0.7), 2.0), 0.7, rtol=1e-6)
    np.testing.assert_array_equal(gaussian_blur(IMAGES, 0.0), IMAGES)


def test_blurs_add_up_in_variance():
    twice = gaussian_blur(gaussian_blur(IMAGES, 1.2), 1.6)
    np.testing.assert_allclose(twice, gaussian_blur(IMAGES, 2.0), atol=0.01)


def test_blur_gradient():
    with jax.enable_x64(True):
        images = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 3, 2)))
        check_grads(lambda x: jnp.sum(gaussian_blur(x, 0.8) ** 3), (images,), order=1, modes=["rev", "fwd"])


def test_negative_blur_is_refused():
    with pytest.raises(InputError, match="zero or more pixels, got -1"):
        gaussian_blur(IMAGES, -1.0)


# resize and crop


@pytest.mark.parametrize(("size", "shape"), [((7, 5), (7, 5)), ((24, 30), (24, 30)), (6, (8, 6)), (20, (26, 20))])
@pytest.mark.parametrize(("method", "filter"), [("bilinear", Image.BILINEAR), ("lanczos3", Image.LANCZOS)])
def test_resize_is_pillows(size, shape, method, filter):
    resized = resize(IMAGES, size, method=method)
    assert resized.shape == (2, *shape, 3)
    for i in range(2):
        for c in range(3):
            pillow = Image.fromarray(np.asarray(IMAGES[i, :, :, c])).resize(shape[::-1], filter)
            np.testing.assert_allclose(resized[i, :, :, c], np.asarray(pillow), atol=2e-5)


def test_antialiasing_averages_what_would_alias():
    checks = (jnp.indices((15, 15)).sum(0) % 2).astype(jnp.float32)[None, :, :, None]
    assert np.abs(resize(checks, 5)[:, 1:-1, 1:-1] - 0.5).max() < 0.1
    assert np.abs(resize(checks, 5, antialias=False)[:, 1:-1, 1:-1] - 0.5).max() > 0.4


def test_resize_to_its_own_size_changes_nothing():
    np.testing.assert_allclose(resize(IMAGES, 9), IMAGES, atol=1e-6)


def test_vanishing_size_is_refused():
    with pytest.raises(InputError, match="at least 1 x 1 pixel, got 0 x 4"):
        resize(IMAGES, (0, 4))


def test_crop():
    np.testing.assert_array_equal(center_crop(IMAGES, 6), IMAGES[:, 3:9, 1:7])
    np.testing.assert_array_equal(center_crop(IMAGES, (12, 9)), IMAGES)
    with pytest.raises(InputError, match="10 x 10 pixels does not fit into 12 x 9"):
        center_crop(IMAGES, 10)


# jitter


def test_jitter_is_a_circular_shift_and_has_an_inverse():
    image = IMAGES[0]
    for key in jax.random.split(jax.random.key(1), 4):
        shifted = jitter(image, key, max_shift=4)
        dy, dx = jax.random.randint(key, (2,), 0, 5)
        np.testing.assert_array_equal(shifted, np.roll(image, (dy, dx), axis=(0, 1)))
        np.testing.assert_array_equal(jitter(shifted, key, max_shift=4, inverse=True), image)


def test_jitter_reaches_every_shift():
    image = jnp.arange(9.0).reshape(3, 3, 1)
    shifted = jax.vmap(lambda key: jitter(image, key, max_shift=2))(jax.random.split(jax.random.key(1), 200))
    assert set(np.asarray(shifted)[:, 0, 0, 0]) == set(range(9))


def test_jitter_gradient_is_shifted_back():
    image, key = IMAGES[0], jax.random.key(5)
    gradient = jax.grad(lambda x: jnp.sum(jitter(x, key, max_shift=5) ** 2))(image)
    np.testing.assert_allclose(gradient, 2 * image, rtol=1e-6)


def test_jitters_of_one_size_are_equal():
    assert Jitter(3) == Jitter(3) != Jitter(4)
    np.testing.assert_array_equal(Jitter(0)(IMAGES[0], jax.random.key(0)), IMAGES[0])


# normalisation


def test_normalize_and_back():
    normalized = normalize(IMAGES)
    np.testing.assert_allclose(normalized[..., 2], (IMAGES[..., 2] - 0.406) / 0.225, rtol=1e-5)
    np.testing.assert_allclose(denormalize(normalized), IMAGES, atol=1e-6)
    np.testing.assert_allclose(denormalize(jnp.zeros((1, 1, 3)))[0, 0], IMAGENET_MEAN)


def test_clip_is_the_clip_of_the_displayed_image():
    wild = 5 * jax.random.normal(jax.random.key(2), (3, 4, 4, 3))
    clipped = clip_normalized(wild)
    np.testing.assert_allclose(clipped, normalize(jnp.clip(denormalize(wild), 0, 1)), atol=1e-5)
    np.testing.assert_array_equal(clip_normalized(clipped), clipped)
    np.testing.assert_array_equal(ClipNormalized()(wild, 0), clipped)
    low, high = -np.divide(IMAGENET_MEAN, IMAGENET_STD), np.divide(np.subtract(1, IMAGENET_MEAN), IMAGENET_STD)
    np.testing.assert_allclose(clipped.min((0, 1, 2)), low, rtol=1e-6)
    np.testing.assert_allclose(clipped.max((0, 1, 2)), high, rtol=1e-6)


def test_other_numbers_of_channels_need_their_own_statistics():
    with pytest.raises(InputError, match="got 3 for images with 1 channels"):
        normalize(jnp.zeros((1, 28, 28, 1)))
    assert normalize(jnp.full((1, 2, 2, 1), 0.5), [0.5], [0.5]).max() == 0


# grid


def test_grid_places_images_and_border():
    images = jnp.arange(1.0, 6.0)[:, None, None, None] * jnp.ones((5, 2, 3, 1))
    sheet = grid(images, columns=3, padding=1, value=0.0)[..., 0]
    row = [0, 1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3, 0]
    last = [0, 4, 4, 4, 0, 5, 5, 5, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(sheet, [[0] * 13, row, row, [0] * 13, last, last, [0] * 13])


def test_grid_is_nearly_square_by_default():
    assert grid(np.zeros((10, 4, 4, 3), np.float32), padding=0).shape == (12, 16, 3)


def test_empty_grid_is_refused():
    with pytest.raises(InputError, match="at least one image"):
        grid(IMAGES[:0])


@pytest.mark.parametrize("function", [normalize, denormalize, clip_normalized])
def test_bytes_are_refused(function):
    with pytest.raises(InputError, match="images must be floats, got uint8: divide bytes by 255"):
        inspect.unwrap(function)(np.full((1, 2, 2, 3), 128, np.uint8))  # past the tests' own check of types

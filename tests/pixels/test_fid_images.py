"""Resizing for the Fréchet distance against Pillow, torch-fidelity and the formula written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxvision.errors import InputError
from jaxvision.pixels import fid_images

SIDE = 299
SIZES = pytest.mark.parametrize("size", [(32, 32), (64, 50), (299, 299), (299, 340), (500, 320), (1, 7)])


def noise(size, n=1):
    return np.random.default_rng(0).integers(0, 256, (n, *size, 3), np.uint8)


@SIZES
def test_clean_is_pillows_bicubic_of_each_channel(size):
    images = noise(size)
    for c in range(3):
        channel = Image.fromarray(images[0, :, :, c].astype(np.float32))
        expected = np.asarray(channel.resize((SIDE, SIDE), Image.Resampling.BICUBIC)).clip(0, 255)
        np.testing.assert_allclose(128 + 128 * fid_images(images)[0, :, :, c], expected, atol=0.02)


@SIZES
def test_legacy_is_the_formula(size):
    """Between the four pixels around (i h / 299, j w / 299), in float64."""
    images = noise(size)
    i, j = (np.arange(SIDE) * length / SIDE for length in size)
    top, left = np.int_(i), np.int_(j)
    bottom, right = np.minimum(top + 1, size[0] - 1), np.minimum(left + 1, size[1] - 1)
    down, across = (i - top)[:, None, None], (j - left)[None, :, None]
    at = lambda rows, columns: images[0].astype(np.float64)[rows][:, columns]  # noqa: E731
    expected = (1 - down) * ((1 - across) * at(top, left) + across * at(top, right))
    expected += down * ((1 - across) * at(bottom, left) + across * at(bottom, right))
    np.testing.assert_allclose(128 + 128 * fid_images(images, resize="legacy")[0], expected, atol=0.02)


@pytest.mark.peers
@SIZES
def test_legacy_is_torch_fidelitys(torch_fidelity, size):
    import torch
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    images = noise(size, n=2)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    x = interpolate_bilinear_2d_like_tensorflow1x(x, size=(SIDE, SIDE), align_corners=False)
    expected = ((x - 128) / 128).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(fid_images(images, resize="legacy"), expected, atol=1e-6)


@pytest.mark.parametrize("resize", ["clean", "legacy"])
def test_floats_are_bytes_through_255(resize):
    images = noise((20, 30))
    found = fid_images(jnp.asarray(images / np.float32(255)), resize=resize)
    np.testing.assert_allclose(found, fid_images(images, resize=resize), atol=1e-5)
    assert found.shape == (1, SIDE, SIDE, 3)


@pytest.mark.parametrize("resize", ["clean", "legacy"])
def test_black_and_white(resize):
    for value, expected in ((0, -1.0), (255, 127 / 128)):
        np.testing.assert_allclose(fid_images(np.full((1, 9, 8, 3), value, np.uint8), resize=resize), expected, 5e-6)


def test_overshoot_is_cut_off():
    edge = np.zeros((1, 8, 8, 3), np.uint8)
    edge[:, :, 4:] = 255
    found = fid_images(edge)
    assert (found.min(), found.max()) == (-1.0, 127 / 128)


@pytest.mark.parametrize("resize", ["clean", "legacy"])
def test_compiled_and_one_by_one_it_is_the_same(resize):
    images = noise((40, 33), n=3)
    run = jax.jit(fid_images, static_argnames="resize")
    whole = run(images, resize=resize)
    np.testing.assert_allclose(whole, fid_images(images, resize=resize), atol=1e-5)
    np.testing.assert_allclose(whole[1:2], run(images[1:2], resize=resize), atol=1e-5)
    assert fid_images(images[:0], resize=resize).shape == (0, SIDE, SIDE, 3)


def test_gradient_reaches_the_pixels_that_are_looked_at():
    """Legacy reads every second row and column of a doubled image, clean reads all."""
    images = jnp.full((1, 2 * SIDE, 2 * SIDE, 3), 0.5)
    legacy, clean = (
        jax.grad(lambda x, resize=resize: fid_images(x, resize=resize).sum())(images) for resize in ("legacy", "clean")
    )
    np.testing.assert_allclose(legacy[0, ::2, ::2], 255 / 128, rtol=1e-3)
    assert np.abs(legacy[0, 1::2, 1::2]).max() < 1e-3
    assert np.abs(clean).min() > 0.1


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: fid_images(noise((8, 8)), resize="bilinear"), """must be "clean" or "legacy", got 'bilinear'"""),
        (lambda: fid_images(noise((8, 8))[..., :1]), r"got \(1, 8, 8, 1\): repeat a grey channel three times"),
        (lambda: fid_images(noise((8, 8))[0]), r"got \(8, 8, 3\)"),
        (lambda: fid_images(noise((8, 8)).astype(np.int32)), r"floats in \[0, 1\] or uint8, got int32"),
        (lambda: fid_images(noise((8, 8)).astype(np.float32)), r"got values from 0 to 2\d\d"),
        (lambda: fid_images(np.full((1, 8, 8, 3), -1, np.float32)), "got values from -1 to -1"),
        (lambda: fid_images(np.full((1, 8, 8, 3), np.nan, np.float32)), "got values from nan"),
    ],
)
def test_images_that_do_not_fit_are_refused(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()

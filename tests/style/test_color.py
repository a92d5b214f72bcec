"""Colours kept: by chroma, and by mean and covariance."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.style import keep_chroma, match_color

IMAGES = jax.random.uniform(jax.random.key(0), (2, 6, 5, 3))
OTHER = jax.random.uniform(jax.random.key(1), (2, 6, 5, 3), minval=0.3, maxval=0.7)


def test_brightness_of_one_chroma_of_the_other():
    mixed = np.asarray(keep_chroma(0.4 + 0.2 * IMAGES, OTHER))
    rows = (images.reshape(-1, 3) for images in (mixed, 0.4 + 0.2 * IMAGES, OTHER))
    for found, bright, hue in zip(*rows, strict=True):
        y, i, q = colorsys.rgb_to_yiq(*map(float, found))
        np.testing.assert_allclose(y, colorsys.rgb_to_yiq(*map(float, bright))[0], atol=6e-3)
        np.testing.assert_allclose((i, q), colorsys.rgb_to_yiq(*map(float, hue))[1:], atol=6e-3)


def test_keeping_ones_own_chroma_changes_nothing():
    np.testing.assert_allclose(keep_chroma(IMAGES, IMAGES), IMAGES, atol=1e-5)


def test_sizes_must_agree():
    with pytest.raises(InputError, match="one shape"):
        keep_chroma(IMAGES, IMAGES[:, :3])


def moments(images):
    rows = np.asarray(images, np.float64).reshape(-1, 3)
    return rows.mean(axis=0), np.cov(rows.T, bias=True)


def test_matched_colors_have_the_mean_and_covariance_of_the_content():
    content = OTHER[:, :3]  # of another size
    matched = match_color(IMAGES[:1], content)
    assert matched.shape == IMAGES.shape
    for found, wanted in zip(matched, content, strict=True):
        for ours, theirs in zip(moments(found), moments(wanted), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_a_grey_picture_stays_finite():
    grey = jnp.repeat(IMAGES[..., :1], 3, axis=-1)
    assert np.isfinite(match_color(grey, OTHER)).all()
    assert np.isfinite(match_color(OTHER, grey)).all()

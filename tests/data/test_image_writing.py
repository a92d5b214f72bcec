"""What is written comes back; what is no picture is not written, and an old file stays."""

import errno
import io
import os

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxvision.data import read_image, write_image
from tests.data.conftest import BYTES, PICTURE, refused

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(16, 20, 3), (16, 20), (16, 20, 1)])
def test_png_round_trip(tmp_path, shape):
    image = RNG.integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "new" / "folder" / "a.png"
    for given in (image, image / 255, jnp.asarray(image / 255, jnp.float32)):
        write_image(path, given)
        np.testing.assert_array_equal(read_image(path), np.broadcast_to(image.reshape(16, 20, -1), (16, 20, 3)))
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_bfloat16_is_a_float(tmp_path):
    write_image(tmp_path / "a.png", jnp.full((9, 9, 3), 0.5, jnp.bfloat16))
    assert np.all(read_image(tmp_path / "a.png") == 128)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg_by_suffix(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix}", PICTURE)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.format == "JPEG"
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - BYTES).max() <= 6


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.full((9, 9, 3), 1.5), r"floats in \[0, 1\], got values from 1.5 to 1.5"),
        (np.full((9, 9, 3), -0.1), r"floats in \[0, 1\]"),
        (np.full((9, 9, 3), np.nan), r"floats in \[0, 1\], got values from nan"),
        (np.zeros((9, 9, 4)), r"shape \(h, w, 3\)"),
        (np.zeros((1, 9, 9, 3)), r"one image of shape"),
        (np.zeros((0, 9, 3)), r"one image of shape"),
        (np.zeros((9, 9, 3), np.int32), "uint8, got int32"),
    ],
)
def test_what_is_no_picture_is_not_written(tmp_path, image, sentence):
    path = tmp_path / "a.png"
    with refused(path, sentence):
        write_image(path, image)
    assert not path.exists()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_image(path, BYTES)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused(path, "disk is full"):
        write_image(path, 255 - BYTES)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_written_bytes_are_the_same_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, PICTURE)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as image:
        assert image.mode == "RGB"

"""Every kind of image file comes back as upright RGB; everything else is met with one sentence naming the file."""

import contextlib
import errno
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from jaxvision.data import read_image, read_images, read_metadata, resize_image, write_image
from jaxvision.errors import InputError
from tests.data.conftest import BYTES, COLUMNS, PICTURE, refused

RNG = np.random.default_rng(0)


def save(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def png(size: tuple[int, int], bits: int, color: int, rows: bytes, **extra: bytes) -> bytes:
    """A PNG file made by hand: Pillow writes neither 16-bit RGB nor false sizes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, color, 0, 0, 0))
    others = b"".join(chunk(kind.encode(), body) for kind, body in extra.items())
    return b"\x89PNG\r\n\x1a\n" + header + others + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


# What can be read


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "no_suffix", "wrong_suffix.jpg"])
def test_lossless_rgb_comes_back(tmp_path, name):
    path = save(
        tmp_path / name, Image.fromarray(BYTES), format={"bmp": "BMP", "tif": "TIFF", "ppm": "PPM"}.get(name[2:], "PNG")
    )
    image = read_image(path)
    np.testing.assert_array_equal(image, BYTES)
    assert image.dtype == np.uint8
    assert image.flags.writeable


@pytest.mark.parametrize(("suffix", "off"), [("jpg", 12), ("webp", 16)])
def test_lossy_formats(tmp_path, suffix, off):
    image = read_image(save(tmp_path / f"a.{suffix}", Image.fromarray(BYTES), quality=95))
    assert np.abs(image.astype(int) - BYTES).max() <= off


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, orientation):
    undo = {  # what a camera held that way would have stored
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x),
        7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("jpg", "png"):
        stored = Image.fromarray(np.ascontiguousarray(undo(BYTES)))
        image = read_image(
            save(tmp_path / f"a.{suffix}", stored, exif=exif, **({"quality": 95} if suffix == "jpg" else {}))
        )
        assert image.shape == BYTES.shape
        assert np.abs(image.astype(int) - BYTES).max() <= 12


def test_broken_exif_is_ignored(tmp_path):
    path = save(tmp_path / "a.jpg", Image.fromarray(BYTES), quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert read_image(path).shape == BYTES.shape


def test_metadata_is_kept_but_for_the_rotation(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "a camera"
    path = save(tmp_path / "a.jpg", Image.fromarray(BYTES), exif=exif, icc_profile=b"a profile")
    write_image(tmp_path / "b.png", BYTES, metadata=read_metadata(path))
    found = read_metadata(tmp_path / "b.png")
    assert found["icc_profile"] == b"a profile"
    exif.load(found["exif"])
    assert dict(exif) == {ExifTags.Base.Make: "a camera"}
    assert read_metadata(save(tmp_path / "c.png", Image.fromarray(BYTES))) == {}


def test_metadata_of_what_is_no_image(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"these are words, not pixels")
    with refused(tmp_path / "a.jpg", "cannot be read as an image"):
        read_metadata(tmp_path / "a.jpg")


def test_cmyk_becomes_rgb(tmp_path):
    image = read_image(save(tmp_path / "a.jpg", Image.fromarray(BYTES).convert("CMYK"), quality=95))
    assert np.abs(image.astype(int) - BYTES).max() <= 16


def test_grey_and_bilevel_become_rgb(tmp_path):
    grey = BYTES[..., 0]
    image = read_image(save(tmp_path / "grey.png", Image.fromarray(grey)))
    np.testing.assert_array_equal(image, np.repeat(grey[..., None], 3, axis=-1))
    bilevel = read_image(save(tmp_path / "bilevel.png", Image.fromarray(grey > 60)))
    np.testing.assert_array_equal(bilevel, np.repeat(np.where(grey > 60, 255, 0)[..., None], 3, axis=-1))


def test_alpha_lies_on_white(tmp_path):
    alpha = np.round(COLUMNS * 255).astype(np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(np.concatenate([BYTES, alpha[..., None]], axis=-1)))
    expected = BYTES * (alpha / 255)[..., None] + 255 * (1 - alpha / 255)[..., None]
    assert np.abs(read_image(path) - expected).max() <= 1
    grey = Image.fromarray(np.stack([BYTES[..., 0], alpha], axis=-1), mode=None).convert("LA")
    expected = BYTES[..., 0] * (alpha / 255) + 255 * (1 - alpha / 255)
    assert np.abs(read_image(save(tmp_path / "la.png", grey))[..., 1] - expected).max() <= 1


def test_palette_with_and_without_transparency(tmp_path):
    indexed = Image.fromarray((COLUMNS * 3).astype(np.uint8), mode=None).convert("P")
    indexed.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    index = (COLUMNS * 3).astype(int)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", indexed)), colors[index])
    colors[1] = 255  # index 1 is transparent
    for name, transparency in (("one.png", 1), ("bytes.png", b"\xff\x00\xff"), ("a.gif", 1)):
        image = read_image(save(tmp_path / name, indexed, transparency=transparency))
        np.testing.assert_array_equal(image, colors[index], err_msg=name)


def test_rgb_with_one_transparent_colour(tmp_path):
    path = save(tmp_path / "a.png", Image.fromarray(BYTES), transparency=tuple(int(x) for x in BYTES[3, 5]))
    image = read_image(path)
    assert image[3, 5].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(image[3, 6], BYTES[3, 6])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    ramp = np.round(COLUMNS * 65535).astype(np.uint16)
    image = read_image(save(tmp_path / f"a.{suffix}", Image.fromarray(ramp)))
    np.testing.assert_array_equal(image[..., 0], np.round(ramp / 65535 * 255))
    assert image.max() < 255
    assert len(np.unique(image)) > 30


def test_16_bit_grey_with_one_transparent_value(tmp_path):
    rows = b"".join(b"\0" + np.arange(0, 65536, 6554, dtype=">u2").tobytes() for _ in range(8))
    (tmp_path / "a.png").write_bytes(png((10, 8), 16, 0, rows, tRNS=struct.pack(">H", 13108)))
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 26, 255, 77, 102, 128, 153, 179, 204, 230]


def test_16_bit_rgb_is_scaled(tmp_path):
    values = np.round(PICTURE * 65535).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    (tmp_path / "a.png").write_bytes(png((40, 24), 16, 2, rows))
    assert np.abs(read_image(tmp_path / "a.png") - PICTURE * 255).max() <= 1


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame_of_an_animation(tmp_path, suffix):
    frames = [Image.new("RGB", (20, 16), color) for color in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options)
    with Image.open(path) as image:
        assert image.n_frames == 3
    np.testing.assert_array_equal(read_image(path), np.broadcast_to([255, 0, 0], (16, 20, 3)))


def test_warnings_stay_inside(tmp_path, monkeypatch):
    """A picture of which Pillow warns as a possible bomb, though it is within our limits, is read in silence."""
    path = save(tmp_path / "a.png", Image.fromarray(BYTES))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", BYTES[..., 0].size - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Image.DecompressionBombWarning):
            Image.open(path)
        np.testing.assert_array_equal(read_image(path), BYTES)


# What cannot


@pytest.mark.parametrize(("name", "sentence"), [("none.jpg", "there is no file"), (".", "is a folder")])
def test_what_is_no_file(tmp_path, name, sentence):
    with refused(tmp_path / name, sentence):
        read_image(tmp_path / name)


def test_device_instead_of_a_file():
    with pytest.raises(InputError, match="neither a file nor a folder"):
        read_image(os.devnull)


def test_unreadable_file(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", Image.fromarray(BYTES))

    def refuse(self, mode):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with refused(path, "Permission denied"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"these are words, not pixels\n", "is not an image"),
        (b"\x89PNG\r\n\x1a\n", "is (not an image|damaged)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n", "is not an image"),  # would start another program
    ],
)
def test_what_is_no_image(tmp_path, content, sentence):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with refused(path, sentence):
        read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp", "tif"])
@pytest.mark.parametrize("share", [0.3, 0.8, 0.97])
def test_truncated_files(tmp_path, suffix, share):
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with refused(path, r"is damaged|is not an image"):
        read_image(path)


def test_flipped_bytes_never_raise_anything_else(tmp_path):
    for suffix in ("jpg", "png", "gif", "webp", "tif"):
        path = save(tmp_path / f"a.{suffix}", Image.fromarray(BYTES))
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for at in RNG.integers(0, min(len(whole), 200), 4):
                damaged[at] = RNG.integers(256)
            path.write_bytes(damaged)
            with contextlib.suppress(InputError):
                assert read_image(path).ndim == 3  # damage that leaves an image is no error


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ((1, 1), "1 x 1 pixels: an image needs at least 8"),
        ((300, 7), "300 x 7 pixels: an image needs at least 8"),
        ((20_000, 20_000), "too large to be opened: at most 16,384 pixels on a side and 120,000,000 in all"),
        ((20_000, 1_500), "20,000 x 1,500 pixels: at most 16,384"),
        ((12_000, 12_000), "12,000 x 12,000 pixels: at most"),
        ((4_000, 100), "4,000 x 100 pixels: the longer side may be at most 20 times"),
        ((100, 4_000), "100 x 4,000 pixels: the longer side may be at most 20 times"),
        ((60_000, 60_000), "too large to be opened: at most"),
    ],
)
def test_sizes_that_are_refused(tmp_path, size, sentence):
    """By the header alone: none of the pixels is decoded."""
    path = tmp_path / "a.png"
    path.write_bytes(png(size, 8, 2, b"\0"))
    with refused(path, sentence):
        read_image(path)


def test_32_bit_values_are_refused(tmp_path):
    for values in (np.ones((16, 16), np.float32), np.ones((16, 16), np.int32)):
        path = save(tmp_path / "a.tif", Image.fromarray(values))
        with refused(path, "32-bit"):
            read_image(path)


# Resizing


def test_resizing_keeps_a_ramp_and_the_centre():
    image = resize_image(BYTES, 12)
    assert image.shape == (12, 12, 3)
    exact = np.round(255 * (8 + 2 * np.arange(12) + 0.5) / 40)  # the middle 24 of 40 columns, halved
    assert np.abs(image[6, 1:-1, 1] - exact[1:-1]).max() <= 1
    assert resize_image(BYTES, 12, crop=False).shape == (12, 20, 3)
    assert resize_image(BYTES.swapaxes(0, 1), 12, crop=False).shape == (20, 12, 3)


def test_resizing_to_the_same_size_is_the_identity():
    np.testing.assert_array_equal(resize_image(BYTES, 24, crop=False), BYTES)
    np.testing.assert_array_equal(resize_image(BYTES, 24), BYTES[:, 8:32])


def test_resizing_is_antialiased():
    stripes = np.broadcast_to((np.arange(256) % 2 * 255).astype(np.uint8)[None, :, None], (256, 256, 3))
    assert np.abs(resize_image(np.ascontiguousarray(stripes), 32)[4:-4, 4:-4].astype(int) - 127).max() <= 3


def test_cropping_equals_cropping_the_whole_resized():
    noise = RNG.integers(0, 256, (40, 90, 3), dtype=np.uint8)
    whole = resize_image(noise, 20, crop=False)
    middle = whole[:, 12:33].astype(int)  # the crop begins at 12.5 of the 45 columns
    between = (middle[:, :-1] + middle[:, 1:]) / 2
    assert np.abs(resize_image(noise, 20) - between).mean() < 20
    np.testing.assert_array_equal(resize_image(noise, 20)[:, 2:-2], resize_image(noise[:, 25:65], 20)[:, 2:-2])


@pytest.mark.parametrize("size", [0, -3, 20_000])
def test_sizes_that_make_no_sense(size):
    with pytest.raises(InputError, match=f"to {size} pixels"):
        resize_image(BYTES, size)


# Several at once


def test_a_folder_becomes_a_batch(tmp_path):
    save(tmp_path / "b.png", Image.fromarray(BYTES))
    save(tmp_path / "a.jpg", Image.fromarray(BYTES), quality=95)
    (tmp_path / "notes.txt").write_text("not an image")
    names, images = read_images(tmp_path, 16)
    assert names == ("a", "b")
    assert images.shape == (2, 16, 16, 3)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images[1], resize_image(BYTES, 16) / 255, atol=1e-6)


def test_names_are_distinct(tmp_path):
    files = []
    for name in ("x/cat.png", "y/cat.png", "z/cat.png", "x/cat-2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        files.append(save(tmp_path / name, Image.fromarray(BYTES)))
    names, _ = read_images(files, 8)
    assert names == ("cat", "cat-3", "cat-4", "cat-2")


def test_one_bad_file_among_good_ones_is_named(tmp_path):
    save(tmp_path / "a.png", Image.fromarray(BYTES))
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"b\.png is empty"):
        read_images(tmp_path, 8)

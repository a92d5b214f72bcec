"""Image files in: whatever is in the file, RGB comes back; whatever is wrong with it, one sentence says so."""

import contextlib
import io
import itertools
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from jaxvision.data.image_paths import find_images
from jaxvision.errors import InputError

MIN_SIDE = 8
MAX_SIDE = 16_384
MAX_PIXELS = 120_000_000  # 360 MB as RGB bytes: the largest camera sensors in common use, not a decompression bomb
MAX_ASPECT = 20

# Only what is decoded in this process: EPS and the like would start other programs.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
_NAMES = "JPEG, PNG, GIF, WebP, BMP, TIFF or PPM"


def read_image(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """Reads an image file as 8-bit RGB, upright.

    The rotation in EXIF is applied; transparent parts show white; grey, palette and CMYK become RGB (without colour
    profiles); 16-bit values are scaled to 8; of an animation the first frame is taken.

    Args:
        path: a JPEG, PNG (also animated), GIF, WebP, BMP, TIFF or PPM file; the content counts, not the name.

    Returns:
        `(h, w, 3)` RGB in [0, 255], sides from MIN_SIDE to MAX_SIDE, at most MAX_PIXELS pixels, the longer side at most
        MAX_ASPECT times the shorter.

    Raises:
        InputError: if the file is missing, unreadable, no image, damaged, too small, too large or too elongated.

    Example:
        >>> import tempfile
        >>> from jaxvision.data import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/grey.png", np.full((8, 12), 0.5))
        ...     image = read_image(f"{folder}/grey.png")
        >>> image.shape, image[0, 0].tolist()
        ((8, 12, 3), [128, 128, 128])
    """
    path = Path(path)
    with _opened(path) as stream:
        return decode_image(stream, path)


def decode_image(stream: io.BufferedReader | io.BytesIO, name: str | os.PathLike[str]) -> UInt8[np.ndarray, "h w 3"]:
    """As `read_image`, of a file that is open already or lies in memory.

    Args:
        stream: the encoded image, say `io.BytesIO(data)`.
        name: what errors call it.

    Returns:
        `(h, w, 3)` RGB in [0, 255].

    Raises:
        InputError: if it is no image, damaged, too small, too large or too elongated.

    Example:
        >>> encoded = io.BytesIO()
        >>> Image.new("L", (12, 8)).save(encoded, "PNG")
        >>> decode_image(encoded, "black.png").shape
        (8, 12, 3)
    """
    path = Path(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities in files; the reader cannot do anything about them
        try:
            with Image.open(stream, formats=_FORMATS) as image:
                _check_size(path, *image.size)
                return _to_rgb(path, image)
        except InputError:
            raise
        except UnidentifiedImageError as error:
            raise InputError(f"{path} is not an image that can be read: expected {_NAMES}") from error
        except (Image.DecompressionBombError, MemoryError) as error:
            raise InputError(
                f"{path} is too large to be opened: at most {MAX_SIDE:,} pixels on a side and {MAX_PIXELS:,} in all "
                "are read; shrink it or cut out a part"
            ) from error
        except Exception as error:  # on damaged data Pillow's decoders raise nearly anything
            raise InputError(
                f"{path} is damaged and cannot be decoded ({error}): get a whole copy of it or leave it out"
            ) from error


def _opened(path: Path) -> io.BufferedReader:
    if os.path.isdir(path):  # a name may be too long to ask a Path about
        raise InputError(f"{path} is a folder where an image file was expected: name a file in it")
    if not os.path.exists(path):
        raise InputError(f"there is no file {path}: check the path, it is looked up from {Path.cwd()}")
    if not os.path.isfile(path):
        raise InputError(f"{path} is neither a file nor a folder: expected an image file, {_NAMES}")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; choose a file that you can read") from error
    if not os.fstat(stream.fileno()).st_size:
        stream.close()
        raise InputError(f"{path} is empty (0 bytes): get a whole copy of it or leave it out")
    return stream


def _check_size(path: Path, width: int, height: int) -> None:
    size = f"{path} is {width:,} x {height:,} pixels"
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{size}: an image needs at least {MIN_SIDE} pixels on each side, choose a larger one")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"{size}: at most {MAX_SIDE:,} on a side and {MAX_PIXELS:,} in all are read; shrink it or cut out a part"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InputError(
            f"{size}: the longer side may be at most {MAX_ASPECT} times the shorter; cut out the part that matters"
        )


def _to_rgb(path: Path, image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    image.seek(0)
    image.load()
    with contextlib.suppress(Exception):  # a damaged EXIF block says nothing about which way is up
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16"):
        return _from_16_bits(image)
    if image.mode in ("I", "F"):
        raise InputError(
            f"{path} has 32-bit values, whose range is not known: convert it to 8 or 16 bits per channel first"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _from_16_bits(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    values = np.asarray(image).astype(np.uint32)
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)  # rounded, not clipped
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return np.repeat(grey[..., None], 3, axis=-1)


def resize_image(image: UInt8[np.ndarray, "h w 3"], size: int, *, crop: bool = True) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Resizes an image with antialiasing so that its shorter side has `size` pixels.

    Args:
        image: `(h, w, 3)` RGB in [0, 255].
        size: pixels on the shorter side.
        crop: keep only the square in the centre; otherwise the aspect ratio stays.

    Returns:
        `(size, size, 3)`, or with `crop=False` the shorter side `size` and the longer one in proportion (rounded).

    Raises:
        InputError: if `size` is not positive or larger than MAX_SIDE.

    Example:
        >>> resize_image(np.zeros((20, 30, 3), np.uint8), 10, crop=False).shape
        (10, 15, 3)
    """
    if not 1 <= size <= MAX_SIDE:
        raise InputError(f"cannot resize an image to {size} pixels: choose a size from 1 to {MAX_SIDE}")
    height, width = image.shape[:2]
    short = min(height, width)
    # Cutting the square out of the source equals cutting it out of the result and never makes a huge intermediate.
    left, top = ((width - short) / 2, (height - short) / 2) if crop else (0.0, 0.0)
    box = (left, top, width - left, height - top)
    rows, columns = (size, size) if crop else resized_size((height, width), size)
    return np.array(Image.fromarray(image).resize((columns, rows), Image.Resampling.BICUBIC, box=box))


def resized_size(size: tuple[int, ...], short: int) -> tuple[int, int]:
    """Height and width of an image whose shorter side is brought to `short` pixels, the longer one in proportion.

    Example:
        >>> resized_size((20, 30), 10)
        (10, 15)
    """
    height, width = (max(round(side * short / min(size)), 1) for side in size)
    return height, width


def read_images(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], size: int = 224
) -> tuple[tuple[str, ...], Float[np.ndarray, "n size size 3"]]:
    """Reads image files, folders and globs into one batch: short side to `size`, centre crop.

    Args:
        paths: see `find_images`.
        size: side of the square images in pixels.

    Returns:
        Names `(n,)`, file names without suffix, numbered where two are the same; images `(n, size, size, 3)`, float32
        RGB in [0, 1].

    Raises:
        InputError: if no image is found, or one of them cannot be read; the sentence names it.

    Example:
        >>> import tempfile
        >>> from jaxvision.data import write_image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/sky.png", np.full((30, 40, 3), [0.0, 0.5, 1.0]))
        ...     names, images = read_images(folder, size=16)
        >>> names, images.shape, images.dtype.name
        (('sky',), (1, 16, 16, 3), 'float32')
    """
    files = find_images(paths)
    images = [resize_image(read_image(file), size) for file in files]
    return _distinct([file.stem for file in files]), np.stack(images).astype(np.float32) / np.float32(255)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Appends -2, -3 ... where a name occurs again, so that names can become file names."""
    distinct: list[str] = []
    for name in names:
        candidates = itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2)))
        distinct.append(next(c for c in candidates if c not in distinct and (c == name or c not in names)))
    return tuple(distinct)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, bytes]:
    """The EXIF block and colour profile of an image file, for a picture that is made from it.

    Args:
        path: an image file that `read_image` reads.

    Returns:
        "exif" and "icc_profile", each only where the file has it; the rotation is taken out of EXIF, as `read_image`
        returns images upright.

    Raises:
        InputError: if the file cannot be opened.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (4, 3)).save(Path(folder) / "plain.png")
        ...     read_metadata(Path(folder) / "plain.png")
        {}
    """
    path = Path(path)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            _opened(path) as stream,
            Image.open(stream, formats=_FORMATS) as image,
        ):
            exif, profile = image.getexif(), image.info.get("icc_profile")
            exif.pop(ExifTags.Base.Orientation, None)
            # A profile for grey or CMYK does not describe the RGB that is written.
            found = {
                "exif": exif.tobytes() if len(exif) else None,
                "icc_profile": profile if image.mode == "RGB" else None,
            }
    except InputError:
        raise
    except Exception as error:  # on damaged data Pillow's readers raise nearly anything
        raise InputError(f"{path} cannot be read as an image ({error}): expected {_NAMES}") from error
    return {name: value for name, value in found.items() if value}

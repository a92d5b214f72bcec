"""Image files out: PNG or JPEG, whole or not at all."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped, UInt8
from PIL import Image

from jaxvision.errors import InputError
from jaxvision.files import atomic_write


def write_image(
    path: str | os.PathLike[str],
    image: Shaped[Array, "..."] | Shaped[np.ndarray, "..."],
    *,
    metadata: Mapping[str, bytes] | None = None,
) -> None:
    """Writes an image as PNG or JPEG, whole or not at all.

    Args:
        path: ends in .png, .jpg or .jpeg; folders are made as needed.
        image: `(h, w, 3)` RGB, `(h, w, 1)` or `(h, w)` grey; floats in [0, 1] or uint8 in [0, 255].
        metadata: EXIF block and colour profile to keep, of `read_metadata`.

    Raises:
        InputError: if the suffix, the shape, the type or the range is another, or the file cannot be written.

    Example:
        >>> write_image("picture.bmp", np.zeros((2, 2, 3)))
        Traceback (most recent call last):
        jaxvision.errors.InputError: cannot write picture.bmp: choose a name that ends in .png, .jpg or .jpeg
    """
    path = Path(path)
    kind = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"cannot write {path}: choose a name that ends in .png, .jpg or .jpeg")
    pixels = _to_bytes(path, np.asarray(image))
    encoded = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(pixels).save(encoded, kind, **options, **(metadata or {}))
    with atomic_write(path) as stream:
        stream.write(encoded.getvalue())


def _to_bytes(path: Path, image: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[-1] == 3)):
        raise InputError(f"cannot write {path}: expected one image of shape (h, w, 3) or (h, w), got {image.shape}")
    if image.dtype == np.uint8:
        return image
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise InputError(f"cannot write {path}: expected floats in [0, 1] or uint8, got {image.dtype}")
    image = image.astype(np.float32)
    low, high = float(image.min()), float(image.max())
    if not (low >= -1e-5 and high <= 1 + 1e-5):
        raise InputError(
            f"cannot write {path}: expected floats in [0, 1], got values from {low:.3g} to {high:.3g}; "
            "denormalise or clip the image first"
        )
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)

"""Photographs to train on, kept on the device as bytes, and random pieces of them."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from jaxvision.data import SAMPLES, find_images, read_image, resize_image, sample_file
from jaxvision.errors import InputError
from jaxvision.files import home
from jaxvision.pixels import normalize
from jaxvision.training import shuffled

MOST = 2048  # photographs kept: at 256 pixels 400 MB


def photographs(named: str) -> tuple[list[Path], str]:
    """The files that a `--photos` flag names.

    Args:
        named: "samples", the photographs that come with scikit-image; "coco", those of JAXVISION_HOME/coco_mini; or an
            image file, a folder or a glob.

    Returns:
        At most `MOST` files, evenly spread where there are more, and half a sentence on what they are.

    Raises:
        InputError: if there are none.
    """
    if named == "samples":
        return [sample_file(name) for name in SAMPLES], f"the {len(SAMPLES)} sample photographs of scikit-image"
    if named == "coco":
        folder = home() / "coco_mini" / "train2017"
        if not folder.is_dir():
            raise InputError(
                f"{folder} is not there: put COCO's photographs into it, or name another folder with --photos"
            )
        named = str(folder)
    files = find_images(named)
    chosen = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, min(len(files), MOST)).round().astype(int))]
    some = "" if len(chosen) == len(files) else f", {len(chosen)} of them, evenly spread"
    return chosen, f"{len(files)} images of {Path(named).name}{some}"


def squares(files: Sequence[Path], side: int) -> UInt8[np.ndarray, "m side side 3"]:
    """The middle square of each picture.

    Args:
        files: of the pictures.
        side: pixels.

    Returns:
        `(m, side, side, 3)` RGB in [0, 255].

    Raises:
        InputError: if a file cannot be read.
    """
    return np.stack([resize_image(read_image(file), side) for file in files])


def random_crops(
    pictures: UInt8[Array, "m s s 3"], key: Key[Array, ""], step: Int[Array, ""], *, batch_size: int, side: int
) -> Float[Array, "n h h 3"]:
    """A batch of pieces: at a random place, from the whole square down to `side` pixels, and every other one mirrored.

    Args:
        pictures: `(m, s, s, 3)` RGB in [0, 255], s >= side.
        key: of the run.
        step: of the batch: each epoch shows every picture once.
        batch_size: N.
        side: of a piece in pixels.

    Returns:
        `(N, side, side, 3)`, ImageNet-normalised.
    """
    order, places = jax.random.split(key)
    rows = shuffled(order, step, batch_size=batch_size, n_examples=len(pictures))
    whole = pictures.shape[1]

    def one(picture: UInt8[Array, "s s 3"], key: Key[Array, ""]) -> Float[Array, "h h 3"]:
        zoom, top, left, flip = jax.random.uniform(key, (4,))
        window = side + zoom * (whole - side)  # pixels of the picture that the piece shows
        scale = side / window
        offset = jnp.stack([top, left]) * (whole - window)
        piece = jax.image.scale_and_translate(
            picture.astype(jnp.float32), (side, side, 3), (0, 1), jnp.stack([scale, scale]), -offset * scale, "linear"
        )
        return jnp.where(flip < 0.5, piece, piece[:, ::-1])

    keys = jax.random.split(jax.random.fold_in(places, step), batch_size)
    return normalize(jax.vmap(one)(pictures[rows], keys) / 255)

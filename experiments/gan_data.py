"""What a generator learns to draw: small images, grey or in colour, on the device from the start."""

import glob
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key, UInt8

from jaxvision.data import cifar10, fashion_mnist, find_images, mnist, read_image, resize_image
from jaxvision.errors import InputError
from jaxvision.training import shuffled

Shape = tuple[int, int, int]  # height, width, channels

GREY, COLOUR = (28, 28, 1), (32, 32, 3)
SHAPES: dict[str, Shape] = {"digits": GREY, "mnist": GREY, "fashion_mnist": GREY, "cifar10": COLOUR, "folder": COLOUR}
DIGITS = ("digits", "mnist")  # whose classes LeNet knows
LEAST = 100  # images in a folder: fewer than ten held out would measure nothing


class Images(NamedTuple):
    """A data set, whole.

    Attributes:
        train: `(n, h, w, c)`, 0 to 255; of digits and clothes 0 is the ground.
        held_out: `(m, h, w, c)`, never trained on.
    """

    train: UInt8[np.ndarray, "n h w c"]
    held_out: UInt8[np.ndarray, "m h w c"]

    @property
    def shape(self) -> Shape:
        """Height, width and channels of an image."""
        height, width, channels = self.train.shape[1:]
        return height, width, channels


def load(dataset: str, folder: Path | None = None) -> Images:
    """The images of a data set.

    Args:
        dataset: "mnist", "fashion_mnist" or "cifar10", read below `JAXVISION_HOME` or downloaded; "digits":
            scikit-learn's 1,797 of 8 x 8 pixels, enlarged to 24 x 24 with a margin, which need no files; every fifth
            of them is held out; or "folder".
        folder: for "folder": all image files in it and in the folders below, in the order of their paths, the square
            in the centre brought to 32 x 32 pixels; every tenth is held out.

    Returns:
        The images, of the shape in SHAPES.

    Raises:
        InputError: if files are missing, damaged or too few, or scikit-learn is not installed.
    """
    published = {"mnist": mnist, "fashion_mnist": fashion_mnist, "cifar10": cifar10}
    if dataset in published:
        return Images(*(published[dataset](split)[0] for split in ("train", "test")))
    if dataset == "folder":
        if folder is None:
            raise InputError("--dataset folder needs to know which: give --images FOLDER")
        return _split(_of_folder(folder), 10)
    return _split(_small_digits(), 5)


def _split(images: UInt8[np.ndarray, "n h w c"], every: int) -> Images:
    held_out = np.arange(len(images)) % every == 0
    return Images(images[~held_out], images[held_out])


def _of_folder(folder: Path) -> UInt8[np.ndarray, "n h w 3"]:
    if not folder.is_dir():
        raise InputError(f"--images {folder} is no folder: name one that holds pictures, looked up from {Path.cwd()}")
    try:
        files = find_images(Path(glob.escape(str(folder)), "**"))
    except InputError as error:
        raise InputError(f"--images {folder}: {error}") from error
    if len(files) < LEAST:
        raise InputError(f"{folder} holds {len(files)} images: a generator needs at least {LEAST} to learn from")
    images, refused = [], {}
    for file in files:
        try:
            images.append(resize_image(read_image(file), COLOUR[0]))
        except InputError as error:
            refused[file] = error
    if refused:
        names = ", ".join(str(file.relative_to(folder)) for file in list(refused)[:5])
        more = ", ..." if len(refused) > 5 else ""
        raise InputError(
            f"{len(refused)} of the {len(files)} images in {folder} cannot be used, move them away: {names}{more}; of "
            f"the first, {next(iter(refused.values()))}"
        )
    return np.stack(images)


def _small_digits() -> UInt8[np.ndarray, "n 28 28 1"]:
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(
            'the small digits come with scikit-learn, which is not installed: pip install "jaxvision[demo]", or choose '
            "--dataset mnist"
        ) from error
    small = (load_digits(return_X_y=True)[0].reshape(-1, 8, 8) / 16 * 255).round().astype(np.uint8)
    digits = np.zeros((len(small), *GREY), np.uint8)
    for digit, image in zip(digits, small, strict=True):
        digit[2:-2, 2:-2] = resize_image(np.repeat(image[..., None], 3, axis=2), GREY[0] - 4)[..., :1]
    return digits


def batches(
    images: UInt8[np.ndarray, "n h w c"], keys: Key[Array, " r"], *, n_critic: int, batch_size: int
) -> Callable[[Int[Array, ""]], tuple[Array]]:
    """Real images for `alternating_step`, as a function of the step's number alone.

    Args:
        images: 0 to 255.
        keys: one for each replica, which reads in an order of its own.
        n_critic: updates of the critic in a step.
        batch_size: images in an update.

    Returns:
        `step -> (images,)`, `(r, n_critic, batch_size, h, w, c)` in [-1, 1].
    """
    return Partial(partial(_batch, n_critic=n_critic, batch_size=batch_size), jnp.asarray(images), keys)


def signed(images: UInt8[Array, "*n h w c"]) -> Float[Array, "*n h w c"]:
    """0 to 255 as -1 to 1, the range of a generator's tanh."""
    return images.astype(jnp.float32) / 127.5 - 1


def unsigned(images: Float[Array, "*n h w c"]) -> UInt8[Array, "*n h w c"]:
    """-1 to 1 as 0 to 255."""
    return jnp.round((images + 1) * 127.5).astype(jnp.uint8)


def _batch(images: Array, keys: Array, step: Array, *, n_critic: int, batch_size: int) -> tuple[Array]:
    order = partial(shuffled, batch_size=n_critic * batch_size, n_examples=len(images))
    rows = jax.vmap(lambda key: order(key, step))(keys)  # (r, n_critic * batch_size)
    return (signed(images[rows.reshape(len(keys), n_critic, batch_size)]),)

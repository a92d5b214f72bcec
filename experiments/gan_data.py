"""What a generator learns to draw: digits and clothes of 28 x 28 pixels, on the device from the start."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key, UInt8

from jaxvision.data import mnist, resize_image
from jaxvision.errors import InputError
from jaxvision.training import shuffled

SIDE = 28


class Images(NamedTuple):
    """A data set, whole.

    Attributes:
        train: `(n, 28, 28, 1)`, 0 is the paper and 255 the ink.
        held_out: `(m, 28, 28, 1)`, never trained on.
        classes: what the ten classes are called.
    """

    train: UInt8[np.ndarray, "n 28 28 1"]
    held_out: UInt8[np.ndarray, "m 28 28 1"]
    classes: tuple[str, ...]


def load(dataset: str) -> Images:
    """The images of a data set.

    Args:
        dataset: "mnist", read below `JAXVISION_HOME` or downloaded, or "digits": scikit-learn's 1,797 of 8 x 8 pixels,
            enlarged to 24 x 24 with a margin, which need no files; every fifth of them is held out.

    Returns:
        The images.

    Raises:
        InputError: if files are missing or damaged, or scikit-learn is not installed.
    """
    if dataset == "mnist":
        return Images(mnist("train")[0], mnist("test")[0], tuple("0123456789"))
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(
            'the small digits come with scikit-learn, which is not installed: pip install "jaxvision[demo]", or choose '
            "--dataset mnist"
        ) from error
    small = (load_digits().images / 16 * 255).round().astype(np.uint8)  # (1797, 8, 8)
    digits = np.zeros((len(small), SIDE, SIDE, 1), np.uint8)
    for digit, image in zip(digits, small, strict=True):
        digit[2:-2, 2:-2] = resize_image(np.repeat(image[..., None], 3, axis=2), SIDE - 4)[..., :1]
    held_out = np.arange(len(digits)) % 5 == 0
    return Images(digits[~held_out], digits[held_out], tuple("0123456789"))


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
    function = partial(_batch, n_critic=n_critic, batch_size=batch_size)
    return Partial(function, jnp.asarray(images), keys)


def signed(images: UInt8[Array, "*n h w c"]) -> Float[Array, "*n h w c"]:
    """0 to 255 as -1 to 1, the range of a generator's tanh."""
    return images.astype(jnp.float32) / 127.5 - 1


def _batch(images: Array, keys: Array, step: Array, *, n_critic: int, batch_size: int) -> tuple[Array]:
    order = partial(shuffled, batch_size=n_critic * batch_size, n_examples=len(images))
    rows = jax.vmap(lambda key: order(key, step))(keys)  # (r, n_critic * batch_size)
    return (signed(images[rows.reshape(len(keys), n_critic, batch_size)]),)

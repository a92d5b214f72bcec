"""What a classifier can be trained on: training batches by step and held-out batches by number."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key, UInt8

from jaxvision.data import SCENE_CLASS_NAMES, mnist, scene_batch, split_key
from jaxvision.training import shuffled

HELD_OUT_BATCH = 100

Batch = tuple[Float[Array, "n h w c"], Int[Array, " n"]]


@dataclass(frozen=True)
class Task:
    """A data set as functions, which a compiled loop calls with the number of its step.

    Args:
        class_names: `K` names.
        train: `step -> (images, labels)`, images `(n, h, w, c)` in [0, 1].
        held_out: `index -> (images, labels)`, `HELD_OUT_BATCH` images that are never trained on.
        data: one sentence on what it is and how it is split.
    """

    class_names: tuple[str, ...]
    train: Callable[[Int[Array, ""]], Batch]
    held_out: Callable[[Int[Array, ""]], Batch]
    data: str


def scenes(batch_size: int, seed: int) -> Task:
    """Procedural scenes, 64 px in colour, 64 classes; every training batch is new.

    Args:
        batch_size: training images in a batch.
        seed: of the training scenes; the held-out ones are the same for every training.
    """
    return Task(
        SCENE_CLASS_NAMES,
        Partial(partial(_scenes, batch_size=batch_size), split_key(seed, "train")),
        Partial(partial(_scenes, batch_size=HELD_OUT_BATCH), split_key(0, "test")),
        f"procedural scenes, rendered while training and never repeated (split `train`, seed {seed}); "
        "scored on scenes of the split `test`, seed 0",
    )


def digits(batch_size: int, seed: int) -> Task:
    """MNIST, 28 px grey, 10 classes; training digits are distorted anew each time they are shown.

    Args:
        batch_size: training images in a batch.
        seed: of order and distortion.

    Raises:
        InputError: if the files are neither in `JAXVISION_HOME` nor to be had.
    """
    train, test = (tuple(jnp.asarray(part) for part in mnist(split)) for split in ("train", "test"))
    return Task(
        tuple("0123456789"),
        Partial(partial(_distorted_digits, batch_size=batch_size), *train, jax.random.key(seed)),
        Partial(_digits, *test),
        "MNIST, the 60,000 training digits, each epoch shifted, turned, scaled and sheared anew; "
        "scored on the 10,000 test digits",
    )


def distort(
    images: Float[Array, "n h w c"],
    key: Key[Array, ""],
    *,
    shift: float = 2.0,
    turn: float = 0.2,
    scale: float = 0.12,
    shear: float = 0.15,
) -> Float[Array, "n h w c"]:
    r"""A random affine map of each image about its centre, sampled bilinearly, black outside.

    $$ I'(p) = I(A (p - c) + c + t), \qquad A = R(\theta) \begin{pmatrix} s_y & 0 \\ h & s_x \end{pmatrix} $$

    Args:
        images: `(n, h, w, c)`, any units with 0 as background.
        key: one image draws from `fold_in(key, index)`.
        shift: largest |t| along each axis, pixels.
        turn: largest |theta|, radians.
        scale: s is drawn from `[1 - scale, 1 + scale]`, both axes apart.
        shear: largest |h|.

    Returns:
        `(n, h, w, c)`.

    Example:
        >>> still = distort(jnp.ones((1, 3, 3, 1)), jax.random.key(0), shift=0.0, turn=0.0, scale=0.0, shear=0.0)
        >>> bool(jnp.allclose(still, 1))
        True

    References:
        Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
        analysis", ICDAR 2003, section 2 (affine distortions; no elastic ones here).
    """
    spread = jnp.asarray([shift, shift, turn, scale, scale, shear])

    def one(image: Float[Array, "h w c"], key: Key[Array, ""]) -> Float[Array, "h w c"]:
        t_y, t_x, theta, a, b, h = spread * jax.random.uniform(key, (6,), minval=-1.0, maxval=1.0)
        center = (jnp.asarray(image.shape[:2], jnp.float32) - 1) / 2
        rows, columns = jnp.meshgrid(*(jnp.arange(size, dtype=jnp.float32) for size in image.shape[:2]), indexing="ij")
        y, x = (1 + a) * (rows - center[0]), (1 + b) * (columns - center[1]) + h * (rows - center[0])
        cos, sin = jnp.cos(theta), jnp.sin(theta)
        at = [cos * y - sin * x + center[0] + t_y, sin * y + cos * x + center[1] + t_x]
        sample = lambda channel: map_coordinates(channel, at, order=1, mode="constant")  # noqa: E731
        return jax.vmap(sample, in_axes=-1, out_axes=-1)(image)

    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.arange(images.shape[0]))
    return jax.vmap(one)(images, keys)


# The size of a batch is bound by functools.partial: what Partial binds becomes an array.


def _scenes(key: Key[Array, ""], index: Int[Array, ""], *, batch_size: int) -> Batch:
    return scene_batch(jax.random.fold_in(key, index), batch_size)


def _distorted_digits(
    images: UInt8[Array, "m h w 1"],
    labels: Int[Array, " m"],
    key: Key[Array, ""],
    step: Int[Array, ""],
    *,
    batch_size: int,
) -> Batch:
    order, distortion = jax.random.split(key)
    rows = shuffled(order, step, batch_size=batch_size, n_examples=images.shape[0])
    batch = images[rows].astype(jnp.float32) / 255
    return distort(batch, jax.random.fold_in(distortion, step)), labels[rows]


def _digits(images: UInt8[Array, "m h w 1"], labels: Int[Array, " m"], index: Int[Array, ""]) -> Batch:
    rows = index * HELD_OUT_BATCH + jnp.arange(HELD_OUT_BATCH, dtype=jnp.int32)
    return images[rows].astype(jnp.float32) / 255, labels[rows]

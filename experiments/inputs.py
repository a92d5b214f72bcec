"""What the experiments share: the pictures they look at, and what a network says of them."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.networks import Network
from jaxvision.data import mnist, read_images, samples, scene_batch, split_key
from jaxvision.errors import InputError
from jaxvision.pixels import denormalize, normalize
from jaxvision.signatures import LogitsFn

BATCH = 8  # pictures in one dispatch: memory stays small however many there are


class Inputs(NamedTuple):
    """Pictures and what to call them: `n` names, and images `(n, h, w, 3)` in [0, 1]."""

    names: tuple[str, ...]
    images: Float[np.ndarray, "n h w c"]


def load_inputs(network: Network, paths: Sequence[str], *, n_samples: int, seed: int) -> Inputs:
    """The pictures a command was given, at the size its network was trained on, or samples that need no files.

    Args:
        network: decides the size and, without `paths`, the kind: photographs, held-out scenes or test digits.
        paths: files, folders or globs; none for samples.
        n_samples: how many samples.
        seed: which of the held-out scenes; photographs are the same for every seed.

    Returns:
        Names and images.

    Raises:
        InputError: if a file is missing, is no image or is too large, or a folder holds none.
    """
    if paths:
        names, images = read_images(paths, network.image_size)
    elif network.samples == "scenes":
        images, _ = scene_batch(split_key(seed, "test"), n_samples)
        names = [f"scene {i}" for i in range(n_samples)]
    elif network.samples == "digits":
        digits, _ = mnist("test")
        images = np.repeat(digits[:n_samples].astype(np.float32) / 255, 3, axis=-1)
        names = [f"digit {i}" for i in range(len(images))]
    else:
        names, images = samples(network.image_size)
        names, images = names[:n_samples], images[:n_samples]
    return Inputs(tuple(names), np.asarray(images, np.float32))


def probabilities(network: Network, images: Float[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n k"]:
    """What the network says of pictures in [0, 1].

    Args:
        network: the classifier.
        images: `(n, h, w, c)` in [0, 1].

    Returns:
        `(n, K)`, rows that sum to one.

    Raises:
        FloatingPointError: if a logit is not finite.
    """
    answers = np.empty((len(images), len(network.class_names)), np.float32)
    for rows in batches(len(images)):
        answers[rows] = _softmax(network.logits_fn, normalize(images[rows]))
    require_finite(answers, f"the answer of {network.name}")
    return answers


def batches(n: int) -> Iterator[Int[np.ndarray, " b"]]:
    """Rows of n pictures, in dispatches of one size so that one program serves them all.

    The last is filled up by repeating its first row: writing a result by rows writes the same twice.

    Args:
        n: how many pictures.

    Yields:
        `BATCH` row numbers.

    Example:
        >>> [rows.tolist() for rows in batches(10)]
        [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 8, 8, 8, 8, 8, 8]]
    """
    for begin in range(0, n, BATCH):
        rows = begin + np.arange(BATCH)
        yield np.where(rows < n, rows, begin)


def top(class_names: tuple[str, ...], row: Float[np.ndarray, " k"], k: int = 5) -> list[tuple[str, float]]:
    """The k most likely classes of one picture.

    Example:
        >>> top(("cat", "dog", "cow"), np.array([0.2, 0.5, 0.3]), k=2)
        [('dog', 0.5), ('cow', 0.3)]
    """
    return [(class_names[i], float(row[i])) for i in np.argsort(-row)[:k]]


def file_name(number: int, name: str) -> str:
    """A picture's name in a run directory: numbered from 1, so that names cannot collide, without odd characters.

    Example:
        >>> file_name(0, "my cat/at home.v2")
        '01_my_cat_at_home_v2.png'
    """
    return f"{number + 1:02d}_{re.sub(r'[^A-Za-z0-9-]+', '_', name)[:60]}.png"


def to_unit(images: Float[Array, "n h w c"]) -> Float[np.ndarray, "n h w c"]:
    """Normalised images as pictures in [0, 1] on the host; what lies outside is clipped."""
    return np.clip(np.asarray(denormalize(images)), 0, 1)


def require_number(config: Any, flag: str, *, at_least: float | None = None, above: float | None = None) -> None:
    """Refuses a setting that is out of range; None, the default to be chosen later, passes.

    Raises:
        InputError: one sentence that names the flag.

    Example:
        >>> from types import SimpleNamespace
        >>> require_number(SimpleNamespace(n_steps=-1), "n_steps", at_least=0)
        Traceback (most recent call last):
        jaxvision.errors.InputError: --n-steps must be at least 0, got -1
    """
    value = getattr(config, flag)
    words = f"at least {at_least}" if above is None else f"above {above}"
    # "not >=" and not "<": a NaN is refused too
    if value is not None and not (math.isfinite(value) and (value >= at_least if above is None else value > above)):
        raise InputError(f"--{flag.replace('_', '-')} must be {words}, got {value}")


def require_finite(values: np.ndarray, what: str) -> None:
    """Refuses numbers that would only spoil a figure.

    Raises:
        FloatingPointError: one sentence, if a value is NaN or infinite.

    Example:
        >>> require_finite(np.array([1.0, np.nan]), "the map")
        Traceback (most recent call last):
        FloatingPointError: the map is not finite (1 of 2 values): the weights are damaged or the step is too large
    """
    bad = int(np.size(values) - np.isfinite(values).sum())
    if bad:
        share = f"{bad} of {np.size(values)} values"
        raise FloatingPointError(f"{what} is not finite ({share}): the weights are damaged or the step is too large")


@jax.jit
def _softmax(logits_fn: LogitsFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return jax.nn.softmax(jnp.asarray(logits_fn(images)), axis=-1)

"""The choices that depend on the machine: the only place that asks which platform the program is for.

Measured on two AVX-512 cores with jax 0.10; `python -m experiments.benchmark` measures them again.
"""

import os
from typing import Literal

import jax

from jaxvision.onednn import library

MAX_PATCH_VALUES = 3_000_000  # per image; above, the compiler's own convolution is the faster
# For a smaller convolution it does not pay to leave the compiler's program and wake oneDNN's threads.
MIN_OPERATIONS = 100_000_000
# Two images of 224 x 224 at a time keep SqueezeNet's activations in the cache and both cores busy; with oneDNN eight,
# for fewer and larger calls. Batches of small images, as one trains on, are faster whole: each chunk would add up its
# own derivative of the weights.
CHUNK_PIXELS = 2 * 224 * 224
CHUNK_PIXELS_ONEDNN = 8 * 224 * 224
SMALL_PIXELS = 112 * 112


def prefers_onednn(operations: int) -> bool:
    """Whether oneDNN convolves: on a CPU, where it is installed (extra `onednn`), a large enough convolution.

    `JAXVISION_ONEDNN=off` in the environment leaves all to the compiler.

    Args:
        operations: multiplications and additions of the convolution.

    Returns:
        True for oneDNN.
    """
    return operations >= MIN_OPERATIONS and _has_onednn()


def _has_onednn() -> bool:
    wanted = os.environ.get("JAXVISION_ONEDNN", "on") != "off"
    return wanted and jax.default_backend() == "cpu" and library() is not None


def prefers_patches(height: int, width: int, channels: int, taps: int, stride: int) -> bool:
    """Whether a convolution is faster as one product over patches: on a CPU, while the patches fit its cache.

    Args:
        height: of the input.
        width: of the input.
        channels: of the input.
        taps: positions of the kernel, 9 for 3 x 3.
        stride: of the convolution.

    Returns:
        True for patches, False for the compiler's own convolution.
    """
    patch_values = height * width * channels * taps // stride**2
    return jax.default_backend() == "cpu" and patch_values <= MAX_PATCH_VALUES


def prefers_blocks(channels: int, features: int, taps: int) -> bool:
    """Whether a convolution is faster between blocks of pixels: on a CPU, with a large kernel and an image at an end.

    Args:
        channels: of the input.
        features: of the output.
        taps: positions of the kernel.

    Returns:
        True for blocks.
    """
    return jax.default_backend() == "cpu" and min(channels, features) <= 4 and taps >= 49


def prefers_rows(channels: int, taps: int) -> bool:
    """Whether a convolution is faster with patches of a single row: on a CPU, with a kernel from 5 x 5.

    Args:
        channels: of the input.
        taps: positions of the kernel.

    Returns:
        True for rows, False for one of the other forms.
    """
    return jax.default_backend() == "cpu" and taps >= 25 and channels >= 16


def transposed_form(features: int) -> Literal["rows", "subpixel", "direct"]:
    """The fastest form of a transposed convolution: on a CPU a matrix product and shifted sums.

    Args:
        features: of the output.

    Returns:
        "rows", or "subpixel" for an image, on a CPU; elsewhere "direct", the compiler's own.
    """
    if jax.default_backend() != "cpu":
        return "direct"
    return "rows" if features >= 16 else "subpixel"


def chunk_size(n: int, height: int, width: int, *, sparing: bool = False) -> int:
    """How many images go through a network at a time: on a CPU as many as its cache holds, elsewhere all of them.

    Args:
        n: images in the batch.
        height: of an image.
        width: of an image.
        sparing: of memory rather than of time.

    Returns:
        A divisor of n.

    Example:
        >>> chunk_size(8, 1024, 1024), chunk_size(128, 64, 64)  # on a CPU
        (1, 128)
    """
    if jax.default_backend() != "cpu" or height * width <= SMALL_PIXELS:
        return n
    pixels = CHUNK_PIXELS_ONEDNN if _has_onednn() and not sparing else CHUNK_PIXELS
    most = max(1, pixels // (height * width))
    return max((size for size in range(1, min(most, n) + 1) if n % size == 0), default=0)

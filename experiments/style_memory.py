"""How much memory a style transfer will take, from its compiled programs alone: no picture of that size is made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from experiments.style_stages import Course
from jaxvision.errors import InputError
from jaxvision.pixels import PixelProblem, PixelState, advance, start

ALWAYS_FITS = 1_000_000  # pixels of content and styles together, half a gigabyte: not looked at
# What no compiler counts, fitted to the peaks of whole runs on a CPU at 384, 512, 640, 768, 1024 and 1536 px (off by
# -1, +5, +3, -7, -8 and +6 %): buffers inside the kernels, as a share of the features, and programs and figures.
KERNELS = 0.2
PROGRAMS = 235 * 2**20
GRID = 16  # the largest size that fits is a multiple of this


@dataclass(frozen=True)
class Memory:
    """Bytes that the largest program of a run needs at once."""

    arrays: int
    """pictures, targets, weights and what the optimiser knows, before and after a step"""
    temporary: int
    """features and their derivatives, and what the kernels need beside them"""

    @property
    def total(self) -> int:
        """All of it, with the programs."""
        return self.arrays + self.temporary + PROGRAMS


def memory_needed(course: Course, content: tuple[int, int], *styles: tuple[int, int]) -> Memory:
    """What the last and largest stage of a run needs: its program is compiled for shapes, and asked.

    Args:
        course: the network, its layers, and the stages.
        content: height and width of the result.
        styles: height and width of each style.

    Returns:
        The bytes, on top of what the process already holds.
    """
    image, *pictures = (jax.ShapeDtypeStruct((1, *size, 3), jnp.float32) for size in (content, *styles))

    @jax.jit
    def begin(
        image: Float[Array, "1 h w 3"], pictures: Sequence[Float[Array, "1 _ _ 3"]]
    ) -> tuple[PixelProblem, PixelState]:
        problem = course.problem(len(course.stages) - 1, image, pictures, None)
        return problem, start(problem, image)

    problem, state = jax.eval_shape(begin, image, pictures)
    beginning = begin.lower(image, pictures).compile().memory_analysis()
    steps = advance.lower(problem, state, n_steps=2).compile().memory_analysis()
    assert beginning is not None, "every compiler says what its programs take"
    assert steps is not None
    kept = sum(math.prod(picture.shape) * 4 for picture in (image, image, *pictures))  # content, beginning, styles
    return Memory(
        arrays=steps.argument_size_in_bytes + steps.output_size_in_bytes + kept,
        temporary=int((1 + KERNELS) * max(steps.temp_size_in_bytes, beginning.temp_size_in_bytes)),
    )


def memory_there(n_devices: int = 1) -> int | None:
    """Bytes that can still be had: of so many accelerators, or without any of the machine; None if unknown."""
    limits = jax.devices()[0].memory_stats()
    if limits and "bytes_limit" in limits:
        return n_devices * (limits["bytes_limit"] - limits["bytes_in_use"])
    return _available(Path("/proc/meminfo"))


def require_memory(needed: Memory, side: int, there: int | None) -> None:
    """Refuses a size that does not fit.

    Args:
        needed: of the run.
        side: its short side in pixels.
        there: bytes that can be had; None if unknown, and then nothing is refused.

    Raises:
        InputError: one sentence with both numbers and the largest size that fits.

    Example:
        >>> require_memory(Memory(0, 4 * 2**30 - PROGRAMS), 2048, 2**30)
        Traceback (most recent call last):
        jaxvision.errors.InputError: a short side of 2048 pixels needs 4.0 GiB and 1.0 GiB is there: the largest --size that fits is 1024
    """  # noqa: E501 - the sentence as it is printed
    if there is None or needed.total <= there:
        return
    largest = int(side * math.sqrt(there / needed.total)) // GRID * GRID  # memory grows with the pixels
    raise InputError(
        f"a short side of {side} pixels needs {needed.total / 2**30:.1f} GiB and {there / 2**30:.1f} GiB is there: "
        f"the largest --size that fits is {largest}"
    )


def _available(meminfo: Path) -> int | None:
    """What Linux says could be had without swapping."""
    if not meminfo.exists():
        return None
    found = [line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:")]
    return int(found[0].split()[1]) * 1024 if found else None

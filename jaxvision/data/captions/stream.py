"""Pictures in batches for training: shuffled, decoded by threads or processes, resumed exactly."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jaxvision.data.captions.extra import extra
from jaxvision.data.captions.record import CaptionedImages
from jaxvision.data.cores import n_cores
from jaxvision.data.images import resize_image
from jaxvision.errors import InputError
from jaxvision.files import notice


def image_stream(
    images: CaptionedImages,
    *,
    batch_size: int,
    size: int,
    seed: int,
    num_epochs: int | None = None,
    threads: int | None = None,
    workers: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Batches of decoded pictures in a new random order in every epoch, read ahead of the training step.

    The order follows from the seed. `get_state()` of the iterator is a small dictionary that JSON can hold;
    `set_state(state)` of a new iterator with the same arguments goes on with exactly the batch that would have been
    next. A picture that cannot be decoded is left out with a line on standard error.

    Args:
        images: where the pictures come from.
        batch_size: pictures in a batch; what is left at the end of all epochs and fills no batch is dropped.
        size: side of the square images in pixels (short side resized, centre crop).
        seed: of the order.
        num_epochs: how often every picture comes; None for ever.
        threads: how many pictures are decoded at a time; as many as this process has cores if not given, since more
            wait for Python's lock. More of them help where files come slowly.
        workers: processes to decode in, each with `threads` and a part of the pictures; 0 for none: Pillow decodes JPEG
            without Python's lock, so that threads of one process are as good for a handful of cores. With processes,
            each drops what fills no batch of its own, and the batches are others than without.

    Returns:
        An iterator of {"image": `(batch_size, size, size, 3)` uint8 RGB, "index": `(batch_size,)` int32, the number of
        the picture in `images`}, with `get_state` and `set_state`.

    Raises:
        InputError: if a number is out of range, or the extra is not installed.

    Example:
        >>> from jaxvision.data.captions import captioned_scenes
        >>> scenes = captioned_scenes("train", 4, size=16, batch_size=4)
        >>> batch = next(image_stream(scenes, batch_size=2, size=8, seed=0))
        >>> batch["image"].shape, batch["index"].shape
        ((2, 8, 8, 3), (2,))

    References:
        Grain, https://google-grain.readthedocs.io, which orders, reads ahead and resumes.
    """
    threads = n_cores() if threads is None else threads
    if min(batch_size, size, threads) < 1 or workers < 0 or (num_epochs is not None and num_epochs < 1):
        raise InputError(
            f"cannot stream batches of {batch_size} at {size} pixels by {threads} threads and {workers} workers for "
            f"{num_epochs} epochs: choose positive numbers (workers from 0 on)"
        )
    if num_epochs is not None and batch_size > num_epochs * len(images):
        raise InputError(
            f"{num_epochs} epochs of {len(images)} pictures fill no batch of {batch_size}: choose a smaller batch"
        )
    with extra("pictures are read through grain, which"):
        import grain  # noqa: PLC0415 - an extra, a second to import
    numbers = grain.MapDataset.range(len(images)).seed(seed).shuffle().repeat(num_epochs)
    # With its result None a picture is left out: the batches are filled from what follows.
    decoded = numbers.map(_Decode(images, size)).to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(threads, 2 * batch_size))
    )
    batches = decoded.batch(batch_size, drop_remainder=True)
    if workers:
        from absl import flags  # noqa: PLC0415 - comes with grain

        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # grain's processes ask for flags that nobody has parsed here
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2))
    return iter(batches)


@dataclasses.dataclass(frozen=True)
class _Decode:
    """A class, not a closure: processes get it pickled."""

    images: CaptionedImages
    size: int

    def __call__(self, number: int) -> dict[str, np.ndarray] | None:
        try:
            image = resize_image(self.images[number].image, self.size)
        except InputError as error:
            notice(f"Left out: {error}")
            return None
        return {"image": image, "index": np.asarray(number, np.int32)}


@dataclasses.dataclass(frozen=True)
class Feeding:
    """Whether pictures come as fast as the step takes them; all in pictures per second.

    Attributes:
        decoded: what the stream alone gives out.
        needed: what the step alone takes in.
        together: what the two reach, one feeding the other.
    """

    decoded: float
    needed: float
    together: float

    def __str__(self) -> str:
        return (
            f"decode and resize {self.decoded:,.0f} pictures/s, the step takes {self.needed:,.0f}, together "
            f"{self.together:,.0f}"
        )


def measure_feeding(
    stream: Iterator[dict[str, np.ndarray]], step: Callable[[dict[str, np.ndarray]], Any], *, n_batches: int = 20
) -> Feeding:
    """Times a stream alone, a step alone on one batch again and again, and the two together.

    Args:
        stream: of `image_stream`; `3 * n_batches + 1` batches are taken.
        step: takes a batch; its result is waited for only at the end, as in training.
        n_batches: how many batches each of the three is timed over.

    Returns:
        Three rates; where `decoded` is well above `needed`, decoding does not hold training up.

    Example:
        >>> batches = iter([{"image": np.zeros((2, 8, 8, 3), np.uint8)}] * 7)
        >>> measure_feeding(batches, lambda batch: batch["image"].sum(), n_batches=2).decoded > 0
        True
    """
    batch = next(stream)
    jax.block_until_ready(step(batch))  # compiled before the clock runs
    for _ in range(n_batches):  # what was read ahead before the clock ran is used up
        next(stream)

    def rate(call: Callable[[], Any]) -> float:
        start, result = time.perf_counter(), None
        for _ in range(n_batches):
            result = call()
        jax.block_until_ready(result)
        return n_batches * len(batch["image"]) / (time.perf_counter() - start)

    return Feeding(rate(lambda: next(stream)), rate(lambda: step(batch)), rate(lambda: step(next(stream))))

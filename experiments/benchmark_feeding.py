"""Does reading pictures hold the network up? Measures what is read, what is needed, and both together.

Pictures are read, decoded and resized by threads ahead of the step (`data.captions.image_stream`, on grain); the step
is SqueezeNet's, forward (features of a captioner) or forward and backward (an image gradient). Where the first rate is
well above the second, and the third equals the second, reading costs nothing. Without flags the photographs that come
with scikit-image are read again and again. On two CPU cores reading and network share the same cores: of the gradient
step's 66 pictures a second 53 are reached, of the forward step's 178 only 106; features are therefore kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from experiments.command import command
from experiments.inputs import require_number
from jaxvision.backbones import logits_fn, squeezenet1_1
from jaxvision.data import SAMPLES, find_images, read_image, sample_file
from jaxvision.data.captions import CaptionedImage, image_stream, measure_feeding
from jaxvision.pixels import normalize
from jaxvision.training import new_run


@dataclass(frozen=True)
class Config:
    """The settings of one measurement."""

    images: tuple[Path, ...] = ()
    """files, folders or globs; none: the photographs of scikit-image"""
    step: Literal["forward", "gradient"] = "forward"
    """what the network does with a batch"""
    size: int = 224
    """pixels, side of the squares that the network sees"""
    batch_size: int = 16
    """pictures in a step"""
    n_batches: int = 20
    """batches that each of the three rates is timed over"""
    threads: int | None = None
    """that read and decode; none: one for each core"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/benchmark_feeding-NNN"""


@dataclass(frozen=True)
class Result:
    """What came out, pictures per second."""

    run_dir: Path
    decoded: float
    """read, decoded and resized, with no network beside it"""
    needed: float
    """that the network takes of one batch that is there already"""
    together: float
    """that both reach, one feeding the other"""


@dataclass(frozen=True)
class _Files:
    """Picture files as a source for a stream, `repeats` times over."""

    paths: tuple[Path, ...]
    repeats: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(map(str, range(len(self))))

    @property
    def captions(self) -> tuple[tuple[str, ...], ...]:
        return ((),) * len(self)

    @property
    def identity(self) -> str:
        return repr(self)

    def __len__(self) -> int:
        return len(self.paths) * self.repeats

    def __getitem__(self, index: SupportsIndex) -> CaptionedImage:
        number = int(index)
        return CaptionedImage(str(number), read_image(self.paths[number % len(self.paths)]), ())

    def __iter__(self) -> Iterator[CaptionedImage]:
        return (self[number] for number in range(len(self)))


def main(config: Config) -> Result:
    """Measures the three rates.

    Args:
        config: the settings.

    Returns:
        The rates.

    Raises:
        InputError: if a number is below 1, or files cannot be read.
    """
    for flag in ("size", "batch_size", "n_batches", "threads"):
        require_number(config, flag, at_least=1)
    paths = tuple(find_images(config.images)) if config.images else tuple(sample_file(name) for name in SAMPLES)
    files = _Files(paths, repeats=-(-4 * config.n_batches * config.batch_size // len(paths)))
    stream = image_stream(files, batch_size=config.batch_size, size=config.size, seed=0, threads=config.threads)
    step = partial(_STEPS[config.step], logits_fn(squeezenet1_1()))
    with new_run("benchmark_feeding", config, run_dir=config.run_dir) as run:
        rates = measure_feeding(stream, lambda batch: step(batch["image"]), n_batches=config.n_batches)
        result = Result(run.path, rates.decoded, rates.needed, rates.together)
        run.finish(result)
    print(
        f"{len(paths)} files, {config.step} step at {config.size} px: {rates.decoded:.0f} pictures a second are read, "
        f"{rates.needed:.0f} needed, {rates.together:.0f} reached together"
    )
    return result


@jax.jit
def _forward(logits_fn: Any, images: UInt8[Array, "n s s 3"]) -> Float[Array, "n k"]:
    return logits_fn(normalize(images.astype(jnp.float32) / 255))


@jax.jit
def _gradient(logits_fn: Any, images: UInt8[Array, "n s s 3"]) -> Float[Array, "n s s 3"]:
    return jax.grad(lambda images: jnp.sum(logits_fn(normalize(images))))(images.astype(jnp.float32) / 255)


_STEPS = {"forward": _forward, "gradient": _gradient}


if __name__ == "__main__":
    command(main, Config)

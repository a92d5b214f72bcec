"""Rows of the benchmark: scenes rendered, and pictures read into batches, and what others run for them.

Reading is no compiled program: nothing is compiled, no operations are counted, and its bytes are the files' pixels and
those of the batches.
"""

import atexit
import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, SupportsIndex

import jax
import numpy as np
from PIL import Image

from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.timing import Compiling, Costs, compiled, costs
from jaxvision.data import read_image
from jaxvision.data.captions import CaptionedImage, image_stream
from jaxvision.data.scenes import Scene, render_scene, sample_scene

N_SCENES, SCENE_SIZE = 64, 64
N_PICTURES, SIZE, BATCH = 256, 224, 64
FILE_SIZE = (640, 480)  # of photographs as COCO has them
N_FILES = 32  # different ones
WORKERS = (0, 1, 2)  # processes of a DataLoader


def programs(
    setup: Setup, *, n_scenes: int = N_SCENES, n_pictures: int = N_PICTURES, size: int = SIZE, batch_size: int = BATCH
) -> Programs:
    """The rows by name."""
    return {
        f"{n_scenes} scenes rendered": partial(render, n_scenes, setup),
        f"input pipeline, {n_pictures} pictures": partial(
            read, n_pictures, setup, size=size, batch_size=batch_size, workers=WORKERS
        ),
    }


def render(n: int, setup: Setup, *, size: int = SCENE_SIZE) -> Program:
    """Given scenes as images."""
    name, scenes = f"{n} scenes rendered", drawn(n, setup.seed)
    call, compiling = compiled(partial(images_of, size=size), scenes)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    if setup.peers:
        from experiments import peers_data  # noqa: PLC0415 - PyTorch is an extra

        fields = {field: np.asarray(values) for field, values in scenes._asdict().items()}
        calls["NumPy, one by one"] = partial(peers_data.rendered, fields, size)
        calls["PyTorch, by kinds"] = peers_data.rendered_in_torch(fields, size)
    for form, other in calls.items():
        require_same(name, form, np.asarray(call()), np.asarray(other()))
    one = jax.tree.map(lambda x: x[:1], scenes)
    return Program(name, calls, compiling, costs(partial(images_of, size=size), one).times(n))


@functools.partial(jax.jit, static_argnums=0)
def _scenes(n: int, key: jax.Array) -> Scene:
    return jax.vmap(sample_scene)(jax.random.split(key, n))


def drawn(n: int, seed: int) -> Scene:
    """A batch of scenes."""
    return _scenes(n, jax.random.key(seed))


def images_of(scenes: Scene, *, size: int) -> jax.Array:
    """`(n, size, size, 3)`."""
    return jax.vmap(partial(render_scene, size=size))(scenes)[0]


def read(n: int, setup: Setup, *, size: int, batch_size: int, workers: tuple[int, ...]) -> Program:
    """An epoch of picture files: read, decoded, resized, in batches and in random order."""
    name, paths = f"input pipeline, {n} pictures", _files(n, setup.seed)
    pictures = Files(paths)

    def stream() -> Iterator[dict[str, np.ndarray]]:
        return image_stream(pictures, batch_size=batch_size, size=size, seed=setup.seed, num_epochs=1)

    def ours() -> int:
        return sum(len(batch["image"]) for batch in stream())

    calls: dict[str, Callable[[], Any]] = {"ours": ours}
    expected = in_order([(batch["index"], batch["image"]) for batch in stream()])
    for count in workers if setup.peers else ():
        from experiments import peers_data  # noqa: PLC0415 - PyTorch is an extra

        loader = peers_data.loader(paths, size=size, batch_size=batch_size, seed=setup.seed, workers=count)
        found = in_order([(index.numpy(), images.numpy()) for images, index in loader])
        form = f"DataLoader, {count} processes"
        require_same(name, form, *(x.astype(np.float32) for x in (expected, found)))
        calls[form] = partial(_consumed, loader)
    in_bytes = 3.0 * n * (FILE_SIZE[0] * FILE_SIZE[1] + size**2)
    return Program(name, calls, Compiling(0.0, 0.0), Costs(0.0, in_bytes))


def in_order(batches: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The images of an epoch, by the numbers of their files."""
    index, images = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images[np.argsort(index)]


def _consumed(loader: Any) -> int:
    return sum(len(images) for images, _ in loader)


@functools.cache
def _files(n: int, seed: int) -> tuple[Path, ...]:
    """Paths of `n` JPEGs, of which N_FILES differ, in a folder that lasts as long as the process."""
    folder = tempfile.TemporaryDirectory()  # read again and again
    atexit.register(folder.cleanup)
    rng, paths = np.random.default_rng(seed), list[Path]()
    for number in range(min(n, N_FILES)):
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(FILE_SIZE, Image.Resampling.BICUBIC), np.float32)
        noisy = np.clip(smooth + rng.normal(scale=8, size=smooth.shape), 0, 255).astype(np.uint8)
        paths.append(Path(folder.name) / f"{number}.jpg")
        Image.fromarray(noisy).save(paths[-1], quality=90)
    return tuple(paths[i % len(paths)] for i in range(n))


@dataclass(frozen=True)
class Files:
    """Picture files as a source for a stream."""

    paths: tuple[Path, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Numbers: a file may come twice."""
        return tuple(map(str, range(len(self))))

    @property
    def captions(self) -> tuple[tuple[str, ...], ...]:
        """None."""
        return ((),) * len(self)

    @property
    def identity(self) -> str:
        """All paths."""
        return repr(self)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: SupportsIndex) -> CaptionedImage:
        return CaptionedImage(str(int(index)), read_image(self.paths[int(index)]), ())

    def __iter__(self) -> Iterator[CaptionedImage]:
        return (self[number] for number in range(len(self)))

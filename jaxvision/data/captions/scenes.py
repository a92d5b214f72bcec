"""The procedural scenes as captioned images, with the semantics that the captions can be judged by."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt8

from jaxvision.data.captions.record import CaptionedImage
from jaxvision.data.scenes import Scene, describe, render_scene, sample_scene, split_key
from jaxvision.errors import InputError


@dataclasses.dataclass(frozen=True)
class CaptionedScenes:
    """Scenes drawn, rendered and described.

    Attributes:
        names: `(n,)` the number of each scene in its split.
        captions: `(n,)` five captions each.
        images: `(n, size, size, 3)` RGB in [0, 255].
        scenes: what there is to see, NumPy arrays with a leading axis `n`.
    """

    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    images: UInt8[np.ndarray, "n size size 3"]
    scenes: Scene

    @functools.cached_property
    def identity(self) -> str:
        """The SHA-256 of the images and captions."""
        return hashlib.sha256(self.images.tobytes() + repr(self.captions).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: SupportsIndex) -> CaptionedImage:
        return CaptionedImage(self.names[index], self.images[index], self.captions[index])

    def __iter__(self) -> Iterator[CaptionedImage]:
        return (self[i] for i in range(len(self)))

    def scene(self, index: SupportsIndex) -> Scene:
        """The semantics of one scene, for `judge`."""
        return Scene(*(field[index] for field in self.scenes))


def captioned_scenes(
    split: str,
    n: int,
    *,
    size: int = 64,
    seed: int = 0,
    first: int = 0,
    batch_size: int = 256,
    hard: bool = False,
) -> CaptionedScenes:
    """The first `n` scenes of a split with five captions each: always the same ones.

    Scene i has the key `fold_in(split_key(seed, split), i)`, as in `scene_batch(split_key(seed, split), n, size)`,
    however many are drawn with it.

    Args:
        split: "train", "validation" or "test".
        n: how many scenes.
        size: side of the images in pixels.
        seed: another seed gives other scenes.
        first: number of the first scene, to take a later stretch of the split.
        batch_size: scenes rendered at once, which changes nothing but the time; all batches are one compiled program.
        hard: scenes of four objects that cover parts of one another, see `sample_scene`.

    Returns:
        `n` images of `3 * size**2` bytes each, their captions and scenes.

    Raises:
        InputError: if the split has another name, or a number is out of range.

    Example:
        >>> source = captioned_scenes("train", 3, size=16, batch_size=4)
        >>> source.images.shape, len(source.captions[2]), source[2].name
        ((3, 16, 16, 3), 5, '2')
    """
    if n < 1 or size < 1 or batch_size < 1 or first < 0:
        raise InputError(
            f"cannot draw {n} scenes of {size} pixels from number {first} on, {batch_size} at a time: "
            "choose positive numbers, and a first scene from 0 on"
        )
    key = split_key(seed, split)
    images, scenes = [], []
    for start in range(first, first + n, batch_size):
        numbers = jnp.arange(start, start + batch_size)  # the last batch in full, too
        drawn = jax.device_get(_drawn(key, numbers, size, hard))
        images.append(drawn[0])
        scenes.append(drawn[1])
    scenes = jax.tree.map(lambda *fields: np.concatenate(fields)[:n], *scenes)
    captions = tuple(describe(Scene(*(field[i] for field in scenes))) for i in range(n))
    names = tuple(str(number) for number in range(first, first + n))
    return CaptionedScenes(names, captions, np.concatenate(images)[:n], scenes)


@functools.partial(jax.jit, static_argnames=("size", "hard"))
def _drawn(
    key: Key[Array, ""], numbers: Int[Array, " n"], size: int, hard: bool
) -> tuple[UInt8[Array, "n size size 3"], Scene]:
    def one(number: Int[Array, ""]) -> tuple[UInt8[Array, "size size 3"], Scene]:
        scene = sample_scene(jax.random.fold_in(key, number), hard=hard)
        image, _ = render_scene(scene, size)
        return jnp.round(image * 255).astype(jnp.uint8), scene

    return jax.vmap(one)(numbers)

"""The pointing game: does a captioner look at the object that it names?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvision.data.captions import CaptionedScenes
from jaxvision.data.scenes import COLORS, MAX_OBJECTS, SHAPES, Scene, render_scene

COVERED = 0.5  # share of some pixel of a cell that must show the object


@dataclass(frozen=True)
class Pointing:
    """How often the maximum of a word's attention lies on the object that the word names.

    Attributes:
        hits: share of the words.
        words: how many there were.
        chance: the share for a place drawn from all cells.
    """

    hits: float
    words: int
    chance: float

    def line(self) -> str:
        """What a reader is told."""
        return (
            f"attention's maximum lies on the named object for {100 * self.hits:.1f} % of {self.words} "
            f"(a place by chance: {100 * self.chance:.1f} %)"
        )


def pointing_game(
    captions: Sequence[str], maps: Float[np.ndarray, "n t l"], scenes: CaptionedScenes, side: int
) -> dict[str, Pointing]:
    """For words that name a shape or a colour which exactly one object of the scene has.

    A cell lies on an object where the object takes up half of one of its pixels at least.

    Args:
        captions: one for each scene.
        maps: `(N, T, L)`, each word's attention to L = side^2 cells, row by row.
        scenes: what there is to see.
        side: of the grid.

    Returns:
        By "shape" and "color".

    References:
        Zhang et al., "Top-down neural attention by excitation backprop", https://arxiv.org/abs/1608.00507, 2016,
        section 4.2. Departures: words instead of classes; a cell counts as a whole instead of a margin of pixels.
    """
    found: dict[str, list[tuple[bool, float]]] = {"shape": [], "color": []}
    on_objects = _cells_of(scenes, side)
    for index, caption in enumerate(captions):
        scene = scenes.scene(index)
        n = int(scene.n_objects)
        for place, word in enumerate(caption.split()[: maps.shape[1]]):
            for kind, names, values in (("shape", SHAPES, scene.shape), ("color", COLORS, scene.color)):
                named = np.flatnonzero(np.asarray(values[:n]) == names.index(word)) if word in names else ()
                if len(named) == 1:
                    cells = on_objects[index, named[0]]
                    found[kind].append((bool(cells[maps[index, place].argmax()]), float(cells.mean())))
    return {kind: _pointing(pairs) for kind, pairs in found.items()}


def _pointing(pairs: Sequence[tuple[bool, float]]) -> Pointing:
    hits, chance = np.mean(pairs, axis=0).tolist() if pairs else (0.0, 0.0)
    return Pointing(hits, len(pairs), chance)


def _cells_of(scenes: CaptionedScenes, side: int) -> Bool[np.ndarray, "n 4 l"]:
    """Which cells each object is in."""
    size = scenes.images.shape[1]
    masks = np.asarray(_masks(scenes.scenes, size))
    cell = size // side
    blocks = masks.reshape(len(scenes), MAX_OBJECTS, side, cell, side, cell).max(axis=(3, 5))
    return (blocks >= COVERED).reshape(len(scenes), MAX_OBJECTS, side * side)


@partial(jax.jit, static_argnames="size")
def _masks(scenes: Scene, size: int) -> Float[Array, "n 4 h w"]:
    return jax.lax.map(lambda scene: render_scene(scene, size)[1], scenes, batch_size=32)

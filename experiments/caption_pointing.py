"""The pointing game: does a captioner look at the object that it names?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int8

from jaxvision.data.captions import CaptionedScenes
from jaxvision.data.scenes import COLORS, MAX_OBJECTS, SHAPES, SIZES, TEXTURES, Scene, render_scene

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
    captions: Sequence[str],
    maps: Float[np.ndarray, "n t l"],
    scenes: CaptionedScenes,
    side: int,
    *,
    boxes: bool = False,
) -> dict[str, Pointing]:
    """Of the phrases that exactly one object of the scene fits, such as "small red ring", the shape and the colour.

    A cell lies on an object where the object takes up half of one of its pixels at least.

    Args:
        captions: one for each scene.
        maps: `(N, T, L)`, each word's attention to L = side^2 cells, row by row.
        scenes: what there is to see.
        side: of the grid.
        boxes: an object is also in every other cell of the smallest box around its cells, as where boxes are all that
            is annotated: the middle of a ring belongs to the ring.

    Returns:
        By "shape" and "color".

    References:
        Zhang et al., "Top-down neural attention by excitation backprop", https://arxiv.org/abs/1608.00507, 2016,
        section 4.2: masks for COCO's objects, boxes for VOC's. Departures: words instead of classes; a cell of 8 x 8
        pixels counts as a whole, where the paper takes a margin of 15 pixels around a point (4 pixels of 64, if its
        images have 224).
    """
    found: dict[str, list[tuple[bool, float]]] = {"shape": [], "color": []}
    on_objects = _cells_of(scenes, side)
    on_objects = _boxed(on_objects, side) if boxes else on_objects
    for index, place, kind, named in naming_words(captions, scenes):
        if place < maps.shape[1]:
            cells = on_objects[index, named]
            found[kind].append((bool(cells[maps[index, place].argmax()]), float(cells.mean())))
    return {kind: _pointing(pairs) for kind, pairs in found.items()}


def _named(words: Sequence[str], scene: Scene) -> Iterator[tuple[int, str, int]]:
    """Places of words that name a shape or a colour, which of the two, and the one object that fits their phrase.

    Example:
        >>> from jaxvision.data.scenes import sample_scene
        >>> scene = jax.device_get(sample_scene(jax.random.key(3)))
        >>> shape, color = SHAPES[scene.shape[0]], COLORS[scene.color[0]]
        >>> list(_named(["a", color, shape], scene))
        [(2, 'shape', 0), (1, 'color', 0)]
    """
    kinds = {"shape": SHAPES, "color": COLORS, "texture": TEXTURES, "size": SIZES}
    for noun, word in enumerate(words):
        if word not in SHAPES:
            continue
        fits, place, colored = np.arange(MAX_OBJECTS) < scene.n_objects, noun, None
        while place >= 0:
            kind = next((kind for kind, names in kinds.items() if words[place] in names), None)
            if kind is None or (kind == "shape" and place < noun):
                break
            fits &= np.asarray(getattr(scene, kind)) == kinds[kind].index(words[place])
            colored = place if kind == "color" else colored
            place -= 1
        if fits.sum() == 1:
            thing = int(fits.argmax())
            yield noun, "shape", thing
            if colored is not None:
                yield colored, "color", thing


class Named(NamedTuple):
    """Where the things are that captions name.

    Attributes:
        objects: `(K, T)`, which of its scene's objects a word names, a shape or a colour of a phrase that fits no other
            one; -1 where there is none.
        cells: `(M, 4, L)`, which cells each of a scene's objects is in.
    """

    objects: Int8[np.ndarray, "k t"]
    cells: Bool[np.ndarray, "m 4 l"]


def named_in(captions: Sequence[Sequence[str]], scenes: CaptionedScenes, side: int, length: int) -> Named:
    """What several captions of each scene name, one after the other.

    Args:
        captions: of each scene, K in all.
        scenes: M, what there is to see.
        side: of the grid.
        length: T, words of a caption that are looked at.
    """
    rows: list[Int8[np.ndarray, " t"]] = []
    for index, of_scene in enumerate(captions):
        scene = scenes.scene(index)
        for caption in of_scene:
            row = np.full(length, -1, np.int8)
            for place, _, thing in _named(caption.split(), scene):
                row[place : place + 1] = thing  # nothing, of a word that is not looked at
            rows.append(row)
    return Named(np.stack(rows), _cells_of(scenes, side))


def naming_words(captions: Sequence[str], scenes: CaptionedScenes) -> Iterator[tuple[int, int, str, int]]:
    """The words that name a shape or a colour, of phrases that exactly one object of their scene fits.

    Args:
        captions: one for each scene.
        scenes: what there is to see.

    Yields:
        The number of the caption and of the word in it, "shape" or "color", and the number of the object.
    """
    for index, caption in enumerate(captions):
        for place, kind, thing in _named(caption.split(), scenes.scene(index)):
            yield index, place, kind, thing


def _pointing(pairs: Sequence[tuple[bool, float]]) -> Pointing:
    hits, chance = np.mean(pairs, axis=0).tolist() if pairs else (0.0, 0.0)
    return Pointing(hits, len(pairs), chance)


def _cells_of(scenes: CaptionedScenes, side: int) -> Bool[np.ndarray, "n 4 l"]:
    """Which cells each object is in."""
    size = scenes.images.shape[1]
    masks = np.asarray(masks_of(scenes.scenes, size))
    cell = size // side
    blocks = masks.reshape(len(scenes), MAX_OBJECTS, side, cell, side, cell).max(axis=(3, 5))
    return (blocks >= COVERED).reshape(len(scenes), MAX_OBJECTS, side * side)


def _boxed(cells: Bool[np.ndarray, "n k l"], side: int) -> Bool[np.ndarray, "n k l"]:
    """The smallest box around some cells.

    Example:
        >>> _boxed(np.array([[[True, False, False, True]], [[False, True, False, False]]]), 2).astype(int).tolist()
        [[[1, 1, 1, 1]], [[0, 1, 0, 0]]]
    """
    grid = cells.reshape(*cells.shape[:2], side, side)
    rows, columns = (_between(np.logical_or.reduce(grid, axis=axis)) for axis in (3, 2))
    return (rows[:, :, :, None] & columns[:, :, None]).reshape(cells.shape)


def _between(marked: Bool[np.ndarray, "n k s"]) -> Bool[np.ndarray, "n k s"]:
    """From the first to the last that is marked."""
    before, after = np.cumsum(marked, axis=2) > 0, np.cumsum(marked[:, :, ::-1], axis=2) > 0
    return before & after[:, :, ::-1]


@partial(jax.jit, static_argnames="size")
def masks_of(scenes: Scene, size: int) -> Float[Array, "n 4 h w"]:
    """What each object takes up of each pixel, in [0, 1]."""
    return jax.lax.map(lambda scene: render_scene(scene, size)[1], scenes, batch_size=32)

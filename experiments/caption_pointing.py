"""The pointing game: does a captioner look at the object that it names?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jaxtyping import Array, Bool, Float

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
    captions: Sequence[str], maps: Float[np.ndarray, "n t l"], scenes: CaptionedScenes, side: int
) -> dict[str, Pointing]:
    """Of the phrases that exactly one object of the scene fits, such as "small red ring", the shape and the colour.

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


@partial(jax.jit, static_argnames="size")
def masks_of(scenes: Scene, size: int) -> Float[Array, "n 4 h w"]:
    """What each object takes up of each pixel, in [0, 1]."""
    return jax.lax.map(lambda scene: render_scene(scene, size)[1], scenes, batch_size=32)

"""What captions of scenes are made of: the words, the objects in words, and when a relation is plain to see."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxvision.data.scenes.vocabulary import COLORS, SHAPES, SIZES, TEXTURES, Scene
from jaxvision.errors import InputError

NUMBERS = ("one", "two", "three", "four")
PLURALS = {word: f"{word}es" if word.endswith("s") else f"{word}s" for word in (*SHAPES, "object")}
SIDES = ("to the left of", "to the right of", "above", "below")
FRAMES = ("", "there is", "this is", "a picture of", "an image of")
COMPARATIVES = {"largest": "larger", "smallest": "smaller"}

# What makes a relation plain to see: centres this far apart (image sides) and not just as far the other way;
# this share of an object covered by the one in front of it.
APART, ASKEW, _COVERED = 0.15, 0.7, 0.1


class Thing(NamedTuple):
    """One object in words, with where it is."""

    size: str
    texture: str
    color: str
    shape: str
    x: float
    y: float
    scale: float


def one_scene(scene: Scene, taker: str) -> Scene:
    """The scene with NumPy arrays for fields; a batch of scenes is an InputError that names the function `taker`."""
    if np.ndim(scene.n_objects):
        raise InputError(
            f"{taker} takes one scene, got a batch of shape {np.shape(scene.n_objects)}: "
            "take one out with jax.tree.map(lambda field: field[i], scenes)"
        )
    return jax.device_get(scene)


def things_in(scene: Scene) -> list[Thing]:
    """The objects of one scene, back to front; the scene's fields are NumPy arrays."""
    return [
        Thing(
            SIZES[scene.size[i]],
            TEXTURES[scene.texture[i]],
            COLORS[scene.color[i]],
            SHAPES[scene.shape[i]],
            float(scene.center[i, 0]),
            float(scene.center[i, 1]),
            float(scene.scale[i]),
        )
        for i in range(int(scene.n_objects))
    ]


def relations(things: list[Thing], hidden: Float[np.ndarray, "4 4"], i: int, j: int) -> list[str]:
    """How object i plainly stands to object j: "above", "in front of" and so on, or nothing.

    Args:
        things: the scene's objects.
        hidden: `(4, 4)` share of the row's object that the column's covers, see `Scene`.
        i: the object that the relation is said of.
        j: the object that it is related to.

    Returns:
        All relations that hold, at most one of SIDES among them.
    """
    found = []
    dx, dy = things[i].x - things[j].x, things[i].y - things[j].y
    if abs(dx) >= APART and abs(dy) <= ASKEW * abs(dx):
        found.append(SIDES[0 if dx < 0 else 1])
    if abs(dy) >= APART and abs(dx) <= ASKEW * abs(dy):
        found.append(SIDES[2 if dy < 0 else 3])
    if hidden[j, i] >= _COVERED:
        found.append("in front of")
    if hidden[i, j] >= _COVERED:
        found.append("behind")
    return found


def smallest_is_clear(things: list[Thing]) -> bool:
    """Small objects differ little in size: the smallest is named only where it is the only small one."""
    ranked = sorted(things, key=lambda thing: thing.scale)
    return len(ranked) > 1 and ranked[0].size == "small" and ranked[1].size == "large"


def article(words: str) -> str:
    """The words with "a" or "an" before them."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def counted(number: int, words: str) -> str:
    """`words` end in a noun: "a red ring", "two red rings"."""
    if number == 1:
        return article(words)
    *adjectives, noun = words.split()
    return " ".join([NUMBERS[number - 1], *adjectives, PLURALS[noun]])

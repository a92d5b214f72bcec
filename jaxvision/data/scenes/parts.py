"""What stands where in a scene, as labels for a grid of cells."""

import itertools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.data.scenes.vocabulary import BACKGROUNDS, COLORS, MAX_OBJECTS, SHAPES, SIZES, TEXTURES, Scene

GRID = 8
"""Cells along a side."""

PART_SIZES = {"shape": len(SHAPES), "color": len(COLORS), "texture": len(TEXTURES), "size": len(SIZES)}
"""What is asked of each object, and how many answers there are."""

_SCORES = {"there": 1, **PART_SIZES, "background": len(BACKGROUNDS)}
N_SCORES = sum(_SCORES.values())
"""Scores of a cell: whether an object's centre is in it, what it is like, and the background."""


class Parts(NamedTuple):
    """The labels of a scene's cells.

    Fields:
        there: `(8, 8)`, whether the centre of an object is in the cell.
        of_object: `(8, 8, 4)`, shape, colour, texture and size of that object, the front one of two.
        background: index into BACKGROUNDS.
    """

    there: Bool[Array, "g g"]
    of_object: Int[Array, "g g 4"]
    background: Int[Array, ""]


def scene_parts(scene: Scene) -> Parts:
    """The labels of one scene.

    Args:
        scene: one scene (not a batch; `jax.vmap` takes many).

    Returns:
        What is in each cell; rows are y, columns x.

    Example:
        >>> import jax
        >>> from jaxvision.data.scenes import sample_scene
        >>> scene = sample_scene(jax.random.key(3))
        >>> int(scene_parts(scene).there.sum()) == int(scene.n_objects)
        True
    """
    there = jnp.zeros((GRID, GRID), bool)
    of_object = jnp.zeros((GRID, GRID, len(PART_SIZES)), jnp.int32)
    for i in range(MAX_OBJECTS):  # from back to front
        x, y = jnp.clip((scene.center[i] * GRID).astype(jnp.int32), 0, GRID - 1)
        exists = i < scene.n_objects
        asked = jnp.stack([scene.shape[i], scene.color[i], scene.texture[i], scene.size[i]])
        there = there.at[y, x].set(there[y, x] | exists)
        of_object = of_object.at[y, x].set(jnp.where(exists, asked, of_object[y, x]))
    return Parts(there, of_object, scene.background)


def split_scores(scores: Float[Array, "*cells k"]) -> dict[str, Float[Array, "*cells _"]]:
    """The scores of cells by what they are of.

    Args:
        scores: `(..., 27)`.

    Returns:
        "there" `(..., 1)`, "shape" `(..., 8)`, "color", "texture", "size" and "background".

    Example:
        >>> {name: part.shape[-1] for name, part in split_scores(jnp.zeros((8, 8, 27))).items()}
        {'there': 1, 'shape': 8, 'color': 8, 'texture': 4, 'size': 2, 'background': 4}
    """
    *ends, _ = itertools.accumulate(_SCORES.values())
    return dict(zip(_SCORES, jnp.split(scores, ends, axis=-1), strict=True))

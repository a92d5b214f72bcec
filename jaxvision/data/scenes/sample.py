"""Draws scenes: which objects, where, and over which background."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.data.scenes.shapes import SHAPE_POINTS, select, shape_distances, to_local
from jaxvision.data.scenes.vocabulary import BACKGROUNDS, COLORS, MAX_OBJECTS, SHAPES, SIZES, TEXTURES, Scene
from jaxvision.errors import InputError

# Scales in image sides. The largest object covers at least (0.21 / 0.16)^2 = 1.72 times what the second does.
_LARGEST = (0.21, 0.26)
_SCALES = ((0.085, 0.105), (0.14, 0.16))  # the other objects: small, large
# Share of an object that has to be seen: the largest gives the scene its class, the others occur in captions.
_LARGEST_VISIBLE, _VISIBLE = 0.88, 0.6
_N_CANDIDATES = 6
_CROWD = 0.36  # hard scenes: how far from the largest object's centre the others are tried, in image sides

# sRGB, apart in hue; textures only darken, which keeps the hue.
_RGB = (
    (0.90, 0.10, 0.12),
    (1.00, 0.50, 0.05),
    (1.00, 0.88, 0.12),
    (0.12, 0.68, 0.22),
    (0.10, 0.83, 0.86),
    (0.13, 0.30, 0.92),
    (0.54, 0.16, 0.74),
    (1.00, 0.55, 0.76),
)

_SPLITS = ("train", "validation", "test")

# Of each object: where it is, whether it is there, which of its points are seen.
_Placed = tuple[Float[Array, "4 2"], Bool[Array, " 4"], Bool[Array, "4 64"]]


def split_key(seed: int, split: str) -> Key[Array, ""]:
    """The key of one of three endless, disjoint streams of scenes.

    Args:
        seed: any integer; the same seed gives the same scenes.
        split: "train", "validation" or "test".

    Returns:
        A key for `scene_batch`.

    Raises:
        InputError: if the split has another name.

    Example:
        >>> bool(split_key(0, "train") == split_key(0, "test"))
        False
    """
    if split not in _SPLITS:
        raise InputError(f"there is no split {split!r} of the scenes: choose one of {', '.join(_SPLITS)}")
    return jax.random.fold_in(jax.random.key(seed), _SPLITS.index(split))


def _pick(chance: Float[Array, "*n"], choices: Sequence[str]) -> Int[Array, "*n"]:
    """Turns uniform numbers into indices of `choices`."""
    return (chance * len(choices)).astype(jnp.int32)


def _offsets(shape: Int[Array, ""], scale: Float[Array, ""], rotation: Float[Array, ""]) -> Float[Array, "64 2"]:
    """Points of the object relative to its centre, in image coordinates."""
    u, v = jnp.moveaxis(jnp.asarray(SHAPE_POINTS)[shape] * scale, -1, 0)
    cos, sin = jnp.cos(rotation), jnp.sin(rotation)
    return jnp.stack([cos * u - sin * v, -(sin * u + cos * v)], axis=-1)


def _covers(
    shape: Int[Array, ""],
    center: Float[Array, " 2"],
    scale: Float[Array, ""],
    rotation: Float[Array, ""],
    points: Float[Array, "*points 2"],
) -> Bool[Array, "*points"]:
    """Whether the object covers each of the points."""
    u, v = to_local(points[..., 0], points[..., 1], center, scale, rotation)
    return select(shape, shape_distances(u, v)) < 0


def _in_frame(points: Float[Array, "*points 2"]) -> Bool[Array, "*points"]:
    return jnp.all((points > 0) & (points < 1), axis=-1)


def _place(
    key: Key[Array, ""],
    wanted: Int[Array, ""],
    shape: Int[Array, " 4"],
    color: Int[Array, " 4"],
    scale: Float[Array, " 4"],
    rotation: Float[Array, " 4"],
    depth: Float[Array, " 4"],
    *,
    hard: bool,
) -> tuple[Float[Array, "4 2"], Bool[Array, " 4"], Float[Array, " 4"]]:
    """Places the largest object (index 0) inside the frame, then each other one at the first of a few random places
    that leaves enough of every object to be seen and overlaps none of its own colour; in a hard scene at the one of
    them, all near the largest, where objects cover the most of each other. One that finds no such place is left out:
    nothing is left to chance and nothing loops without end.

    Returns:
        center `(4, 2)`, present `(4,)`, visible `(4,)`.
    """
    offsets = jax.vmap(_offsets)(shape, scale, rotation)  # (4, 64, 2)
    chances = jax.random.uniform(key, (MAX_OBJECTS, _N_CANDIDATES, 2))
    margin = 0.035  # the outline reaches a little beyond the outermost of the points
    low, high = margin - jnp.min(offsets[0], axis=0), 1 - margin - jnp.max(offsets[0], axis=0)
    first = low + (high - low) * chances[0, 0]
    others = jnp.arange(MAX_OBJECTS)
    needed = jnp.where(others == 0, _LARGEST_VISIBLE, _VISIBLE)

    def add(state: _Placed, i: Int[Array, ""]) -> tuple[_Placed, None]:
        center, present, seen = state

        def overlap(place: Float[Array, " 2"]) -> tuple[Bool[Array, "4 64"], Bool[Array, "4 64"]]:
            own, points = place[None] + offsets[i], center[:, None] + offsets  # (64, 2), (4, 64, 2)
            inside = jax.vmap(_covers, (0, 0, 0, 0, None))(shape, center, scale, rotation, own)
            return inside, _covers(shape[i], place, scale[i], rotation[i], points)

        def attempt(
            place: Float[Array, " 2"], inside: Bool[Array, "4 64"], around: Bool[Array, "4 64"]
        ) -> tuple[Bool[Array, ""], Bool[Array, "4 64"]]:
            inside = inside & present[:, None]  # own points that lie within others
            around = around & present[:, None]  # others' points that lie within this one
            in_front = (depth > depth[i])[:, None]
            own_seen = _in_frame(place[None] + offsets[i]) & ~jnp.any(inside & in_front, axis=0)
            after = jnp.where((others == i)[:, None], own_seen[None], seen & ~(around & ~in_front))
            enough = jnp.mean(after.astype(jnp.float32), axis=-1) >= needed
            merges = jnp.any(inside | around, axis=-1) & (color == color[i])
            return jnp.all((enough & ~merges) | ~(present | (others == i))), after

        places = jnp.clip(first[None] + _CROWD * (2 * chances[i] - 1), 0.06, 0.94) if hard else 0.06 + 0.88 * chances[i]
        # A loop, not `vmap`: XLA would compute the distances anew within each of the reductions that use them.
        overlaps = jax.lax.map(overlap, places)
        fits, after = jax.vmap(attempt)(places, *overlaps)
        covered = sum(jnp.sum(of_one & present[None, :, None], axis=(1, 2)) for of_one in overlaps) if hard else 0
        chosen = jnp.argmax(jnp.where(fits, 1 + covered, 0))
        exists = fits[chosen] & (i < wanted)
        seen = jnp.where(exists, after[chosen], seen)
        return (center.at[i].set(places[chosen]), present.at[i].set(exists), seen), None

    center = jnp.broadcast_to(first[None], (MAX_OBJECTS, 2))
    state = (center, others == 0, jnp.broadcast_to((others == 0)[:, None], (MAX_OBJECTS, 64)))
    (center, present, seen), _ = jax.lax.scan(add, state, jnp.arange(1, MAX_OBJECTS))
    return center, present, jnp.mean(seen.astype(jnp.float32), axis=-1)


def _hidden(
    center: Float[Array, "4 2"], shape: Int[Array, " 4"], scale: Float[Array, " 4"], rotation: Float[Array, " 4"]
) -> Float[Array, "4 4"]:
    """Share of object i inside object j, for objects sorted from back to front."""
    points = center[:, None] + jax.vmap(_offsets)(shape, scale, rotation)
    inside = jax.vmap(_covers, (0, 0, 0, 0, None), out_axes=1)(shape, center, scale, rotation, points)  # (4, 4, 64)
    return jnp.triu(jnp.mean(inside.astype(jnp.float32), axis=-1), k=1)


def _background(key: Key[Array, ""]) -> dict[str, Array]:
    """The background's share of a `Scene`: two greyish colours, so that saturated objects stand out on both."""
    chances = jax.random.uniform(key, (12 + 64,))
    low, gap = chances[0], chances[1]
    lightness = jnp.stack([0.22 + 0.40 * low, 0.44 + 0.40 * low + 0.10 * gap])
    lightness = jnp.where(chances[2] < 0.5, lightness, lightness[::-1])
    cast = 0.14 * (chances[3:9].reshape(2, 3) - 0.5)
    return {
        "background": _pick(chances[9], BACKGROUNDS),
        "background_colors": jnp.clip(jnp.broadcast_to(lightness[:, None], (2, 3)) + cast, 0.0, 1.0),
        "background_angle": 2 * jnp.pi * chances[10],
        "background_phase": chances[11],
        "background_noise": chances[12:].reshape(8, 8),
    }


@partial(jax.jit, static_argnames="hard")
def sample_scene(key: Key[Array, ""], *, hard: bool = False) -> Scene:
    """Draws one scene: one to four objects over a background, the first-drawn one clearly the largest.

    The largest object lies inside the frame and at least 88 % of it is seen; of every other object at least 60 % is
    (by the count of 64 points per object). Places that would break this are not taken.

    Args:
        key: one key per scene.
        hard: four objects wherever they find a place, close together, so that they cover parts of one another; what
            has to be seen of each is the same.

    Returns:
        The scene's full description.

    Example:
        >>> scene = sample_scene(jax.random.key(0))
        >>> 1 <= int(scene.n_objects) <= 4
        True
    """
    for_count, for_objects, for_places, for_background = jax.random.split(key, 4)
    chances = jax.random.uniform(for_objects, (MAX_OBJECTS, 12))  # a row per object
    shape, color, texture, size = (
        _pick(chances[:, k], names) for k, names in enumerate((SHAPES, COLORS, TEXTURES, SIZES))
    )
    at_scale, at_rotation, depth = chances[:, 4], chances[:, 5], chances[:, 6]
    wanted = jnp.int32(MAX_OBJECTS) if hard else jax.random.randint(for_count, (), 1, MAX_OBJECTS + 1)
    size = size.at[0].set(SIZES.index("large"))
    ranges = jnp.array(_SCALES, jnp.float32)[size].at[0].set(jnp.array(_LARGEST, jnp.float32))  # (4, 2)
    scale = ranges[:, 0] + (ranges[:, 1] - ranges[:, 0]) * at_scale
    rotation = 2 * jnp.pi * at_rotation
    center, present, visible = _place(for_places, wanted, shape, color, scale, rotation, depth, hard=hard)

    order = jnp.argsort(jnp.where(present, depth, jnp.inf))  # back to front, those left out last
    center, shape, scale, rotation = center[order], shape[order], scale[order], rotation[order]
    exists = jnp.arange(MAX_OBJECTS) < jnp.sum(present)
    hidden = _hidden(center, shape, scale, rotation)
    return Scene(
        n_objects=jnp.sum(present).astype(jnp.int32),
        shape=shape,
        color=color[order],
        size=size[order],
        texture=texture[order],
        center=center,
        scale=scale,
        rotation=rotation,
        tint=jnp.clip(jnp.array(_RGB, jnp.float32)[color[order]] + 0.1 * (chances[:, 7:10] - 0.5), 0.0, 1.0),
        texture_phase=chances[:, 10:12],
        visible=jnp.where(exists, visible[order], 0.0),
        hidden=jnp.where(exists[:, None] & exists[None], hidden, 0.0),
        **_background(for_background),
    )


def largest_object(scene: Scene) -> Int[Array, "*batch"]:
    """Index of the scene's largest object, the one that gives the scene its class.

    Example:
        >>> scene = sample_scene(jax.random.key(0))
        >>> float(scene.scale[largest_object(scene)]) == float(scene.scale[: scene.n_objects].max())
        True
    """
    index = jax.lax.broadcasted_iota(jnp.int32, scene.scale.shape, scene.scale.ndim - 1)
    exists = index < scene.n_objects[..., None]
    return jnp.argmax(jnp.where(exists, scene.scale, 0.0), axis=-1).astype(jnp.int32)


def scene_label(scene: Scene) -> Int[Array, "*batch"]:
    """Class of a scene, shape and colour of its largest object: an index into SCENE_CLASS_NAMES.

    Args:
        scene: one scene, or a batch of them.

    Returns:
        int32 in [0, 64).

    Example:
        >>> from jaxvision.data.scenes import SCENE_CLASS_NAMES
        >>> SCENE_CLASS_NAMES[scene_label(sample_scene(jax.random.key(0)))] in SCENE_CLASS_NAMES
        True
    """
    largest = largest_object(scene)[..., None]
    shape = jnp.take_along_axis(scene.shape, largest, axis=-1)[..., 0]
    color = jnp.take_along_axis(scene.color, largest, axis=-1)[..., 0]
    return (shape * len(COLORS) + color).astype(jnp.int32)

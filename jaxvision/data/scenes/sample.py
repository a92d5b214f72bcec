"""Draws scenes: which objects, where, and over which background."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.data.scenes.shapes import SHAPE_POINTS, select, shape_distances
from jaxvision.data.scenes.vocabulary import BACKGROUNDS, COLORS, MAX_OBJECTS, SHAPES, SIZES, TEXTURES, Scene
from jaxvision.errors import InputError

# Scales in image sides. The largest object covers at least (0.21 / 0.16)^2 = 1.72 times what the second does.
_LARGEST = (0.21, 0.26)
_SCALES = ((0.085, 0.105), (0.14, 0.16))  # the other objects: small, large
# Share of an object that has to be seen: the largest gives the scene its class, the others occur in captions.
_LARGEST_VISIBLE, _VISIBLE = 0.88, 0.6
_N_CANDIDATES = 6

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


def split_key(seed: int, split: Literal["train", "validation", "test"]) -> Key[Array, ""]:
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


def _to_local(
    points: Float[Array, "*points 2"],
    center: Float[Array, " 2"],
    scale: Float[Array, ""],
    rotation: Float[Array, ""],
) -> tuple[Float[Array, "*points"], Float[Array, "*points"]]:
    """Image coordinates (y down) to the object's own (v up), in units of its scale."""
    dx, dy = points[..., 0] - center[0], center[1] - points[..., 1]
    cos, sin = jnp.cos(rotation) / scale, jnp.sin(rotation) / scale
    return cos * dx + sin * dy, cos * dy - sin * dx


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
    return select(shape, shape_distances(*_to_local(points, center, scale, rotation))) < 0


def _in_frame(points: Float[Array, "*points 2"]) -> Bool[Array, "*points"]:
    return jnp.all((points > 0) & (points < 1), axis=-1)


def _place(
    key: Key[Array, ""],
    wanted: Int[Array, ""],
    shape: Int[Array, " 4"],
    scale: Float[Array, " 4"],
    rotation: Float[Array, " 4"],
    depth: Float[Array, " 4"],
) -> tuple[Float[Array, "4 2"], Bool[Array, " 4"], Float[Array, " 4"]]:
    """Places the largest object (index 0) inside the frame, then each other one at the first of a few random places
    that leaves enough of every object to be seen. One that finds no such place is left out, so nothing is left to
    chance and nothing loops.

    Returns:
        center `(4, 2)`, present `(4,)`, visible `(4,)`.
    """
    offsets = jax.vmap(_offsets)(shape, scale, rotation)  # (4, 64, 2)
    chances = jax.random.uniform(key, (MAX_OBJECTS, _N_CANDIDATES, 2))
    margin = 0.035  # the outline reaches a little beyond the outermost of the points
    low, high = margin - jnp.min(offsets[0], axis=0), 1 - margin - jnp.max(offsets[0], axis=0)
    centers = [low + (high - low) * chances[0, 0]]
    present = [jnp.asarray(True)]
    points = [centers[0][None] + offsets[0]]
    seen = [jnp.ones(64, bool)]
    for i in range(1, MAX_OBJECTS):
        candidates = 0.06 + 0.88 * chances[i]  # (6, 2)

        def attempt(center, i=i):
            own_points = center[None] + offsets[i]
            own_seen = _in_frame(own_points)
            after = []
            for j in range(i):
                in_front = depth[i] > depth[j]
                covered = _covers(shape[j], centers[j], scale[j], rotation[j], own_points)
                own_seen = own_seen & ~(covered & present[j] & ~in_front)
                after.append(seen[j] & ~(_covers(shape[i], center, scale[i], rotation[i], points[j]) & in_front))
            shares = jnp.stack([jnp.mean(s.astype(jnp.float32)) for s in (*after, own_seen)])
            needed = jnp.array([_LARGEST_VISIBLE, *[_VISIBLE] * i], jnp.float32)
            exists = jnp.stack([*present, jnp.asarray(True)])
            return jnp.all((shares >= needed) | ~exists), jnp.stack([*after, own_seen])

        fits, seens = jax.vmap(attempt)(candidates)
        first = jnp.argmax(fits)
        exists = fits[first] & (i < wanted)
        seen = [
            jnp.where(exists, new, old) for new, old in zip(seens[first], [*seen, jnp.zeros(64, bool)], strict=True)
        ]
        centers.append(candidates[first])
        points.append(candidates[first][None] + offsets[i])
        present.append(exists)
    visible = jnp.mean(jnp.stack(seen).astype(jnp.float32), axis=-1)
    return jnp.stack(centers), jnp.stack(present), visible


def _hidden(
    center: Float[Array, "4 2"], shape: Int[Array, " 4"], scale: Float[Array, " 4"], rotation: Float[Array, " 4"]
) -> Float[Array, "4 4"]:
    """Share of object i inside object j, for objects sorted from back to front."""
    points = center[:, None] + jax.vmap(_offsets)(shape, scale, rotation)
    inside = jax.vmap(_covers, (0, 0, 0, 0, None), out_axes=1)(shape, center, scale, rotation, points)  # (4, 4, 64)
    return jnp.triu(jnp.mean(inside.astype(jnp.float32), axis=-1), k=1)


def _muted_colors(key: Key[Array, ""]) -> Float[Array, "2 3"]:
    """Two greyish colours of different lightness, so that saturated objects stand out on both."""
    low, gap = jax.random.uniform(key, (2,))
    lightness = jnp.stack([0.22 + 0.40 * low, 0.44 + 0.40 * low + 0.10 * gap])
    lightness = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, 1)), lightness, lightness[::-1])
    cast = jax.random.uniform(jax.random.fold_in(key, 2), (2, 3), minval=-0.07, maxval=0.07)
    return jnp.clip(jnp.broadcast_to(lightness[:, None], (2, 3)) + cast, 0.0, 1.0)


def sample_scene(key: Key[Array, ""]) -> Scene:
    """Draws one scene: one to four objects over a background, the first-drawn one clearly the largest.

    The largest object lies inside the frame and at least 88 % of it is seen; of every other object at least 60 % is
    (by the count of 64 points per object). Places that would break this are not taken.

    Args:
        key: one key per scene.

    Returns:
        The scene's full description.

    Example:
        >>> scene = sample_scene(jax.random.key(0))
        >>> 1 <= int(scene.count) <= 4
        True
    """
    keys = jax.random.split(key, 12)
    four = (MAX_OBJECTS,)
    shape = jax.random.randint(keys[0], four, 0, len(SHAPES))
    color = jax.random.randint(keys[1], four, 0, len(COLORS))
    texture = jax.random.randint(keys[2], four, 0, len(TEXTURES))
    size = jax.random.randint(keys[3], four, 0, len(SIZES)).at[0].set(SIZES.index("large"))
    ranges = jnp.array(_SCALES, jnp.float32)[size].at[0].set(jnp.array(_LARGEST, jnp.float32))  # (4, 2)
    scale = ranges[:, 0] + (ranges[:, 1] - ranges[:, 0]) * jax.random.uniform(keys[4], four)
    rotation = jax.random.uniform(keys[5], four, maxval=2 * jnp.pi)
    depth = jax.random.uniform(keys[6], four)
    wanted = jax.random.randint(keys[7], (), 1, MAX_OBJECTS + 1)
    center, present, visible = _place(keys[8], wanted, shape, scale, rotation, depth)

    tint_noise = jax.random.uniform(keys[9], (MAX_OBJECTS, 3), minval=-0.05, maxval=0.05)
    phase = jax.random.uniform(keys[10], (MAX_OBJECTS + 1, 2))
    background = jax.random.split(keys[11], 3)
    angle_and_kind = jax.random.uniform(background[0], (2,))

    order = jnp.argsort(jnp.where(present, depth, jnp.inf))  # back to front, those left out last
    center, shape, scale, rotation = center[order], shape[order], scale[order], rotation[order]
    exists = jnp.arange(MAX_OBJECTS) < jnp.sum(present)
    hidden = _hidden(center, shape, scale, rotation)
    return Scene(
        count=jnp.sum(present).astype(jnp.int32),
        shape=shape,
        color=color[order],
        size=size[order],
        texture=texture[order],
        center=center,
        scale=scale,
        rotation=rotation,
        tint=jnp.clip(jnp.array(_RGB, jnp.float32)[color[order]] + tint_noise, 0.0, 1.0),
        texture_phase=phase[:MAX_OBJECTS],
        visible=jnp.where(exists, visible[order], 0.0),
        hidden=jnp.where(exists[:, None] & exists[None], hidden, 0.0),
        background=(angle_and_kind[1] * len(BACKGROUNDS)).astype(jnp.int32),
        background_colors=_muted_colors(background[1]),
        background_angle=2 * jnp.pi * angle_and_kind[0],
        background_phase=phase[MAX_OBJECTS, 0],
        background_noise=jax.random.uniform(background[2], (8, 8)),
    )


def largest_object(scene: Scene) -> Int[Array, "*batch"]:
    """Index of the scene's largest object, the one that gives the scene its class."""
    exists = jnp.arange(MAX_OBJECTS) < scene.count[..., None]
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

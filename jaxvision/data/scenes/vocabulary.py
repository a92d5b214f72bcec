"""What a scene is made of: the names behind the integers of a `Scene`."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int

SHAPES = ("circle", "square", "triangle", "star", "cross", "heart", "ring", "crescent")
COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
SIZES = ("small", "large")
TEXTURES = ("solid", "striped", "dotted", "checkered")
BACKGROUNDS = ("plain", "shaded", "cloudy", "striped")

MAX_OBJECTS = 4

# The class of a scene is the colour and the shape of its largest object: index = shape * 8 + colour.
SCENE_CLASS_NAMES = tuple(f"{color} {shape}" for shape in SHAPES for color in COLORS)


class Scene(NamedTuple):
    """Everything there is to know about one scene; a batch of scenes has one leading axis more on every field.

    Positions and lengths are in image sides, so a scene can be rendered at any size: x runs right from the left edge,
    y runs down from the top edge. Objects are stored from back to front; the first `n_objects` of the four exist, and
    what the other rows hold means nothing.

    Fields:
        n_objects: how many objects there are, 1 to 4.
        shape, color, size, texture: `(4,)` indices into SHAPES, COLORS, SIZES and TEXTURES.
        center: `(4, 2)` x and y of each object.
        scale: `(4,)` radius of the disc that covers as much as the object does: areas are pi * scale**2 for all shapes.
        rotation: `(4,)` radians, counter-clockwise.
        tint: `(4, 3)` RGB in [0, 1]; the colour as it is painted, close to the pure one that `color` names.
        texture_phase: `(4, 2)` where the pattern starts, in periods.
        visible: `(4,)` share of the object that is seen: inside the frame and not covered (estimated at 64 points).
        hidden: `(4, 4)` share of object i that object j covers, 0 where j lies behind i (estimated likewise).
        background: index into BACKGROUNDS.
        background_colors: `(2, 3)` RGB in [0, 1], the two colours the background runs between.
        background_angle: radians, direction of the shading or the stripes.
        background_phase: in periods of the stripes.
        background_noise: `(8, 8)` in [0, 1], the coarse grid of the clouds.
    """

    n_objects: Int[Array, "*batch"]
    shape: Int[Array, "*batch 4"]
    color: Int[Array, "*batch 4"]
    size: Int[Array, "*batch 4"]
    texture: Int[Array, "*batch 4"]
    center: Float[Array, "*batch 4 2"]
    scale: Float[Array, "*batch 4"]
    rotation: Float[Array, "*batch 4"]
    tint: Float[Array, "*batch 4 3"]
    texture_phase: Float[Array, "*batch 4 2"]
    visible: Float[Array, "*batch 4"]
    hidden: Float[Array, "*batch 4 4"]
    background: Int[Array, "*batch"]
    background_colors: Float[Array, "*batch 2 3"]
    background_angle: Float[Array, "*batch"]
    background_phase: Float[Array, "*batch"]
    background_noise: Float[Array, "*batch 8 8"]

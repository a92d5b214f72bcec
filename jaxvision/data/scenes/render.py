"""Paints scenes: signed distances to coverage, one object over the other from back to front."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from jaxvision.data.scenes.sample import sample_scene, scene_label
from jaxvision.data.scenes.shapes import select, shape_distances, to_local
from jaxvision.data.scenes.vocabulary import BACKGROUNDS, MAX_OBJECTS, TEXTURES, Scene

_DARK = 0.5  # what a texture multiplies its object's colour by: darker, same hue

assert (len(TEXTURES), len(BACKGROUNDS)) == (4, 4)  # of so many `select` chooses below


def _wave(position: Float[Array, "*points"]) -> Float[Array, "*points"]:
    """Signed distance, in periods, to the edges of stripes half a period wide."""
    return jnp.abs(position - jnp.floor(position) - 0.5) - 0.25


def _object_layers(
    shape: Int[Array, ""],
    texture: Int[Array, ""],
    center: Float[Array, " 2"],
    scale: Float[Array, ""],
    rotation: Float[Array, ""],
    phase: Float[Array, " 2"],
    pixels: int,
) -> tuple[Float[Array, "h w"], Float[Array, "h w"]]:
    """Coverage of each pixel by the object, and the factor its texture darkens the colour by."""
    at = (jnp.arange(pixels, dtype=jnp.float32) + 0.5) / pixels
    u, v = to_local(at[None, :], at[:, None], center, scale, rotation)  # (h, w)
    distance = select(shape, shape_distances(u, v)) * scale * pixels  # in pixels
    coverage = jnp.clip(0.5 - distance, 0.0, 1.0)

    period = 0.085 / scale + 0.2  # in scales: small objects get relatively coarser patterns, or they would blur
    p, q = u / period + phase[0], v / period + phase[1]
    sharpness = period * scale * pixels  # periods to pixels
    stripes = jnp.clip(0.5 + sharpness * _wave(p), 0.0, 1.0)
    across = jnp.clip(0.5 + sharpness * _wave(q), 0.0, 1.0)
    from_dot = jnp.sqrt((p - jnp.floor(p) - 0.5) ** 2 + (q - jnp.floor(q) - 0.5) ** 2) - 0.3
    dots = jnp.clip(0.5 - sharpness * from_dot, 0.0, 1.0)
    checks = stripes + across - 2 * stripes * across
    dark = select(texture, (jnp.zeros_like(stripes), stripes, dots, checks))
    return coverage, 1 - (1 - _DARK) * dark


def _background_mixture(scene: Scene, pixels: int) -> Float[Array, "h w"]:
    """Share of the second background colour at each pixel."""
    at = (jnp.arange(pixels, dtype=jnp.float32) + 0.5) / pixels - 0.5
    along = jnp.cos(scene.background_angle) * at[None, :] + jnp.sin(scene.background_angle) * at[:, None]
    shaded = 0.5 + along * 0.7
    stripes = jnp.clip(0.5 + 2.4 * _wave(along * 5 + scene.background_phase), 0.0, 1.0)
    # Clouds: the coarse grid, smoothly interpolated by two small matrix products.
    n_cells = scene.background_noise.shape[0]
    cells = jnp.arange(n_cells, dtype=jnp.float32)
    tent = jnp.clip(1 - jnp.abs((at[:, None] + 0.5) * (n_cells - 1) - cells[None]), 0.0, 1.0)
    weights = tent * tent * (3 - 2 * tent)
    clouds = weights @ scene.background_noise @ weights.T
    return select(scene.background, (jnp.zeros_like(shaded), shaded, clouds, stripes * stripes * (3 - 2 * stripes)))


@partial(jax.jit, static_argnames="size")
def render_scene(scene: Scene, size: int = 64) -> tuple[Float[Array, "h w 3"], Float[Array, "4 h w"]]:
    r"""Renders one scene, antialiased, with the part of each object that is seen.

    With coverage c_i of object i, back to front, shade s_i of its texture, and background share t,

    $$ m_i = c_i \prod_{j > i} (1 - c_j), \qquad m_0 = \prod_j (1 - c_j), \qquad
       I = \sum_i m_i s_i \, \text{tint}_i + m_0 \left( (1 - t) \, b_0 + t \, b_1 \right) $$

    Args:
        scene: one scene (`jax.vmap` renders a batch).
        size: side of the image in pixels.

    Returns:
        The image `(size, size, 3)`, RGB in [0, 1], and masks `(4, size, size)` in [0, 1], fractional along outlines:
        the share of each pixel that shows object i. What is left to 1 shows the background.

    Example:
        >>> image, masks = render_scene(sample_scene(jax.random.key(0)))
        >>> image.shape, masks.shape
        ((64, 64, 3), (4, 64, 64))
    """
    exists = (jnp.arange(MAX_OBJECTS) < scene.n_objects).astype(jnp.float32)

    # A loop, not `vmap`: XLA fuses across everything else and would compute each distance once per colour channel.
    coverage, shade = jax.lax.map(
        lambda thing: _object_layers(*thing, pixels=size),
        (scene.shape, scene.texture, scene.center, scene.scale, scene.rotation, scene.texture_phase),
    )
    coverage = coverage * exists[:, None, None]
    left = jnp.ones((size, size), jnp.float32)  # share of each pixel not yet taken by what is in front
    masks = []
    for i in reversed(range(MAX_OBJECTS)):
        masks.insert(0, left * coverage[i])
        left = left * (1 - coverage[i])
    second = _background_mixture(scene, size)

    def paint(tint: Float[Array, " 4"], ground: Float[Array, " 2"]) -> Float[Array, "h w"]:  # one channel
        channel = ground[0] + (ground[1] - ground[0]) * second
        for i in range(MAX_OBJECTS):
            channel = channel + coverage[i] * (shade[i] * tint[i] - channel)
        return channel

    image = jax.vmap(paint, in_axes=1, out_axes=-1)(scene.tint, scene.background_colors)
    return jnp.clip(image, 0.0, 1.0), jnp.stack(masks)


@partial(jax.jit, static_argnames=("n", "size"))
def scene_batch(key: Key[Array, ""], n: int, size: int = 64) -> tuple[Float[Array, "n h w 3"], Int[Array, " n"]]:
    """A batch of freshly drawn and rendered scenes with their classes.

    Scene i has the key `fold_in(key, i)`: it does not depend on how many are drawn with it.

    Args:
        key: the batch's key, say `fold_in(split_key(seed, "train"), step)`.
        n: how many scenes.
        size: side of the images in pixels.

    Returns:
        Images `(n, size, size, 3)`, RGB in [0, 1], and labels `(n,)`, indices into SCENE_CLASS_NAMES.

    Example:
        >>> images, labels = scene_batch(jax.random.key(0), 8)
        >>> images.shape, labels.dtype.name
        ((8, 64, 64, 3), 'int32')
    """

    def one(index: Int[Array, ""]) -> tuple[Float[Array, "h w 3"], Int[Array, ""]]:
        scene = sample_scene(jax.random.fold_in(key, index))
        return render_scene(scene, size)[0], scene_label(scene)

    return jax.vmap(one)(jnp.arange(n))

"""The shapes in closed form, the promises of the sampler over thousands of scenes, the laws of the renderer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data.scenes import (
    BACKGROUNDS,
    COLORS,
    SCENE_CLASS_NAMES,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
    largest_object,
    render_scene,
    sample_scene,
    scene_batch,
    scene_label,
    split_key,
)
from jaxvision.data.scenes.shapes import SHAPE_POINTS, select, shape_distances, to_local
from jaxvision.errors import InputError

N = 4096


@pytest.fixture(scope="module")
def scenes() -> Scene:
    """Thousands of scenes, on the host."""
    return jax.device_get(jax.vmap(sample_scene)(jax.random.split(split_key(7, "train"), N)))


def pick(scenes: Scene, i: int) -> Scene:
    return Scene(*(field[i] for field in scenes))


def exact_cover(scene: Scene, side: int = 160) -> np.ndarray:
    """Which points of a fine grid each object covers if it were alone: independent of renderer and sampler."""
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    covers = []
    for i in range(int(scene.count)):
        dx, dy = at[None] - scene.center[i, 0], scene.center[i, 1] - at[:, None]
        turned = (dx + 1j * dy) * np.exp(-1j * scene.rotation[i]) / scene.scale[i]
        covers.append(shape_distances(turned.real, turned.imag)[scene.shape[i]] < 0)
    return np.stack(covers)


# Shapes


def test_every_shape_covers_pi():
    at = (np.arange(1999) + 0.5) / 1999 * 4 - 2  # on no outline
    distances = shape_distances(*np.meshgrid(at, at))
    for name, distance in zip(SHAPES, distances, strict=True):
        assert np.mean(distance < 0) * 16 == pytest.approx(np.pi, rel=2e-3), name


def test_distances_are_never_overestimated():
    """A step of length s changes a distance by at most s, or antialiased edges would be too hard."""
    rng = np.random.default_rng(0)
    here, there = rng.uniform(-2, 2, (2, 2, 20_000))
    step = np.hypot(*(there - here))
    for a, b in zip(shape_distances(*here), shape_distances(*there), strict=True):
        assert np.all(np.abs(a - b) <= step * (1 + 1e-6))


def test_shapes_have_the_symmetry_they_should():
    rng = np.random.default_rng(1)
    u, v = rng.uniform(-1.5, 1.5, (2, 500))
    turn = np.exp(2j * np.pi / 5) * (u + 1j * v)
    quarter = 1j * (u + 1j * v)
    third = np.exp(2j * np.pi / 3) * (u + 1j * v)
    for name, turned in (("star", turn), ("square", quarter), ("cross", quarter), ("triangle", third)):
        k = SHAPES.index(name)
        np.testing.assert_allclose(
            shape_distances(u, v)[k], shape_distances(turned.real, turned.imag)[k], atol=1e-6, err_msg=name
        )
    for name in ("heart", "star", "triangle"):  # mirrored left to right
        k = SHAPES.index(name)
        np.testing.assert_allclose(shape_distances(u, v)[k], shape_distances(-u, v)[k], err_msg=name)


def test_numpy_and_jax_agree():
    u, v = np.random.default_rng(2).uniform(-2, 2, (2, 300)).astype(np.float32)
    for a, b in zip(shape_distances(u, v), shape_distances(jnp.asarray(u), jnp.asarray(v)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_points_lie_inside_and_centre_on_the_area():
    for k in range(len(SHAPES)):
        assert np.all(shape_distances(*SHAPE_POINTS[k].T)[k] < 0)
    circle = SHAPE_POINTS[SHAPES.index("circle")]
    np.testing.assert_allclose(circle.mean(0), 0, atol=0.1)
    assert np.mean(np.sum(circle**2, axis=-1)) == pytest.approx(0.5, abs=0.05)  # of a uniform disc


def test_select_is_indexing():
    choices = tuple(jnp.arange(3.0) + 10 * k for k in range(8))
    for k in range(8):
        np.testing.assert_array_equal(select(jnp.asarray(k), choices), choices[k])


def test_to_local_turns_counter_clockwise():
    center, scale = jnp.array([0.5, 0.5]), jnp.array(0.5)
    u, v = to_local(jnp.array(0.5), jnp.array(0.0), center, scale, jnp.array(0.0))  # the top of the image
    np.testing.assert_allclose([u, v], [0, 1], atol=1e-6)
    u, v = to_local(jnp.array(0.0), jnp.array(0.5), center, scale, jnp.array(np.pi / 2, jnp.float32))  # its left edge
    np.testing.assert_allclose([u, v], [0, 1], atol=1e-6)  # is where the object's top has turned to


# What the sampler promises


def test_there_are_64_classes_and_labels_name_them(scenes):
    assert len(SCENE_CLASS_NAMES) == len(set(SCENE_CLASS_NAMES)) == 64
    labels = np.asarray(scene_label(scenes))
    largest = np.asarray(largest_object(scenes))
    assert labels.dtype == np.int32
    for i in range(200):
        scene = pick(scenes, i)
        best = max(range(scene.count), key=lambda k: scene.scale[k])
        assert largest[i] == best
        assert SCENE_CLASS_NAMES[labels[i]] == f"{COLORS[scene.color[best]]} {SHAPES[scene.shape[best]]}"
    np.testing.assert_array_equal(scene_label(pick(scenes, 5)), labels[5])


def test_largest_is_clearly_the_largest(scenes):
    exists = np.arange(4) < scenes.count[:, None]
    areas = np.sort(np.where(exists, scenes.scale**2, 0.0), axis=-1)
    assert np.all(areas[:, -1] >= 1.7 * areas[:, -2])
    largest = np.argmax(np.where(exists, scenes.scale, 0.0), axis=-1)
    assert np.all(np.take_along_axis(scenes.size, largest[:, None], axis=-1) == SIZES.index("large"))


def test_small_is_smaller_than_large(scenes):
    exists = np.arange(4) < scenes.count[:, None]
    small, large = (scenes.scale[exists & (scenes.size == k)] for k in range(2))
    assert small.max() * 1.3 < large.min()


def test_everything_is_seen_well_enough(scenes):
    """By exact masks on a fine grid: three quarters of the largest at least, two fifths of every other object."""
    for i in range(400):
        scene = pick(scenes, i)
        covers = exact_cover(scene)
        in_front = np.zeros_like(covers[0])
        best = int(np.argmax(scene.scale[: scene.count]))
        for k in reversed(range(scene.count)):
            seen = np.mean(covers[k] & ~in_front) / (np.pi * scene.scale[k] ** 2)
            assert seen >= (0.8 if k == best else 0.45), (i, k, seen)
            assert scene.visible[k] == pytest.approx(seen, abs=0.13)
            in_front |= covers[k]


def test_largest_is_mostly_visible_in_thousands_of_rendered_scenes(scenes):
    masks = jax.jit(jax.vmap(lambda s: jnp.mean(render_scene(s, 48)[1], axis=(1, 2))))(scenes)
    best = np.asarray(largest_object(scenes))[:, None]
    seen, scale = (np.take_along_axis(np.asarray(x), best, axis=-1)[:, 0] for x in (masks, scenes.scale))
    assert np.min(seen / (np.pi * scale**2)) > 0.8


def test_hidden_is_the_covered_share(scenes):
    occluded = np.flatnonzero(np.any(scenes.hidden > 0.1, axis=(1, 2)))
    assert 0.1 * N < len(occluded) < 0.5 * N  # occlusion is common, not the rule
    for i in occluded[:150]:
        scene = pick(scenes, i)
        covers = exact_cover(scene)
        for back in range(scene.count):
            assert np.all(scene.hidden[back, : back + 1] == 0)  # nothing is covered from behind
            for front in range(back + 1, scene.count):
                share = np.mean(covers[back] & covers[front]) / (np.pi * scene.scale[back] ** 2)
                assert scene.hidden[back, front] == pytest.approx(share, abs=0.13)


def test_one_colour_does_not_merge(scenes):
    same = scenes.color[:, :, None] == scenes.color[:, None, :]
    assert np.all(scenes.hidden[same] == 0)


def test_all_kinds_occur_about_equally(scenes):
    exists = np.arange(4) < scenes.count[:, None]
    for field, names in ((scenes.shape, SHAPES), (scenes.color, COLORS), (scenes.texture, TEXTURES)):
        shares = np.bincount(field[exists], minlength=len(names)) / exists.sum()
        np.testing.assert_allclose(shares, 1 / len(names), rtol=0.15)
    np.testing.assert_allclose(np.bincount(scenes.background, minlength=4) / N, 1 / len(BACKGROUNDS), rtol=0.15)
    np.testing.assert_allclose(np.bincount(scenes.count, minlength=5)[1:] / N, 0.25, rtol=0.15)
    labels = np.bincount(np.asarray(scene_label(scenes)), minlength=64)
    assert labels.min() > 30
    assert labels.max() < 110  # of 64 on average


def test_colours_keep_their_hue_and_stand_out(scenes):
    """Whatever its texture does to its lightness, a tint's direction in RGB is nearest to that of its own colour."""
    tints, names = scenes.tint.reshape(-1, 3), scenes.color.reshape(-1)
    pure = np.stack([tints[names == k].mean(0) for k in range(8)])
    normal = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (tints, pure)]
    assert np.mean(np.argmax(normal[0] @ normal[1].T, axis=-1) == names) == 1
    # Backgrounds are greyish: far less saturated than any object.
    backgrounds = scenes.background_colors.reshape(-1, 3)
    assert np.max(np.ptp(backgrounds, axis=-1)) < 0.15
    assert np.min(np.ptp(tints, axis=-1)) > 0.3


# The renderer


def test_masks_partition_the_image(scenes):
    image, masks = render_scene(pick(scenes, 3))
    assert image.shape == (64, 64, 3)
    assert masks.shape == (4, 64, 64)
    assert image.dtype == masks.dtype == jnp.float32
    for i in range(60):
        scene = pick(scenes, i)
        image, masks = (np.asarray(x) for x in render_scene(scene))
        assert 0 <= image.min() <= image.max() <= 1
        assert masks.min() >= 0
        assert masks.sum(0).max() <= 1 + 1e-6
        assert np.all(masks[scene.count :] == 0)


def test_masks_are_the_visible_areas(scenes):
    for i in range(60):
        scene = pick(scenes, i)
        covers = exact_cover(scene, side=320)
        masks = np.asarray(render_scene(scene)[1])
        in_front = np.zeros_like(covers[0])
        for k in reversed(range(scene.count)):
            exact = (covers[k] & ~in_front).reshape(64, 5, 64, 5).mean((1, 3))  # the share of each pixel
            assert np.abs(masks[k] - exact).mean() < 0.004
            assert np.abs(masks[k] - exact).max() < 0.6  # a pixel with a corner or two outlines in it
            in_front |= covers[k]


def test_a_solid_object_shows_its_tint_and_a_texture_only_darkens(scenes):
    for i in range(150):
        scene = pick(scenes, i)
        image, masks = (np.asarray(x) for x in render_scene(scene))
        for k in range(scene.count):
            inside = masks[k] == 1
            if not inside.any():
                continue
            ratio = image[inside] / scene.tint[k]
            if TEXTURES[scene.texture[k]] == "solid":
                np.testing.assert_allclose(ratio, 1, atol=1e-5)
            else:
                assert ratio.min() >= 0.5 - 1e-5
                assert ratio.max() <= 1 + 1e-5
                np.testing.assert_allclose(ratio, ratio[:, :1] * np.ones(3), atol=1e-4)  # same hue
                if scene.size[k] == 1 and inside.sum() > 200:
                    assert ratio.min() < 0.6
                    assert ratio.max() > 0.9


def test_background_kinds(scenes):
    for i in range(60):
        scene = pick(scenes, i)._replace(count=np.int32(0))
        image = np.asarray(render_scene(scene)[0])
        low, high = scene.background_colors.min(0), scene.background_colors.max(0)
        assert np.all(image >= low - 1e-5)
        assert np.all(image <= high + 1e-5)
        if BACKGROUNDS[scene.background] == "plain":
            np.testing.assert_allclose(image, np.broadcast_to(scene.background_colors[0], image.shape), atol=1e-6)
        else:
            assert np.ptp(image, axis=(0, 1)).max() > 0.04


def test_a_large_rendering_shrinks_to_the_small_one(scenes):
    for i in range(8):
        scene = pick(scenes, i)
        small, large = (np.asarray(render_scene(scene, size)[0]) for size in (64, 256))
        assert np.abs(large.reshape(64, 4, 64, 4, 3).mean((1, 3)) - small).mean() < 0.02


def test_the_object_in_front_covers_the_one_behind():
    scene = jax.device_get(sample_scene(jax.random.key(0)))
    scene = scene._replace(
        count=np.int32(2),
        shape=np.zeros(4, np.int32),
        texture=np.zeros(4, np.int32),
        center=np.full((4, 2), 0.5, np.float32),
        scale=np.array([0.3, 0.1, 0.1, 0.1], np.float32),
    )
    image, masks = render_scene(scene)
    np.testing.assert_allclose(image[32, 32], scene.tint[1], atol=1e-6)
    np.testing.assert_allclose(image[32, 20], scene.tint[0], atol=1e-6)
    assert masks[1].sum() / 4096 == pytest.approx(np.pi * 0.1**2, rel=0.02)
    assert masks[0].sum() / 4096 == pytest.approx(np.pi * (0.3**2 - 0.1**2), rel=0.02)


# Laws


def test_rendering_jitted_equals_eager(scenes):
    scene = jax.tree.map(jnp.asarray, pick(scenes, 2))
    with jax.disable_jit():
        eager = render_scene(scene, 24)
    for a, b in zip(eager, render_scene(scene, 24), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.slow
def test_sampling_jitted_equals_eager():
    key = jax.random.key(11)
    with jax.disable_jit():
        eager = sample_scene(key)
    for name, a, b in zip(Scene._fields, eager, sample_scene(key), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6, err_msg=name)


def test_batch_is_a_loop_of_singles_and_does_not_depend_on_n():
    key = split_key(0, "test")
    images, labels = scene_batch(key, 8)
    fewer, fewer_labels = scene_batch(key, 5)
    np.testing.assert_allclose(images[:5], fewer, atol=1e-5)
    np.testing.assert_array_equal(labels[:5], fewer_labels)
    for i in (0, 4, 7):
        scene = sample_scene(jax.random.fold_in(key, i))
        np.testing.assert_allclose(images[i], render_scene(scene)[0], atol=1e-4)
        assert labels[i] == scene_label(scene)


def test_same_key_same_bits_from_one_trace():
    before = scene_batch._cache_size()
    first, again, other = (scene_batch(split_key(seed, "train"), 8) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first[0], other[0])
    assert scene_batch._cache_size() <= before + 1


def test_splits_are_disjoint_streams():
    streams = [
        np.asarray(scene_batch(split_key(seed, split), 8)[0])
        for seed in (0, 1)
        for split in ("train", "validation", "test")
    ]
    assert len(np.unique(np.concatenate(streams).reshape(48, -1), axis=0)) == 48


def test_unknown_split_is_refused():
    with pytest.raises(InputError, match=r"no split 'dev'.*train, validation, test"):
        split_key(0, "dev")

"""The laws of the renderer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data.scenes import (
    BACKGROUNDS,
    TEXTURES,
    render_scene,
    sample_scene,
    scene_batch,
    scene_label,
    split_key,
)
from tests.data.scenes.conftest import exact_cover, pick


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
        assert np.all(masks[scene.n_objects :] == 0)


def test_masks_are_the_visible_areas(scenes):
    for i in range(60):
        scene = pick(scenes, i)
        covers = exact_cover(scene, side=320)
        masks = np.asarray(render_scene(scene)[1])
        in_front = np.zeros_like(covers[0])
        for k in reversed(range(scene.n_objects)):
            exact = (covers[k] & ~in_front).reshape(64, 5, 64, 5).mean((1, 3))  # the share of each pixel
            assert np.abs(masks[k] - exact).mean() < 0.004
            assert np.abs(masks[k] - exact).max() < 0.6  # a pixel with a corner or two outlines in it
            in_front |= covers[k]


def test_a_solid_object_shows_its_tint_and_a_texture_only_darkens(scenes):
    for i in range(150):
        scene = pick(scenes, i)
        image, masks = (np.asarray(x) for x in render_scene(scene))
        for k in range(scene.n_objects):
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
        scene = pick(scenes, i)._replace(n_objects=np.int32(0))
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
        n_objects=np.int32(2),
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


def test_rendering_jitted_equals_eager(scenes):
    scene = jax.tree.map(jnp.asarray, pick(scenes, 2))
    with jax.disable_jit():
        eager = render_scene(scene, 24)
    for a, b in zip(eager, render_scene(scene, 24), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


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

"""The promises of the sampler over thousands of scenes."""

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
from jaxvision.errors import InputError
from tests.data.scenes.conftest import N, exact_cover, pick


def test_there_are_64_classes_and_labels_name_them(scenes):
    assert len(SCENE_CLASS_NAMES) == len(set(SCENE_CLASS_NAMES)) == 64
    labels = np.asarray(scene_label(scenes))
    largest = np.asarray(largest_object(scenes))
    assert labels.dtype == np.int32
    for i in range(200):
        scene = pick(scenes, i)
        best = max(range(scene.n_objects), key=lambda k: scene.scale[k])
        assert largest[i] == best
        assert SCENE_CLASS_NAMES[labels[i]] == f"{COLORS[scene.color[best]]} {SHAPES[scene.shape[best]]}"
    np.testing.assert_array_equal(scene_label(pick(scenes, 5)), labels[5])


def test_largest_is_clearly_the_largest(scenes):
    exists = np.arange(4) < scenes.n_objects[:, None]
    areas = np.sort(np.where(exists, scenes.scale**2, 0.0), axis=-1)
    assert np.all(areas[:, -1] >= 1.7 * areas[:, -2])
    largest = np.argmax(np.where(exists, scenes.scale, 0.0), axis=-1)
    assert np.all(np.take_along_axis(scenes.size, largest[:, None], axis=-1) == SIZES.index("large"))


def test_small_is_smaller_than_large(scenes):
    exists = np.arange(4) < scenes.n_objects[:, None]
    small, large = (scenes.scale[exists & (scenes.size == k)] for k in range(2))
    assert small.max() * 1.3 < large.min()


def test_everything_is_seen_well_enough(scenes):
    """By exact masks on a fine grid: three quarters of the largest at least, two fifths of every other object."""
    for i in range(400):
        scene = pick(scenes, i)
        covers = exact_cover(scene)
        in_front = np.zeros_like(covers[0])
        best = int(np.argmax(scene.scale[: scene.n_objects]))
        for k in reversed(range(scene.n_objects)):
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
        for back in range(scene.n_objects):
            assert np.all(scene.hidden[back, : back + 1] == 0)  # nothing is covered from behind
            for front in range(back + 1, scene.n_objects):
                share = np.mean(covers[back] & covers[front]) / (np.pi * scene.scale[back] ** 2)
                assert scene.hidden[back, front] == pytest.approx(share, abs=0.13)


def test_one_colour_does_not_merge(scenes):
    same = scenes.color[:, :, None] == scenes.color[:, None, :]
    assert np.all(scenes.hidden[same] == 0)


def test_all_kinds_occur_about_equally(scenes):
    exists = np.arange(4) < scenes.n_objects[:, None]
    for field, names in ((scenes.shape, SHAPES), (scenes.color, COLORS), (scenes.texture, TEXTURES)):
        shares = np.bincount(field[exists], minlength=len(names)) / exists.sum()
        np.testing.assert_allclose(shares, 1 / len(names), rtol=0.15)
    np.testing.assert_allclose(np.bincount(scenes.background, minlength=4) / N, 1 / len(BACKGROUNDS), rtol=0.15)
    np.testing.assert_allclose(np.bincount(scenes.n_objects, minlength=5)[1:] / N, 0.25, rtol=0.15)
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


@pytest.mark.slow
def test_sampling_jitted_equals_eager():
    key = jax.random.key(11)
    with jax.disable_jit():
        eager = sample_scene(key)
    for name, a, b in zip(Scene._fields, eager, sample_scene(key), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6, err_msg=name)


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

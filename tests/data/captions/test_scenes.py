"""Captioned scenes: the same ones however they are drawn, with captions that are true of them."""

import jax
import numpy as np
import pytest

from jaxvision.data import describe, judge, scene_batch, split_key
from jaxvision.data.captions import captioned_scenes
from jaxvision.errors import InputError


@pytest.fixture(scope="module")
def source():
    return captioned_scenes("validation", 10, size=16, batch_size=4)


@pytest.mark.slow
def test_they_are_the_scenes_of_the_split(source):
    images, _ = scene_batch(split_key(0, "validation"), 10, 16)
    assert source.images.dtype == np.uint8
    np.testing.assert_allclose(source.images / 255, images, atol=0.5 / 255 + 1e-6)
    assert len(source) == len(source.captions) == 10
    assert source.names == tuple("0123456789")


def test_captions_are_those_of_the_scene_and_true(source):
    for i, record in enumerate(source):
        assert record.captions == describe(source.scene(i))
        assert all(claim.true for caption in record.captions for claim in judge(caption, source.scene(i)))
        np.testing.assert_array_equal(record.image, source.images[i])


def test_a_later_stretch_continues(source):
    later = captioned_scenes("validation", 3, size=16, batch_size=4, first=6)
    np.testing.assert_array_equal(later.images, source.images[6:9])
    assert later.captions == source.captions[6:9]
    assert later.names == source.names[6:9]
    jax.tree.map(np.testing.assert_array_equal, later.scene(0), source.scene(6))


def test_hard_scenes_have_more_objects_that_cover_each_other_and_true_captions(source):
    hard = captioned_scenes("validation", 10, size=16, batch_size=10, hard=True)
    assert hard.scenes.n_objects.mean() > source.scenes.n_objects.mean() + 0.5
    assert (hard.scenes.hidden >= 0.1).any(axis=(1, 2)).mean() > (source.scenes.hidden >= 0.1).any(axis=(1, 2)).mean()
    exists = np.arange(4) < hard.scenes.n_objects[:, None]
    assert hard.scenes.visible[exists].min() >= 0.6
    for i, record in enumerate(hard):
        assert all(claim.true for caption in record.captions for claim in judge(caption, hard.scene(i)))


def test_splits_and_seeds_differ(source):
    for other in (
        captioned_scenes("test", 4, size=16, batch_size=4),
        captioned_scenes("validation", 4, size=16, batch_size=4, seed=1),
    ):
        assert not np.array_equal(other.images, source.images[:4])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"split": "dev", "n": 1}, "no split 'dev' of the scenes"),
        ({"split": "train", "n": 0}, "cannot draw 0 scenes"),
        ({"split": "train", "n": 1, "first": -1}, "from number -1 on"),
    ],
)
def test_bad_input(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        captioned_scenes(**arguments)

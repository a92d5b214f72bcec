"""Captions explained: maps of words by hand, which objects they point at, the sheet."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from experiments import caption, caption_explained
from experiments.captioner_files import TrainedCaptioner
from experiments.encoders import Encoder
from jaxvision.captioning import START, Vocabulary, captioner
from jaxvision.data.captions import captioned_scenes
from jaxvision.data.scenes import CAPTION_WORDS, COLORS, SHAPES
from jaxvision.errors import InputError
from jaxvision.pixels import gaussian_blur

SIDE = 16
IMAGES = np.asarray(jax.random.uniform(jax.random.key(0), (2, SIDE, SIDE, 3)))
CAPTIONS = ["a red ring", "two blue"]


def quarters(scale, images):
    """The mean colours of the upper and the lower half."""
    return scale * images.reshape(len(images), 2, -1, 3).mean(axis=2).reshape(len(images), 6)


@pytest.fixture(scope="module")
def small():
    vocabulary = Vocabulary.build([[word] for word in CAPTION_WORDS])
    model = captioner(jax.random.key(1), feature_size=6, vocabulary_size=len(vocabulary), embed_size=4, hidden_size=8)
    return TrainedCaptioner(model, vocabulary, Encoder("own", Partial(quarters, 1.0), SIDE, "", "six numbers"), 6)


def test_a_words_map_is_its_derivative_smoothed_and_others_are_left_out(small):
    maps = caption_explained.explain(small, IMAGES, CAPTIONS, "saliency", words=[(0, 1), (1, 0)])
    assert maps.shape == (2, 3, SIDE, SIDE)
    assert not maps[0, [0, 2]].any()
    assert not maps[1, 1:].any()
    word = {word: number for number, word in enumerate(small.vocabulary.words)}

    def logit(images):
        read = jnp.array([[START, word["a"]]])
        return small.model(quarters(1.0, images), read)[0, 1, word["red"]]

    gradient = jax.grad(logit)(jnp.asarray(IMAGES[:1]))
    expected = gaussian_blur(jnp.abs(gradient).max(axis=-1, keepdims=True), SIDE / 60)[0, ..., 0]
    np.testing.assert_allclose(maps[0, 1], expected, rtol=1e-4, atol=1e-8)


def test_pointing_knows_the_named_object():
    scenes = captioned_scenes("test", 8, size=32)
    said = [f"a {COLORS[int(s.color[0])]} {SHAPES[int(s.shape[0])]}" for s in map(scenes.scene, range(8))]
    right = np.asarray(caption_explained.masks_of(scenes.scenes, 32))[:, :1] >= 0.5
    maps = np.repeat(right.astype(np.float32), 3, axis=1)
    found = caption_explained.pointing(maps, said, scenes)
    assert (found.hits, found.energy) == (1.0, 1.0)
    assert found.words >= 8
    assert found.random_hits == pytest.approx(found.random_energy, abs=0.05)
    wrong = caption_explained.pointing(1 - maps, said, scenes)
    assert (wrong.hits, wrong.energy) == (0.0, 0.0)


def test_the_sheet_has_a_row_for_each_picture_and_a_column_for_each_word():
    figure = caption_explained.sheet(list(IMAGES), CAPTIONS, np.ones((2, 3, SIDE, SIDE), np.float32))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["image", "a", "red", "ring", "image", "two", "blue", ""]


def test_nothing_is_explained_while_a_captioner_learns(tmp_path):
    with pytest.raises(InputError, match="--explain is of --caption and --n-samples"):
        caption.main(caption.Config(explain="saliency", run_dir=tmp_path / "run"))

"""A caption's word as a class: the captioner's own logits, and attributions of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import input_x_gradient
from jaxvision.captioning import (
    START,
    captioner,
    transformer_captioner,
    word_logits_fn,
)
from jaxvision.errors import InputError

SAID = np.array([5, 7, 6, 2], np.int32)
IMAGES = jax.random.uniform(jax.random.key(1), (2, 4, 4, 3))


def mean_colour(images):
    return images.mean(axis=(1, 2))


@pytest.fixture(scope="module")
def plain():
    return captioner(jax.random.key(0), feature_size=3, vocabulary_size=9, embed_size=4, hidden_size=5)


@pytest.mark.parametrize("position", [0, 2, 3])
def test_logits_are_those_of_the_steps_that_say_the_caption(plain, position):
    carry = plain.start(mean_colour(IMAGES))
    for word in (START, *SAID[:position]):
        carry, logits = plain.step(carry, jnp.full(2, word))
    np.testing.assert_allclose(word_logits_fn(mean_colour, plain, SAID, position)(IMAGES), logits, rtol=1e-5, atol=1e-6)


def test_words_from_this_one_on_change_nothing(plain):
    other = np.array([5, 7, 8, 8], np.int32)
    found = [word_logits_fn(mean_colour, plain, said, 2)(IMAGES) for said in (SAID, other)]
    np.testing.assert_array_equal(*found)


def test_attribution_of_a_word_is_the_derivative_of_its_logit(plain):
    found = input_x_gradient(word_logits_fn(mean_colour, plain, SAID, 1), IMAGES, [7, 7])

    def logit(images):
        return plain(mean_colour(images), jnp.array([[START, *SAID[:1]]] * 2))[:, 1, 7].sum()

    np.testing.assert_allclose(found, IMAGES * jax.grad(logit)(IMAGES), rtol=1e-4, atol=1e-7)


def test_one_program_serves_all_places_and_captions(plain):
    traces = []

    def counted(images):
        traces.append(images.shape)
        return mean_colour(images)

    for position, said in ((0, SAID), (3, SAID), (1, SAID[::-1].copy())):
        input_x_gradient(word_logits_fn(counted, plain, said, position), IMAGES, [7, 7])
    assert len(traces) <= 3  # the shape of the logits, the program, and its derivative


def test_a_transformers_words_are_classes_too():
    model = transformer_captioner(
        jax.random.key(0), feature_size=3, vocabulary_size=9, embed_size=4, num_heads=2, num_layers=1
    )

    def cells(images):
        return images.reshape(len(images), 16, 3)

    logits = word_logits_fn(cells, model, SAID, 2)(IMAGES)
    expected = model(cells(IMAGES), jnp.array([[START, *SAID[:2]]] * 2))[:, 2]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("said", "position", "message"),
    [
        (SAID[None], 0, r"shape \(T,\), one caption, got int32 of \(1, 4\)"),
        (SAID.astype(np.float32), 0, "got float32"),
        (SAID, 4, r"position must lie in \[0, 4\), the caption's words, got 4"),
        (SAID, -1, "got -1"),
        (SAID, 1.0, "position must be one integer, got float32"),
    ],
)
def test_bad_captions_are_one_sentence(plain, said, position, message):
    with pytest.raises(InputError, match=message):
        word_logits_fn(mean_colour, plain, said, position)

"""The assignment's captioning names beyond their published values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import cs231n, numpy_reference
from jaxvision.errors import InputError

N, D, W, H, V = 3, 5, 4, 6, 7
CELLS = {"rnn": 1, "lstm": 4}
every_cell = pytest.mark.parametrize("cell_type", CELLS)


def make_params(cell_type, seed=0):
    columns = CELLS[cell_type] * H
    shapes = {"W_embed": (V, W), "W_proj": (D, H), "b_proj": (H,), "Wx": (W, columns), "Wh": (H, columns)}
    shapes |= {"b": (columns,), "W_vocab": (H, V), "b_vocab": (V,)}
    random = np.random.default_rng(seed)
    return {name: jnp.asarray(random.normal(size=shape), jnp.float32) for name, shape in shapes.items()}


FEATURES = jax.random.normal(jax.random.key(0), (N, D))


def sample_in_numpy(params, features, cell_type, start, max_length):
    """Word by word, with the reference's steps."""
    params = {name: np.asarray(value) for name, value in params.items()}
    cell = params["Wx"], params["Wh"], params["b"]
    h = np.asarray(features) @ params["W_proj"] + params["b_proj"]
    c, words, captions = np.zeros_like(h), np.full(len(h), start), []
    for _ in range(max_length):
        x = params["W_embed"][words]
        if cell_type == "rnn":
            h, _ = numpy_reference.rnn_step_forward(x, h, *cell)
        else:
            h, c, _ = numpy_reference.lstm_step_forward(x, h, c, *cell)
        words = np.argmax(h @ params["W_vocab"] + params["b_vocab"], axis=1)
        captions.append(words)
    return np.stack(captions, axis=1)


@every_cell
def test_samples_are_the_reference_word_by_word(cell_type):
    params = make_params(cell_type)
    found = cs231n.caption_sample(params, FEATURES, cell_type=cell_type, start=1, max_length=9)
    expected = sample_in_numpy(params, FEATURES, cell_type, 1, 9)
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 2  # not one word over and over


def test_a_sample_does_not_depend_on_its_neighbours_or_on_how_far_it_goes():
    params = make_params("lstm")
    found = cs231n.caption_sample(params, FEATURES, cell_type="lstm", start=1, max_length=9)
    alone = cs231n.caption_sample(params, FEATURES[1:2], cell_type="lstm", start=1, max_length=5)
    np.testing.assert_array_equal(found[1:2, :5], alone)


@every_cell
def test_words_behind_the_end_do_not_count(cell_type):
    params = make_params(cell_type)
    captions = jnp.array([[1, 4, 2, 0, 0], [1, 2, 0, 0, 0], [1, 3, 5, 2, 0]])
    loss_of = jax.jit(functools.partial(cs231n.captioning_loss, cell_type=cell_type))
    loss = loss_of(params, FEATURES, captions)
    np.testing.assert_allclose(loss_of(params, FEATURES, jnp.pad(captions, ((0, 0), (0, 2)))), loss, rtol=1e-6)
    as_words = loss_of(params, FEATURES, captions, null=6)
    assert as_words > loss + 0.1  # here nothing is null, and the padding is to be predicted


def test_an_unknown_cell_and_parameters_of_another_cell_are_refused():
    captions = jnp.ones((N, 4), int)
    with pytest.raises(InputError, match="cell_type must be"):
        cs231n.captioning_loss(make_params("rnn"), FEATURES, captions, cell_type="gru")
    with pytest.raises(InputError, match="cell_type must be"):
        cs231n.caption_sample(make_params("rnn"), FEATURES, cell_type="RNN", start=1, max_length=2)
    with pytest.raises(InputError, match="those of 'rnn' by their shapes, and cell_type is 'lstm'"):
        cs231n.captioning_loss(make_params("rnn"), FEATURES, captions, cell_type="lstm")

"""The captioner: teacher forcing against one word at a time, the loss, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import END, NULL, START, caption_loss, captioner
from jaxvision.errors import InputError

CELLS = ("rnn", "lstm", "gru")


def small(cell: str = "lstm"):
    sizes = {"feature_size": 4, "vocabulary_size": 9, "embed_size": 3, "hidden_size": 5}
    return captioner(jax.random.key(1), cell=cell, **sizes)


FEATURES = jax.random.normal(jax.random.key(2), (2, 4))
CAPTIONS = jnp.array([[START, 5, 6, 7, END], [START, 8, END, NULL, NULL]])


@pytest.mark.parametrize("cell", CELLS)
def test_teacher_forcing_is_one_step_after_the_other(cell):
    """Also where fewer words are read than there are: vectors go through the cell's weights one by one then."""
    model, step = small(cell), jax.jit(lambda model, carry, tokens: model.step(carry, tokens))
    carry, stepwise = model.start(FEATURES), []
    for tokens in CAPTIONS.T:
        carry, logits = step(model, carry, tokens)
        stepwise.append(logits)
    expected = jnp.stack(stepwise, axis=1)
    assert CAPTIONS.size > 9 > CAPTIONS[:, :4].size
    np.testing.assert_allclose(model(FEATURES, CAPTIONS), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(FEATURES, CAPTIONS[:, :4]), expected[:, :4], rtol=1e-5, atol=1e-6)


def test_loss_is_the_mean_over_images_of_the_summed_negative_log_likelihood():
    model = small()
    log_p = np.asarray(jax.nn.log_softmax(model(FEATURES, CAPTIONS[:, :-1])))
    words = [[5, 6, 7, END], [8, END]]
    expected = -sum(log_p[n, t, word] for n, said in enumerate(words) for t, word in enumerate(said))
    np.testing.assert_allclose(caption_loss(model, FEATURES, CAPTIONS), expected / 2, rtol=1e-5)
    np.testing.assert_allclose(caption_loss(model, FEATURES, CAPTIONS, per_token=True), expected / 6, rtol=1e-5)


def test_what_follows_the_end_changes_nothing():
    model, longer = small(), jnp.pad(CAPTIONS, ((0, 0), (0, 3)), constant_values=NULL)
    value = jax.jit(jax.value_and_grad(caption_loss))
    expected, found = value(model, FEATURES, CAPTIONS), value(model, FEATURES, longer)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), found, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_every_weight_gets_a_gradient(cell):
    gradient = jax.jit(jax.grad(caption_loss))(small(cell), FEATURES, CAPTIONS)
    for leaf in jax.tree.leaves(gradient):
        assert np.isfinite(leaf).all()
        assert np.any(leaf != 0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"cell": "transformer"}, "choose one of rnn, lstm, gru"), ({"hidden_size": 0}, "hidden_size must be at least 1")],
)
def test_impossible_models(change, sentence):
    with pytest.raises(InputError, match=sentence):
        captioner(jax.random.key(0), **({"feature_size": 4, "vocabulary_size": 9} | change))


def test_a_caption_needs_a_word_to_predict():
    with pytest.raises(InputError, match="at least one word more"):
        caption_loss(small(), FEATURES, CAPTIONS[:, :1])

"""Captions that hold given words: against all captions of a small language."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxvision.captioning import beam_search, log_prob

STATES = np.arange(12) * 7


def captions_of(tokens):
    return [tuple(word for word in row if word != -1) for row in tokens.tolist() if row[0] != -1]


@pytest.mark.parametrize("required", [(2,), (3, 2)], ids=str)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_with_a_beam_for_every_beginning_it_is_the_best_of_all_captions_that_hold_them(
    tiny, words, required, length_penalty
):
    found = beam_search(
        tiny.step,
        tiny.begin(STATES),
        num_beams=40,
        force_words_ids=required,
        length_penalty=length_penalty,
        **words,
    )
    for i, state in enumerate(STATES):
        scores = {
            caption: log_p / len(caption) ** length_penalty
            for caption, log_p in tiny.captions(state).items()
            if set(required) <= set(caption)
        }
        best = sorted(scores, key=lambda caption: -scores[caption])
        assert captions_of(found.tokens[i]) == best
        np.testing.assert_allclose(found.scores[i, : len(best)], [scores[caption] for caption in best], rtol=1e-5)
        assert (found.scores[i, len(best) :] == -np.inf).all()


def bigram(table, carry, tokens):
    """Nine words; the carry of a caption counts what it has read, and holds its words."""
    history, n_read = carry
    history = history.at[jnp.arange(len(tokens)), n_read].set(tokens)
    return (history, n_read + 1), table[tokens] + 0.1 * n_read.astype(jnp.float32)[:, None] * table[history[:, 0]]


TABLE = jax.random.normal(jax.random.key(0), (9, 9)) * 2
STEP = Partial(bigram, TABLE)


def begin(n):
    return jnp.zeros((n, 9), jnp.int32), jnp.zeros(n, jnp.int32)


def test_a_narrow_beam_keeps_the_words_and_its_captions_their_states():
    """Every caption holds the words; its probability by its own history is the one that was added up."""
    found = beam_search(STEP, begin(2), num_beams=3, max_length=7, force_words_ids=(5, 8), length_penalty=1.0)
    plain = beam_search(STEP, begin(2), num_beams=3, max_length=7, length_penalty=1.0)
    tokens = found.tokens.reshape(6, 7)
    assert ((tokens == 5).any(axis=1) & (tokens == 8).any(axis=1)).all()
    np.testing.assert_allclose(found.log_probs.ravel(), log_prob(STEP, begin(6), tokens), rtol=1e-5)
    assert (found.scores[:, 0] < plain.scores[:, 0]).all()


def test_words_in_lists_of_one_are_the_words():
    options = {"num_beams": 3, "max_length": 5}
    expected = beam_search(STEP, begin(1), force_words_ids=(5, 8), **options)
    found = beam_search(STEP, begin(1), force_words_ids=[[5], [8], [5]], **options)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_words_that_the_best_captions_hold_anyway_change_nothing():
    plain = beam_search(STEP, begin(1), num_beams=8, max_length=4, num_return_sequences=1)
    word = int(plain.tokens[0, 0, 0])
    found = beam_search(STEP, begin(1), num_beams=8, max_length=4, num_return_sequences=1, force_words_ids=(word,))
    np.testing.assert_array_equal(found.tokens, plain.tokens)


def test_more_words_than_the_length_holds_with_an_end():
    """Three words fill three places: the caption is cut off, not lost."""
    found = beam_search(STEP, begin(1), num_beams=2, max_length=3, force_words_ids=(4, 5, 8))
    assert sorted(found.tokens[0, 0].tolist()) == [4, 5, 8]
    assert not found.finished.any()


def test_a_row_does_not_depend_on_its_neighbours(tiny, words):
    options = words | {"num_beams": 2, "force_words_ids": (3,), "max_length": 6}
    together = beam_search(tiny.step, tiny.begin(STATES), **options)
    alone = beam_search(tiny.step, tiny.begin(STATES[5:6]), **options)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[5:6], b), together, alone)


def test_the_loop_is_left_when_nothing_can_change(words):
    """A later step would give NaN."""

    def step(carry, tokens):
        logits = jnp.where(jnp.arange(4) == 1, jnp.where(carry > 1, 50.0, -5.0), 0.0)  # END at the third position
        return carry + 1, jnp.where(carry > 4, jnp.nan, logits)

    options = words | {"num_beams": 2, "force_words_ids": (3,), "max_length": 30}
    found = beam_search(step, jnp.zeros((2, 1)), **options)
    assert np.isfinite(found.log_probs).all()
    assert found.finished.all()

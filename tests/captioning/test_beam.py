"""Beam search against all captions, and against a plain one in NumPy that never leaves early."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import beam_search, captioner, gnmt_length_penalty, greedy

STATES = np.arange(40) * 7
PENALTIES = [0.0, 1.0, 0.6, -0.7]


def caption_of(tokens):
    row = tokens.tolist()
    return tuple(row[: row.index(1) + 1] if 1 in row else [word for word in row if word != -1])


def captions_of(found, i):
    return [caption for row in found.tokens[i] if (caption := caption_of(row))]


@pytest.mark.parametrize(
    "length_penalty",
    [*PENALTIES, gnmt_length_penalty(0.8)],
    ids=[*map(str, PENALTIES), "gnmt"],
)
def test_with_a_beam_for_every_beginning_it_is_brute_force(tiny, words, length_penalty):
    """15 captions end, 16 are cut off; the rest of the beam stays empty."""
    found = beam_search(tiny.step, tiny.begin(STATES), num_beams=40, length_penalty=length_penalty, **words)
    for i, state in enumerate(STATES):
        captions = tiny.captions(state)
        scores = {caption: p / divisor(len(caption), length_penalty) for caption, p in captions.items()}
        best = sorted(scores, key=lambda caption: -scores[caption])
        assert captions_of(found, i) == best
        np.testing.assert_allclose(found.scores[i, :31], [scores[caption] for caption in best], rtol=1e-5)
        np.testing.assert_allclose(found.log_probs[i, :31], [captions[caption] for caption in best], rtol=1e-5)
        assert found.finished[i, :31].tolist() == [caption[-1] == 1 for caption in best]
    assert (found.tokens[:, 31:] == -1).all()
    assert (found.log_probs[:, 31:] == -np.inf).all()
    assert not found.finished[:, 31:].any()


def divisor(length, length_penalty):
    return ((5 + length) / 6) ** 0.8 if callable(length_penalty) else length**length_penalty


def plain(table, state, num_beams, max_length, length_penalty, early_stopping=None):
    """One image at a time, every position to the last; `early_stopping` True or False as Hugging Face has it."""
    living, ended = [((), 0.0, state)], []
    for _ in range(max_length):
        extended = []
        for said, log_p, state in living:
            state = (state * 4 + (said[-1] if said else 0) + 1) % len(table)
            of_word = table[state] - np.log(np.exp(table[state]).sum())
            extended += [((*said, word), log_p + of_word[word], state) for word in (1, 2, 3)]
        extended = sorted(extended, key=lambda hypothesis: -hypothesis[1])[: 2 * num_beams]
        over = [said[-1] == 1 or len(said) == max_length for said, _, _ in extended]
        ended += [
            (log_p / len(said) ** length_penalty, said)
            for (said, log_p, _), end in zip(extended[:num_beams], over, strict=False)
            if end
        ]
        ended = sorted(ended, reverse=True)[:num_beams]
        living = [one for one, end in zip(extended, over, strict=True) if not end][:num_beams]
        full = len(ended) == num_beams and living
        if full and early_stopping is True:
            break
        if full and early_stopping is False and living[0][1] / len(living[0][0]) ** length_penalty <= ended[-1][0]:
            break
    return [said for _, said in ended], [score for score, _ in ended]


def is_plain(found, table, *options):
    for i, state in enumerate(STATES):
        captions, scores = plain(table, state, *options)
        assert captions_of(found, i) == captions
        np.testing.assert_allclose(found.scores[i, : len(scores)], scores, rtol=1e-5)
        assert (found.scores[i, len(scores) :] == -np.inf).all()


@pytest.mark.parametrize("num_beams", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_with_fewer_beams_it_is_the_plain_search(tiny, words, num_beams):
    """Leaving early, when nothing can change, changes nothing."""
    table, options = np.asarray(tiny.table, np.float64), words | {"max_length": 7, "num_beams": num_beams}
    for length_penalty in PENALTIES:
        found = beam_search(tiny.step, tiny.begin(STATES), length_penalty=length_penalty, **options)
        is_plain(found, table, num_beams, 7, length_penalty)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_search_that_stops_sooner(tiny, words, early_stopping):
    table, options = np.asarray(tiny.table, np.float64), words | {"max_length": 7, "num_beams": 3}
    whole = beam_search(tiny.step, tiny.begin(STATES), length_penalty=1.0, **options)
    found = beam_search(tiny.step, tiny.begin(STATES), length_penalty=1.0, early_stopping=early_stopping, **options)
    is_plain(found, table, 3, 7, 1.0, early_stopping)
    assert (found.tokens != whole.tokens).any()


def test_the_first_of_the_captions(tiny, words):
    every = beam_search(tiny.step, tiny.begin(STATES), num_beams=3, **words | {"max_length": 7})
    best = beam_search(tiny.step, tiny.begin(STATES), num_beams=3, num_return_sequences=2, **words | {"max_length": 7})
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:, :2], b), every, best)


def test_with_one_beam_it_is_greedy(tiny, words):
    begin = tiny.begin(STATES)
    found = beam_search(tiny.step, begin, num_beams=1, **words)
    expected = greedy(tiny.step, begin, **words)
    for name in ("tokens", "log_probs", "finished"):
        np.testing.assert_array_equal(getattr(found, name)[:, 0], getattr(expected, name))


def test_the_best_unfinished_caption_where_nothing_ends(tiny, words):
    endless = tiny._replace(table=tiny.table.at[:, 1].set(-jnp.inf))
    found = beam_search(endless.step, endless.begin(STATES), num_beams=40, **words)
    assert not found.finished.any()
    for i, state in enumerate(STATES):
        captions = endless.captions(state)
        best = max(captions, key=captions.__getitem__)
        assert tuple(found.tokens[i, 0].tolist()) == best
        np.testing.assert_allclose(found.log_probs[i, 0], captions[best], rtol=1e-5)


def test_a_longer_caption_may_win_by_its_mean(tiny, words):
    """END at once has half of the probability; a word, and END for sure, less of it but a higher mean."""
    p = jnp.array([[0, 0.5, 0.45, 0.05], [0, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 0]])

    def step(carry, tokens):
        return carry, jnp.log(p[tokens])

    for length_penalty, expected in ((0.0, [1, -1]), (1.0, [2, 1])):
        found = beam_search(step, jnp.zeros((1, 0)), num_beams=2, length_penalty=length_penalty, **words)
        assert found.tokens[0, 0, :2].tolist() == expected


@pytest.mark.slow
def test_a_captioners_state_follows_its_hypotheses():
    """Scores of the captions found are those of teacher forcing."""
    model = captioner(jax.random.key(3), feature_size=3, vocabulary_size=9, embed_size=4, hidden_size=5, cell="rnn")
    model = model._replace(W_vocab=4 * model.W_vocab)
    features = jax.random.normal(jax.random.key(4), (3, 3))
    found = beam_search(model.step, model.start(features), num_beams=3, max_length=5)
    read = jnp.concatenate([jnp.ones((3, 3, 1), jnp.int32), found.tokens[:, :, :-1]], axis=2)
    logits = model(jnp.repeat(features, 3, axis=0), read.reshape(9, 5))
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), found.tokens.reshape(9, 5, 1), axis=2)[:, :, 0]
    expected = jnp.where(found.tokens.reshape(9, 5) != 0, log_p, 0.0).sum(axis=1)
    np.testing.assert_allclose(found.log_probs.ravel(), expected, rtol=1e-4)

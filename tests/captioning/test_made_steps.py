"""Steps made of steps keep their rule in every decoder, and are what a loop in Python makes of the same tables."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxvision import captioning
from jaxvision.captioning import (
    END,
    START,
    beam_search,
    ensemble,
    greedy,
    log_prob,
    sample,
    with_min_length,
    without_repeats,
)
from jaxvision.errors import InputError

V, T = 6, 5  # NULL, START, END, UNK and two words
TABLES = jax.random.normal(jax.random.key(0), (2, V, V)) * 2  # (captions, word read, word said)


def bigram(tables, carry, tokens):
    """Scores of the next word by the last one, from a table of each caption; the carry says whose."""
    return carry, tables[carry, tokens]


STEP, CARRY = Partial(bigram, TABLES), jnp.arange(2)


def probabilities(table, said, *, min_length=1, size=None):
    """Of the next word after `said`, by hand."""
    scores = np.array(table[said[-1] if said else START], np.float64)
    if len(said) + 1 < min_length:
        scores[END] = -np.inf
    for first in range(len(said) - size + 1) if size else ():
        if size == 1 or tuple(said[first : first + size - 1]) == tuple(said[len(said) - size + 1 :]):
            scores[said[first + size - 1]] = -np.inf
    return np.exp(scores) / np.exp(scores).sum()


def best_of_all(table, **rule):
    """The most probable among all captions of up to T words, and those of T words that are cut off."""
    found = {}
    for length in range(1, T + 1):
        for caption in itertools.product(*[[4, 5]] * (length - 1), [END, 4, 5] if length == T else [END]):
            p = [probabilities(table, list(caption[:t]), **rule)[word] for t, word in enumerate(caption)]
            found[caption] = np.sum(np.log(np.maximum(p, 1e-300)))
    return max(found.items(), key=lambda item: item[1])


RULES = [{"min_length": 4}, {"size": 1}, {"size": 2}, {"size": 3}]


def ruled(step, carry, rule):
    if "min_length" in rule:
        return with_min_length(step, carry, rule["min_length"])
    return without_repeats(step, carry, rule["size"], max_length=T)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_full_beam_finds_the_best_caption_that_keeps_the_rule(rule):
    """NULL, START and UNK are never chosen, but have their share of probability, in the table by hand as well."""
    step, carry = ruled(STEP, CARRY, rule)
    found = beam_search(step, carry, num_beams=2**T, max_length=T)
    for row in range(2):
        caption, log_p = best_of_all(np.asarray(TABLES[row]), **rule)
        assert tuple(found.tokens[row, 0][: len(caption)].tolist()) == caption
        np.testing.assert_allclose(found.log_probs[row, 0], log_p, rtol=1e-5)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_samples_keep_the_rule_and_a_caption_depends_on_its_own_row(rule):
    step, carry = ruled(Partial(bigram, jnp.repeat(TABLES, 32, axis=0)), jnp.arange(64), rule)
    keys = jax.random.split(jax.random.key(1), 64)
    said = sample(step, carry, keys, max_length=T, forbidden=(0, 1, 3))
    for words in np.asarray(said.tokens):
        caption = words[: list(words).index(END) + 1] if END in words else words
        assert END not in words or len(caption) >= rule.get("min_length", 1)
        n = rule.get("size", T)
        grams = [tuple(caption[i : i + n]) for i in range(len(caption) - n + 1)]
        assert len(set(grams)) == len(grams)
    alone, of_alone = ruled(Partial(bigram, jnp.repeat(TABLES, 32, axis=0)), jnp.array([40]), rule)
    once = sample(alone, of_alone, keys[40:41], max_length=T, forbidden=(0, 1, 3))
    np.testing.assert_array_equal(once.tokens[0], said.tokens[40])


def test_an_ensemble_is_the_mean_of_probabilities_whatever_the_kinds():
    plain = captioning.captioner(jax.random.key(0), feature_size=3, vocabulary_size=V, embed_size=2, hidden_size=4)
    sizes = {"feature_size": 3, "vocabulary_size": V, "embed_size": 2, "hidden_size": 4, "attention_size": 4}
    attentive = captioning.attention_captioner(jax.random.key(1), **sizes)
    features, grid = jnp.ones((2, 3)), jax.random.normal(jax.random.key(2), (2, 7, 3))
    step, carry = ensemble([(plain.step, plain.start(features)), (attentive.step, attentive.start(grid))])
    tokens = jnp.array([[4, 5, END, 0], [5, 3, 4, END]])
    read = jnp.concatenate([jnp.full((2, 1), START), tokens[:, :-1]], axis=1)
    p = (jax.nn.softmax(plain(features, read)) + jax.nn.softmax(attentive(grid, read))) / 2
    of_words = jnp.log(jnp.take_along_axis(p, tokens[:, :, None], axis=2)[:, :, 0])
    expected = jnp.stack([of_words[0, :3].sum(), of_words[1].sum()])
    np.testing.assert_allclose(log_prob(step, carry, tokens), expected, rtol=1e-5)
    found = beam_search(step, carry, num_beams=3, max_length=4)  # cells of an image are held once for all its beams
    np.testing.assert_allclose(found.log_probs[:, 0], log_prob(step, carry, found.tokens[:, 0]), rtol=1e-4)


def test_one_program_for_all_weights():
    traces = []

    def counted(tables, carry, tokens):
        traces.append(1)
        return bigram(tables, carry, tokens)

    for tables in (TABLES, 2 * TABLES):
        greedy(*with_min_length(*without_repeats(Partial(counted, tables), CARRY, 2, max_length=T), 3), max_length=T)
    assert len(traces) == 2  # one to look at the shapes, one to compile


def fixed(n_words):
    return lambda carry, tokens: (carry, jnp.zeros((len(tokens), n_words)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ensemble([]), "at least one captioner"),
        (
            lambda: greedy(*ensemble([(fixed(4), CARRY), (fixed(5), CARRY)]), max_length=T, forbidden=()),
            r"must score the same words, got .* shapes \(\d+, 4\), \(\d+, 5\)",
        ),
        (lambda: with_min_length(STEP, CARRY, 0), "min_length must be"),
        (lambda: without_repeats(STEP, CARRY, 0, max_length=T), "no_repeat_ngram_size must be"),
        (lambda: without_repeats(STEP, CARRY, 2, max_length=0), "max_length must be"),
        (lambda: with_min_length(STEP, (), 2), "carry must hold an array"),
    ],
)
def test_bad_input_is_a_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()

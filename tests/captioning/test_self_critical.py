"""Self-critical training: REINFORCE on the same captions, the expected gradient by enumeration, the reward."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import (
    END,
    NULL,
    START,
    UNK,
    attempt,
    attention_captioner,
    caption_lengths,
    captioner,
    cider_reward,
    greedy,
    policy_gradient_loss,
    sample,
    self_critical_loss,
)
from jaxvision.errors import InputError
from jaxvision.metrics.captions import cider_d, document_frequency, ngram_weights

N, LENGTH = 5, 6
FEATURES = jax.random.normal(jax.random.key(2), (N, 4))
REFERENCES = np.array([[[4, 5, 6, END, 0], [4, 6, END, 0, 0]]] * (N - 1) + [[[7, 8, 4, 5, END], [8, 4, END, 0, 0]]])
LENGTHS = np.array(caption_lengths(jnp.asarray(REFERENCES)))


def small():
    model = captioner(
        jax.random.key(1), feature_size=4, vocabulary_size=9, embed_size=3, hidden_size=5, cell="gru"
    )  # fmt: skip
    return model._replace(W_vocab=2 * model.W_vocab)


def reward():
    return cider_reward(ngram_weights(REFERENCES, LENGTHS), jnp.asarray(REFERENCES), jnp.asarray(LENGTHS))


def by_words(tokens):
    """The reward from the words of captions, END among them."""

    def words(row):
        row = [int(token) for token in row]
        return [str(token) for token in (row[: row.index(END) + 1] if END in row else row) if token != NULL]

    references = [[words(row) for row in rows] for rows in REFERENCES]
    return cider_d(
        [words(row) for row in tokens], references, frequency=document_frequency(references)
    ).images  # fmt: skip


def log_q(model, features, tokens):
    """With NumPy's loop over words, of one caption."""
    carry, total, last = model.start(features[None]), 0.0, START
    for token in tokens:
        carry, logits = model.step(carry, jnp.array([last]))
        allowed = jnp.array([word for word in range(9) if word not in (NULL, START, UNK)])
        chosen = logits[0, token] - jax.nn.logsumexp(logits[0, allowed])
        total, last = total + chosen, token
    return total


def test_the_gradient_is_reinforce_on_the_same_captions():
    """Captions that `sample` draws, the greedy ones as their baseline, rewards from strings, a loop over words."""
    model, key = small(), jax.random.key(7)
    found, attempts = jax.jit(jax.grad(lambda m: self_critical_loss(m, FEATURES, key, reward(), max_length=LENGTH),
                                       has_aux=True))(model)  # fmt: skip
    drawn = sample(model.step, model.start(FEATURES), key, max_length=LENGTH).tokens
    best = greedy(model.step, model.start(FEATURES), max_length=LENGTH).tokens
    np.testing.assert_array_equal(attempts.tokens[:, 0], drawn)
    np.testing.assert_allclose(attempts.rewards[:, 0], by_words(drawn), atol=1e-5)
    np.testing.assert_allclose(attempts.baselines[:, 0], by_words(best), atol=1e-5)
    advantages = by_words(drawn) - by_words(best)
    assert (advantages != 0).sum() > 1

    def outside(model):
        captions = [[int(token) for token in row if token != NULL] for row in drawn]
        terms = [float(a) * log_q(model, f, c) for a, f, c in zip(advantages, FEATURES, captions, strict=True)]
        return -sum(terms) / N

    expected = jax.grad(outside)(model)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


def test_with_more_captions_the_baseline_is_the_mean_of_the_others():
    found = attempt(small(), FEATURES, jax.random.key(0), reward(), max_length=LENGTH, num_samples=4)
    assert found.tokens.shape == (N, 4, LENGTH)
    rewards = np.stack([by_words(found.tokens[:, k]) for k in range(4)], axis=1)
    np.testing.assert_allclose(found.rewards, rewards, atol=1e-5)
    for k in range(4):
        np.testing.assert_allclose(found.baselines[:, k], np.delete(rewards, k, axis=1).mean(axis=1), atol=1e-5)
    assert len({tuple(row) for row in np.asarray(found.tokens).reshape(N * 4, LENGTH).tolist()}) > 5


def test_an_image_draws_what_it_draws_alone():
    options = {"reward_fn": lambda tokens: jnp.zeros(len(tokens)), "max_length": LENGTH, "num_samples": 3}
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(0), jnp.arange(N))
    together = attempt(small(), FEATURES, jax.random.key(0), **options)
    alone = attempt(small(), FEATURES[2:3], keys[2:3], **options)
    np.testing.assert_array_equal(together.tokens[2], alone.tokens[0])


@pytest.mark.parametrize("num_samples", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_captioner_with_attention_draws_from_its_own_image(num_samples):
    grid = jax.random.normal(jax.random.key(3), (N, 7, 4))
    model = attention_captioner(jax.random.key(1), feature_size=4, vocabulary_size=9, embed_size=3, hidden_size=5)
    drawn = attempt(model, grid, jax.random.key(4), reward(), max_length=LENGTH, num_samples=num_samples)
    if num_samples == 1:
        expected = sample(model.step, model.start(grid), jax.random.key(4), max_length=LENGTH).tokens
        np.testing.assert_array_equal(drawn.tokens[:, 0], expected)
    gradient, _ = jax.jit(jax.grad(self_critical_loss, has_aux=True), static_argnames=("max_length", "num_samples"))(
        model, grid, jax.random.key(4), reward(), max_length=LENGTH, num_samples=num_samples
    )
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.any(gradient.attention.v != 0)


def every_caption(length, choosable):
    """All captions of at most `length` words, by what they say up to END, padded with NULL."""
    others = [word for word in choosable if word != END]
    found = [list(words) for words in itertools.product(others, repeat=length)]
    for n in range(length):
        found += [[*words, END, *[NULL] * (length - n - 1)] for words in itertools.product(others, repeat=n)]
    return jnp.array(found)


def test_the_expected_gradient_is_the_gradient_of_the_expected_reward():
    """Over all captions of three words, whatever the baseline, with words that are never chosen."""
    model, tokens = small(), every_caption(3, (END, 4, 5))
    features = jnp.broadcast_to(FEATURES[:1], (len(tokens), 4))
    forbidden = (NULL, START, UNK, 6, 7, 8)
    rewards = jax.random.normal(jax.random.key(5), (len(tokens),))

    def log_probs(model):
        """From the loss of single captions."""
        one = lambda f, t: -policy_gradient_loss(model, f[None], t[None], jnp.ones(1), forbidden=forbidden)  # noqa: E731
        return jax.vmap(one)(features, tokens)

    q = jnp.exp(log_probs(model))
    np.testing.assert_allclose(q.sum(), 1, rtol=1e-5)
    expected = jax.jit(jax.grad(lambda model: -jnp.sum(jnp.exp(log_probs(model)) * rewards)))(model)
    for baseline in (0.0, 1.7):
        weighted = q * (rewards - baseline) * len(tokens)  # the loss is a mean over captions
        loss = jax.jit(jax.grad(lambda m, a: policy_gradient_loss(m, features, tokens, a, forbidden=forbidden)))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), loss(model, weighted), expected
        )


@pytest.mark.parametrize("num_samples", [1, 3])
def test_the_mean_gradient_of_many_draws_is_that_of_the_expected_reward(num_samples):
    """By the law of large numbers, within five standard errors; the greedy or the others' mean as baseline."""
    model, tokens = small(), every_caption(2, (END, 4, 5))
    forbidden, n = (NULL, START, UNK, 6, 7, 8), 3000
    worth = jax.random.normal(jax.random.key(6), (len(tokens),))

    def reward_fn(said):
        return jnp.sum(jnp.where(jnp.all(said[:, None] == tokens[None], axis=2), worth[None], 0.0), axis=1)

    def bias_gradient(features, key):
        found, _ = jax.grad(self_critical_loss, has_aux=True)(
            model, features[None], key[None], reward_fn, max_length=2, num_samples=num_samples, forbidden=forbidden
        )
        return found.b_vocab

    each = jax.jit(jax.vmap(bias_gradient, in_axes=(None, 0)))(FEATURES[0], jax.random.split(jax.random.key(8), n))

    def expected_reward(b_vocab):
        changed, features = model._replace(b_vocab=b_vocab), FEATURES[:1]
        one = lambda t: -policy_gradient_loss(changed, features, t[None], jnp.ones(1), forbidden=forbidden)  # noqa: E731
        return -jnp.sum(jnp.exp(jax.vmap(one)(tokens)) * worth)

    expected = jax.grad(expected_reward)(model.b_vocab)
    error = np.asarray(each).std(axis=0) / np.sqrt(n)
    assert (np.abs(each.mean(axis=0) - expected) <= 5 * error + 1e-6).all()
    assert np.abs(expected).max() > 10 * error.max()


def test_lengths_end_with_end_or_before_null():
    tokens = jnp.array([[5, END, 6, END], [5, 6, 7, 8], [NULL, 5, END, 0], [END, 0, 0, 0], [5, NULL, END, 0]])
    assert caption_lengths(tokens).tolist() == [2, 4, 0, 1, 1]
    assert caption_lengths(tokens, end=False).tolist() == [1, 4, 0, 0, 1]


def test_no_captions_are_refused():
    with pytest.raises(InputError, match="num_samples must be"):
        attempt(small(), FEATURES, jax.random.key(0), reward(), max_length=3, num_samples=0)

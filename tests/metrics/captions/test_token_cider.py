"""CIDEr-D of word ids against the one of strings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.metrics.captions import cider_d, document_frequency, ngram_weights, token_cider_d

MAX_LENGTH = 12


def random_captions(rng, n, n_words):
    """Captions of no to twelve words, many of them pieces of one another, so that n-grams of all orders are shared."""
    stock = rng.integers(0, n_words, size=(20, MAX_LENGTH)).tolist()
    found = []
    for _ in range(n):
        words = stock[rng.integers(20)][rng.integers(6) :] + stock[rng.integers(20)][: rng.integers(MAX_LENGTH)]
        found.append(words[: rng.integers(0, MAX_LENGTH + 1)])
    return found


def padded(captions, rng):
    """Ids and lengths; what follows the words is anything."""
    ids = rng.integers(0, 5, size=(len(captions), MAX_LENGTH))
    for row, words in zip(ids, captions, strict=True):
        row[: len(words)] = words
    return ids, np.array([len(words) for words in captions])


def sets(rng, n, n_words, n_references=5):
    """Captions and references of n images, as lists and as arrays; some images have fewer references."""
    candidates = random_captions(rng, n, n_words)
    references = [random_captions(rng, rng.integers(1, n_references + 1), n_words) for _ in range(n)]
    ids, lengths = np.zeros((n, n_references, MAX_LENGTH), int), np.full((n, n_references), -1)
    for i, captions in enumerate(references):
        ids[i, : len(captions)], lengths[i, : len(captions)] = padded(captions, rng)
    return candidates, references, [jnp.asarray(a) for a in (*padded(candidates, rng), ids, lengths)]


def as_words(captions):
    return [[str(word) for word in words] for words in captions]


def check(seed, n, n_words):
    """Frequencies are those of other captions of the same kind: some n-grams are not there."""
    rng = np.random.default_rng(seed)
    candidates, references, arrays = sets(rng, n, n_words)
    _, others, (_, _, *other_arrays) = sets(rng, 30, n_words)
    frequency = document_frequency([as_words(captions) for captions in others])
    expected = cider_d(as_words(candidates), [as_words(captions) for captions in references], frequency=frequency)
    found = jax.jit(token_cider_d)(ngram_weights(*other_arrays), *arrays)
    np.testing.assert_allclose(found, expected.images, rtol=0, atol=1e-5)
    return expected.images


@pytest.mark.parametrize("n_words", [3, 40])
def test_scores_are_those_of_words(n_words):
    scores = check(0, 200, n_words)
    assert (scores > 0).mean() > 0.2
    assert scores.std() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "n_words"), [(1, 2), (2, 10), (3, 1000)])
def test_scores_of_thousands_are_those_of_words(seed, n_words):
    check(seed, 2000, n_words)


def test_a_caption_that_is_its_only_reference_scores_ten():
    ids = jnp.array([[[5, 6, 7, 8]], [[1, 2, 3, 4]]])
    lengths = jnp.array([[4], [4]])
    found = token_cider_d(ngram_weights(ids, lengths), ids[:, 0], lengths[:, 0], ids, lengths)
    np.testing.assert_allclose(found, 10, rtol=1e-6)


def test_a_batch_is_its_images_and_padding_is_nothing():
    _, _, (tokens, lengths, ids, sizes) = sets(np.random.default_rng(4), 8, 4)
    weights = ngram_weights(ids, sizes)
    found = token_cider_d(weights, tokens, lengths, ids, sizes)
    single = token_cider_d(weights, tokens[3:4], lengths[3:4], ids[3:4], sizes[3:4])
    np.testing.assert_allclose(found[3:4], single, rtol=1e-6)
    wider = token_cider_d(
        weights, jnp.pad(tokens, ((0, 0), (0, 3))), lengths, jnp.pad(ids, ((0, 0), (0, 2), (0, 1))),
        jnp.pad(sizes, ((0, 0), (0, 2)), constant_values=-1),
    )  # fmt: skip
    np.testing.assert_allclose(found, wider, rtol=1e-6)


def test_ids_may_be_large():
    """Two words of thirty bits make no number of thirty-two."""
    ids = jnp.array([[[2**30, 2**30 + 1, 7]], [[2**30 + 1, 2**30, 7]], [[1, 2, 3]]])
    lengths = jnp.array([[3], [3], [3]])
    found = token_cider_d(ngram_weights(ids, lengths), ids[:, 0], lengths[:, 0], ids, lengths)
    expected = cider_d(as_words(ids[:, 0].tolist()), [as_words(r) for r in ids.tolist()]).images
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("ids", "lengths", "sentence"),
    [
        (np.zeros((2, 3), int), np.zeros((2, 3), int), "must be word ids"),
        (np.zeros((2, 1, 3), int), np.array([[2], [-1]]), "image 1 has no references"),
        (np.zeros((1, 1, 3), int), np.array([[4]]), "cannot have 4 words in a row of 3"),
    ],
)
def test_bad_input_is_a_sentence(ids, lengths, sentence):
    with pytest.raises(InputError, match=sentence):
        ngram_weights(ids, lengths)

"""CIDEr-D of word ids against the one of strings."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data.captions import captioned_scenes
from jaxvision.errors import InputError
from jaxvision.metrics.captions import cider_d, document_frequency, ngram_weights, ptb_tokenize, token_cider_d

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


def test_what_follows_an_unknown_word_is_unknown():
    """Not what follows another word: 1 2 3 is known after 0, and 4 is in no caption that frequencies are of."""
    known, candidate, reference = [[[0, 1, 2, 3]], [[0, 1, 2]], [[0, 2]]], [4, 1, 2, 3], [4, 1, 2, 0]
    frequency = document_frequency([as_words(captions) for captions in known])
    expected = cider_d(as_words([candidate, [0, 1]]), [as_words([reference]), as_words([[0, 2]])], frequency=frequency)
    tokens = jnp.array([[[0, 1, 2, 3]], [[0, 1, 2, 0]], [[0, 2, 0, 0]]])
    weights = ngram_weights(tokens, jnp.array([[4], [3], [2]]))
    given = jnp.array([candidate, [0, 1, 0, 0]]), jnp.array([4, 2])
    found = token_cider_d(weights, *given, jnp.array([[reference], [[0, 2, 0, 0]]]), jnp.array([[4], [2]]))
    np.testing.assert_allclose(found, expected.images, rtol=0, atol=1e-5)


def spoiled(rng, words, others):
    """A caption as a captioner might say it: of another image, half of another one, a word lost, doubled, changed."""
    place, other = rng.integers(len(words)), others[rng.integers(len(others))]
    kinds = (
        lambda: other,
        lambda: words[:place] + other[place:],
        lambda: words[:place] + words[place + 1 :],
        lambda: words[:place] + words[place : place + 2] * 2 + words[place + 2 :],
        lambda: [*words[:place], other[rng.integers(len(other))], *words[place + 1 :]],
    )
    return kinds[rng.integers(len(kinds))]()


def check_of_people(captions, seed=0):
    """Of each image its last caption, held against the others of it, and each of them spoiled, against all of it."""
    rng = np.random.default_rng(seed)
    every = [words for of_image in captions for words in of_image]
    candidates = [of_image[-1] for of_image in captions]
    references = [of_image[:-1] for of_image in captions]
    for of_image in captions:
        candidates += [spoiled(rng, words, every) for words in of_image]
        references += [of_image] * len(of_image)
    frequency = document_frequency(captions)
    expected = cider_d(candidates, references, frequency=frequency).images
    ids = {word: number for number, word in enumerate(sorted({word for words in every for word in words}))}

    def as_arrays(groups):
        shape = (len(groups), max(map(len, groups)), max(len(words) for group in groups for words in group))
        tokens, lengths = np.zeros(shape, np.int32), np.full(shape[:2], -1, np.int32)
        for i, group in enumerate(groups):
            for k, words in enumerate(group):
                tokens[i, k, : len(words)], lengths[i, k] = [ids[word] for word in words], len(words)
        return tokens, lengths

    weights = ngram_weights(*as_arrays(captions))
    tokens, lengths = as_arrays([[words] for words in candidates])
    arrays = (tokens[:, 0], lengths[:, 0], *as_arrays(references))
    found = jax.lax.map(lambda row: token_cider_d(weights, *(a[None] for a in row))[0], arrays, batch_size=500)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    return candidates, expected


@pytest.mark.slow
def test_scores_of_thousands_of_scene_captions_are_those_of_words():
    """More than 5,000 different captions, of scenes they are of, nearly of, or not of."""
    scenes = captioned_scenes("test", 1200, size=8)
    captions = [[caption.split() for caption in of_scene] for of_scene in scenes.captions]
    candidates, scores = check_of_people(captions)
    assert len(candidates) == 7200
    assert len({tuple(words) for words in candidates}) > 5000
    assert (scores > 2).mean() > 0.1
    assert (scores > 0).mean() > 0.9


@pytest.mark.data
def test_scores_of_thousands_of_cocos_captions_are_those_of_words(needs):
    content = json.loads(needs("coco_captions/captions_val2017.json").read_text())
    captions = {}
    for row in content["annotations"][:10000]:
        captions.setdefault(row["image_id"], []).append(ptb_tokenize(row["caption"]))
    candidates, scores = check_of_people([of_image for of_image in captions.values() if len(of_image) > 1])
    assert len({tuple(words) for words in candidates}) > 5000
    assert (scores > 0).mean() > 0.9


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

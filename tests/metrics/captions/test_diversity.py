"""Diversity by hand, and by an SVD of the captions' own vectors."""

import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.metrics.captions import cider_d, distinct_n, document_frequency, self_cider

REFERENCES = [[["a", "red", "ring"], ["a", "ring"]], [["two", "blue", "stars"], ["stars"]], [["a", "big", "star"]]]
FREQUENCY = document_frequency(REFERENCES)


def test_distinct_pairs_are_counted_over_all_words():
    captions = [[["a", "b", "a", "b"], ["b", "a"]], [[], ["a"]], [[]]]
    assert distinct_n(captions, 2).tolist() == [2 / 6, 0, 0]
    assert distinct_n(captions, 1).tolist() == [2 / 6, 1, 0]


def test_self_cider_is_the_spectrum_of_cider():
    """Captions of one length without a word twice: what CIDEr-D says of pairs is the likeness."""
    captions = [["a", "red", "ring"], ["a", "blue", "ring"], ["two", "blue", "stars"], ["a", "red", "star"]]
    pairs = [(one, other) for one in captions for other in captions]
    scores = cider_d([one for one, _ in pairs], [[other] for _, other in pairs], frequency=FREQUENCY).images
    K = scores.reshape(4, 4) / 10  # of three orders: a fourth there is none
    assert K[0, 0] == pytest.approx(0.75)
    roots = np.sqrt(np.linalg.svd(K, compute_uv=False))
    expected = -np.log(roots.max() / roots.sum()) / np.log(4)
    np.testing.assert_allclose(self_cider([captions], FREQUENCY), [expected], atol=1e-6)
    assert 0.2 < expected < 0.99


def test_self_cider_is_the_spectrum_of_the_captions_own_vectors():
    """Wang and Chan's definition in NumPy: singular values of the matrix whose rows are normalised tf-idf vectors."""
    lines = [
        ["a red ring is left of a blue star", "a red ring and a blue star", "there are two objects in the picture"],
        ["two hearts on a dotted background", "a small pink heart is above a large red heart", "two hearts"],
        ["a cross is behind a large green cross", "two crosses", "a green cross in front of a yellow cross"],
    ]
    captions = [[line.split() for line in of_image] for of_image in lines]

    def pieces(words, n):
        return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]

    expected = []
    for of_image in captions:
        blocks = []
        for n in (1, 2, 3, 4):
            names = sorted({piece for words in of_image for piece in pieces(words, n)})
            images = [sum(any(name in pieces(w, n) for w in others) for others in captions) for name in names]
            idf = np.log(len(captions) / np.maximum(1, images))
            rows = np.array([[pieces(words, n).count(name) for name in names] for words in of_image]) * idf
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            blocks.append(rows / np.where(norms > 0, norms, 1))
        sigma = np.linalg.svd(np.concatenate(blocks, axis=1) / 2, compute_uv=False)
        expected.append(-np.log(sigma[0] / sigma.sum()) / np.log(3))
    found = self_cider(captions, document_frequency(captions))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0.3 < min(expected) < max(expected) < 1
    assert max(expected) - min(expected) > 0.02


def test_order_and_neighbours_do_not_matter_and_more_variety_is_more():
    few = [["a", "red", "ring"], ["a", "red", "ring"], ["a", "red", "star"]]
    more = [["a", "red", "ring"], ["two", "blue", "stars"], ["a", "big", "star"]]
    same = [["a", "ring"]] * 3
    found = self_cider([same, few, more], FREQUENCY)
    assert found[0] == pytest.approx(0, abs=1e-5)
    assert found[0] < found[1] < found[2] <= 1
    np.testing.assert_allclose(self_cider([few[::-1]], FREQUENCY), found[1:2], atol=1e-9)
    assert self_cider([[[], []]], FREQUENCY).tolist() == [0]


def test_what_is_refused():
    with pytest.raises(InputError, match="image 1 has 1 captions: give it at least 2"):
        self_cider([[["a"], ["b"]], [["a"]]], FREQUENCY)
    with pytest.raises(InputError, match="image 0 has a caption that is a string"):
        distinct_n([["a ring"]], 1)
    with pytest.raises(InputError, match="image 0 has 0 captions: give it at least 1"):
        distinct_n([[]], 1)
    with pytest.raises(InputError, match="n must be"):
        distinct_n([[["a"]]], 0)

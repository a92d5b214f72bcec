"""Scores worked out by hand."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.metrics.captions import add_one_smoothing, bleu, cider_d, document_frequency, rouge_l

METRICS = [bleu, rouge_l, cider_d]


def split(*captions):
    return [caption.split() for caption in captions]


def test_bleu_of_two_images():
    """Image 1: 4 of 4 words, 2 of 3 pairs; image 2: 2 of 2 words, 1 of 1 pair; 6 words against 4 + 3."""
    candidates = split("a cat sits there", "two dogs")
    references = [split("the cat sits here alone", "a cat looked there"), split("two dogs run")]
    found = bleu(candidates, references)
    brevity = math.exp(1 - 7 / 6)
    np.testing.assert_allclose(found.corpus[:2], [brevity, brevity * math.sqrt(3 / 4)], rtol=1e-6)
    alone = math.exp(1 - 3 / 2)
    np.testing.assert_allclose(found.images[:, 0], [1, alone], rtol=1e-6)
    np.testing.assert_allclose(found.images[:, 1], [math.sqrt(2 / 3), alone], rtol=1e-6)


def test_a_word_counts_as_often_as_one_reference_has_it():
    found = bleu(split("the the the the"), [split("the cat and the dog", "the end")])
    np.testing.assert_allclose(found.images[0, 0], math.exp(1 - 5 / 4) * 2 / 4, rtol=1e-6)


def test_of_two_equally_near_references_the_shorter_counts():
    found = bleu(split("a b c"), [split("a b", "a b c d")])
    np.testing.assert_allclose(found.images[0, 0], 1, rtol=1e-6)


def test_smoothing_of_what_does_not_match_and_of_what_is_not_there():
    """Four words: no pair matches. One word: there is no pair, 1e-15 / 1e-9."""
    found = bleu(split("a b c d", "a"), [split("d c b a"), split("a")])
    np.testing.assert_allclose(found.images[0, 1], math.sqrt(1e-15 / 3), rtol=1e-6)
    np.testing.assert_allclose(found.images[1, 1:], [1e-3, 1e-4, 1e-18 ** (1 / 4)], rtol=1e-6)


def test_a_short_candidate_adds_no_pairs():
    found = bleu(split("a b", "a"), [split("a b"), split("a")])
    np.testing.assert_allclose(found.corpus[1], 1, rtol=1e-6)


def test_add_one_smoothing_is_nltks():
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    words = split("a man rides a brown horse", "a man rides a brown horse on the beach", "the man is riding a horse")
    for candidate, reference in itertools.permutations(words, 2):
        found = bleu([candidate], [[reference]], smoothing=add_one_smoothing).images[0, 3]
        expected = sentence_bleu([reference], candidate, smoothing_function=SmoothingFunction().method2)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rouge_takes_precision_and_recall_from_different_references():
    """Against 'a b c d e f': 3 of 4 words; against 'a b': both of its words."""
    found = rouge_l(split("a x b c"), [split("a b c d e f", "a b")])
    precision, recall = 3 / 4, 1
    assert found.corpus == pytest.approx((1 + 1.44) * precision * recall / (recall + 1.44 * precision))


def test_rouge_finds_the_longest_common_subsequence():
    """Against every subsequence, on words of three letters of the alphabet."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        a, b = (rng.choice(list("abc"), size=rng.integers(1, 8)).tolist() for _ in range(2))
        subsequences = {s for k in range(len(a) + 1) for s in itertools.combinations(a, k)}
        longest = max(k for k in range(len(b) + 1) for s in itertools.combinations(b, k) if s in subsequences)
        precision, recall = longest / len(a), longest / len(b)
        expected = 2.44 * precision * recall / (recall + 1.44 * precision) if longest else 0
        assert rouge_l([a], [[b]]).corpus == pytest.approx(expected)


def test_cider_of_two_images():
    """`a` is in both images and weighs nothing, every other n-gram weighs log 2; the second reference has one more."""
    found = cider_d(split("a cat", "a dog"), [split("a cat", "one black cat"), split("a dog")])
    length = math.exp(-1 / 72)
    first = (1 + 1) + length / math.sqrt(3)  # of the first reference and the second
    np.testing.assert_allclose(found.images, [first * 10 / 4 / 2, (1 + 1) * 10 / 4], rtol=1e-12)
    assert found.corpus == pytest.approx(found.images.mean())


def test_cider_clips_repeated_words():
    references = [split("cat dog"), split("bird")]
    found = cider_d(split("cat cat", "bird"), references, sigma=1e9).images[0]
    assert found == pytest.approx(10 / 4 * 1 / (2 * math.sqrt(2)))


def test_cider_with_frequencies_of_other_captions():
    references = [split("a cat", "one black cat"), split("a dog")]
    alone = cider_d(split("a cat"), references[:1], frequency=document_frequency(references))
    np.testing.assert_array_equal(alone.images, cider_d(split("a cat", "a dog"), references).images[:1])
    assert cider_d(split("a cat"), references[:1]).corpus == 0  # one image: nothing tells it from others


@pytest.mark.parametrize("metric", METRICS)
def test_no_words_score_nothing(metric):
    found = metric([[], ["a"], []], [split("a cat"), split("a cat"), [[], []]])
    np.testing.assert_array_equal(found.images[[0, 2]], 0)
    assert np.all(np.isfinite(found.images))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("candidates", "references", "sentence"),
    [
        ([["a"]], [], "1 candidates and references for 0 images"),
        ([], [], "no captions"),
        ([["a"], ["a"]], [[["a"]], []], "image 1 has no references"),
        (["a cat"], [[["a", "cat"]]], "string where a list of words"),
        ([["a", "cat"]], [["a cat"]], "string where a list of words"),
        ([["a", "cat"]], ["a cat"], "string where a list of words"),
    ],
)
def test_bad_input_is_a_sentence(metric, candidates, references, sentence):
    with pytest.raises(InputError, match=sentence):
        metric(candidates, references)


@pytest.mark.parametrize(
    ("references", "sentence"),
    [
        ([], "no references to count"),
        ([[["a"]], []], "image 1 has no references"),
        ([["a cat"]], "string where a list of words"),
        (["a cat"], "string where a list of words"),
    ],
)
def test_frequencies_of_strings_or_of_nothing_are_refused(references, sentence):
    with pytest.raises(InputError, match=sentence):
        document_frequency(references)


def test_nobody_waits_for_nltk_before_bleu():
    code = "import sys, jaxvision.metrics.captions as c; c.ptb_tokenize('a cat'); sys.exit('nltk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

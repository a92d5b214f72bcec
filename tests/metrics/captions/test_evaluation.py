import inspect

import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.metrics.captions import bleu, cider_d, evaluate, rouge_l

CANDIDATES = {"b": "A black cat.", "a": "Two dogs!"}
REFERENCES = {
    "a": ["two dogs run", "The dogs"],
    "b": ["a cat, black", "one cat"],
}


def test_every_metric_by_id():
    found = evaluate(CANDIDATES, REFERENCES)
    words = [["a", "black", "cat"], ["two", "dogs"]]
    references = [[["a", "cat", "black"], ["one", "cat"]], [["two", "dogs", "run"], ["the", "dogs"]]]
    assert found.ids == ("b", "a")
    np.testing.assert_array_equal(found.corpus[:4], bleu(words, references).corpus)
    np.testing.assert_array_equal(np.stack(found.images[:4], axis=1), bleu(words, references).images)
    np.testing.assert_array_equal(found.images.rouge_l, rouge_l(words, references).images)
    np.testing.assert_array_equal(found.images.cider_d, cider_d(words, references).images)
    assert found.corpus.rouge_l == found.images.rouge_l.mean()
    assert found.corpus.cider_d == found.images.cider_d.mean()


def test_sequences_are_in_order():
    by_id = evaluate(CANDIDATES, REFERENCES)
    in_order = evaluate(list(CANDIDATES.values()), [REFERENCES[image] for image in CANDIDATES])
    assert in_order.ids == (0, 1)
    assert in_order.corpus == by_id.corpus


def test_words_of_another_tokenizer():
    found = evaluate(["Cat."], [["cat"]], tokenize=str.split)
    assert found.corpus.rouge_l == 0
    assert evaluate(["Cat."], [["cat"]]).corpus.rouge_l == 1


def test_an_empty_candidate_scores_nothing():
    found = evaluate({**CANDIDATES, "b": "..."}, REFERENCES)
    assert [scores[0] for scores in found.images] == [0] * 6


@pytest.mark.parametrize(
    ("candidates", "references", "sentence"),
    [
        ({"a": "a cat"}, REFERENCES, r"1 images have references and no candidate \('b'\)"),
        ({**CANDIDATES, "c": "a", "d": "a"}, REFERENCES, r"2 images have a candidate and no references \('c', 'd'\)"),
        ({1: "a cat"}, {"1": ["a cat"]}, "same ids, of the same type"),
        (["a cat"], {"a": ["a cat"]}, "give both or neither"),
        (["a cat"], [["a cat"], ["a dog"]], "1 candidates and references for 2 images"),
        ({"a": "a cat"}, {"a": []}, "image 'a' has no references"),
        ({"a": ["a cat"]}, {"a": ["a cat"]}, "candidate of image 'a' is .* expected one sentence"),
        ({"a": "a cat"}, {"a": "a cat"}, "references of image 'a' are one string"),
        ({"a": "a cat"}, {"a": [None]}, "not a string"),
        ({}, {}, "no captions"),
    ],
)
def test_bad_input_is_a_sentence(candidates, references, sentence):
    with pytest.raises(InputError, match=sentence):
        inspect.unwrap(evaluate)(candidates, references)  # as for a user, without the types checked first

"""Scores of captioners that say several captions of a picture."""

import numpy as np

from experiments.caption_scores import diversities, scored
from jaxvision.metrics.captions import distinct_n, document_frequency, self_cider

REFERENCES = [["a red ring", "one ring", "a ring"], ["two hearts", "hearts", "a heart and a heart"], ["a star"] * 3]
SAID = {"beam": ["a red ring", "two hearts", "a star"], "beam 2": ["a ring", "two stars", "a star"]}


def test_several_captions_of_a_picture_are_held_against_as_many_of_people():
    said = SAID | {"greedy": SAID["beam"]}
    found = scored(said, REFERENCES, str.split)
    assert list(found.diversity) == ["beam", "people, as many as beam"]
    frequency = document_frequency([[caption.split() for caption in of_image] for of_image in REFERENCES])
    of_beam = [[one.split(), other.split()] for one, other in zip(SAID["beam"], SAID["beam 2"], strict=True)]
    of_people = [[caption.split() for caption in of_image[:2]] for of_image in REFERENCES]
    for diversity, words in zip(found.diversity.values(), (of_beam, of_people), strict=True):
        assert diversity.captions == 2
        np.testing.assert_allclose(diversity.self_cider, self_cider(words, frequency).mean())
        np.testing.assert_allclose(diversity.distinct_1, distinct_n(words, 1).mean())
        np.testing.assert_allclose(diversity.distinct_2, distinct_n(words, 2).mean())
    assert any(line.startswith("beam: of 2 captions a picture, distinct-1 0.617") for line in found.lines())


def test_single_captions_have_no_diversity_and_few_references_no_people():
    assert scored({"beam": SAID["beam"]}, REFERENCES, str.split).diversity == {}
    assert list(diversities(SAID, [["a ring"], ["two hearts", "hearts"], ["a star"]], str.split)) == ["beam"]

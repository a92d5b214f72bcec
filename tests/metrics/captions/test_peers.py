"""Against pycocoevalcap: its Java tokenizer on every caption, its scorers on the same words."""

import json
import random
import re
from collections import defaultdict

import numpy as np
import pytest

from jaxvision.metrics.captions import evaluate, ptb_tokenize

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def captions(needs):
    """Image to its captions."""
    content = json.loads(needs("coco_captions/captions_val2017.json").read_text())
    found = defaultdict(list)
    for annotation in content["annotations"]:
        found[annotation["image_id"]].append(annotation["caption"])
    return found


def test_words_are_javas(captions, java):
    """A line without a capital after every caption, so that Java sees each alone: no difference at all."""
    sentences = [caption for texts in captions.values() for caption in texts]
    assert len(sentences) == 25014
    alone = java([line for sentence in sentences for line in (sentence, "x")])[::2]
    found = [ptb_tokenize(sentence) for sentence in sentences]
    assert [(s, a, b) for s, a, b in zip(sentences, alone, found, strict=True) if a != b] == []


def test_words_are_javas_but_for_what_follows(captions, java):
    """As the COCO evaluation runs it, a full stop after a letter at the end depends on how the next caption begins."""
    sentences = [caption for texts in captions.values() for caption in texts]
    found = [ptb_tokenize(sentence) for sentence in sentences]
    different = [(s, a, b) for s, a, b in zip(sentences, java(sentences), found, strict=True) if a != b]
    assert len(different) < 0.001 * len(sentences)
    for sentence, words, ours in different:
        assert re.search(r"\b[A-Z]\.\s*$", sentence), (sentence, words, ours)
        assert [*words[:-1], words[-1] + "."] == ours


def perturbed(sentence, rng):
    """Cut, shuffled or repeated: scores of every size, candidates of every length."""
    words = sentence.split()
    if rng.random() < 0.3:
        rng.shuffle(words)
    return " ".join((words * rng.choice([1, 1, 2]))[: rng.choice([1, 2, 3, 5, 100])])


@pytest.mark.parametrize("change", [lambda sentence, rng: sentence, perturbed], ids=["first caption", "perturbed"])
def test_scores_are_pycocoevalcaps(captions, change):
    """Every image's first caption against one to four of its others."""
    pytest.importorskip("pycocoevalcap", reason="extra `peers`: pycocoevalcap is not installed")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    rng = random.Random(0)
    candidates = {image: change(texts[0], rng) for image, texts in captions.items()}
    references = {image: texts[1 : rng.randint(2, 5)] for image, texts in captions.items()}
    found = evaluate(candidates, references)

    ours = {image: [" ".join(ptb_tokenize(text))] for image, text in candidates.items()}
    theirs = {image: [" ".join(ptb_tokenize(text)) for text in texts] for image, texts in references.items()}
    corpus, images = Bleu(4).compute_score(theirs, ours, verbose=0)
    for scorer in (Rouge(), Cider()):
        score, scores = scorer.compute_score(theirs, ours)
        corpus, images = [*corpus, score], [*images, scores]
    assert len(candidates) == 5000
    np.testing.assert_allclose(found.corpus, corpus, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.array(found.images), np.array(images), rtol=0, atol=1e-6)

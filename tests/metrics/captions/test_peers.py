"""Against pycocoevalcap: its Java tokenizer on every caption, its scorers on the same words."""

import json
import random
import shutil
from collections import defaultdict

import numpy as np
import pytest

from jaxvision.metrics.captions import evaluate, ptb_tokenize

pytestmark = pytest.mark.peers

# A full stop after a single letter at the end of a caption: Java reads on into the next caption, and takes the letter
# for the end of a sentence where that begins with a word such as `A`.
DIFFERENT = {"A traffic light over a street with a sign that reads K.", "12th Ave S.", "8th Ave/CTH D."}


@pytest.fixture(scope="module")
def captions(needs):
    """Image to its captions."""
    content = json.loads(needs("coco_captions/captions_val2017.json").read_text())
    found = defaultdict(list)
    for annotation in content["annotations"]:
        found[annotation["image_id"]].append(annotation["caption"])
    return found


def test_words_are_javas(captions):
    if shutil.which("java") is None:
        pytest.skip("pycocoevalcap's tokenizer needs Java")
    tokenizer = pytest.importorskip("pycocoevalcap.tokenizer.ptbtokenizer", reason="extra `peers`")
    sentences = [caption for texts in captions.values() for caption in texts]
    expected = tokenizer.PTBTokenizer().tokenize({0: [{"caption": caption} for caption in sentences]})[0]
    assert len(expected) == len(sentences)
    different = [
        (sentence, words, ptb_tokenize(sentence))
        for sentence, words in zip(sentences, expected, strict=True)
        if words.split() != ptb_tokenize(sentence)
    ]
    assert len(sentences) == 25014
    for sentence, words, found in different:
        assert any(sentence.strip().endswith(end) for end in DIFFERENT), (sentence, words, found)
    assert len(different) == len(DIFFERENT)


def perturbed(sentence, rng):
    """Cut, shuffled or repeated: scores of every size, candidates of every length."""
    words = sentence.split()
    if rng.random() < 0.3:
        rng.shuffle(words)
    return " ".join((words * rng.choice([1, 1, 2]))[: rng.choice([1, 2, 3, 5, 100])])


@pytest.mark.parametrize("change", [lambda sentence, rng: sentence, perturbed], ids=["first caption", "perturbed"])
def test_scores_are_pycocoevalcaps(captions, change):
    """Every image's first caption against one to four of its others."""
    scorers = pytest.importorskip("pycocoevalcap", reason="extra `peers`: pycocoevalcap is not installed")
    assert scorers
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

"""All caption metrics at once, from sentences."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxvision.errors import InputError
from jaxvision.metrics.captions.bleu import bleu
from jaxvision.metrics.captions.cider import cider_d
from jaxvision.metrics.captions.rouge import rouge_l
from jaxvision.metrics.captions.tokenizer import ptb_tokenize


class CorpusScores(NamedTuple):
    """One number per metric: BLEU from all counts together, the others means over images."""

    bleu_1: float
    bleu_2: float
    bleu_3: float
    bleu_4: float
    rouge_l: float
    cider_d: float


class ImageScores(NamedTuple):
    """`(N,)` per metric, in the order of `Evaluation.ids`."""

    bleu_1: Float[np.ndarray, " n"]
    bleu_2: Float[np.ndarray, " n"]
    bleu_3: Float[np.ndarray, " n"]
    bleu_4: Float[np.ndarray, " n"]
    rouge_l: Float[np.ndarray, " n"]
    cider_d: Float[np.ndarray, " n"]


class Evaluation(NamedTuple):
    """How good captions are.

    Attributes:
        ids: of the images, as the candidates have them; for sequences 0 to N - 1.
        corpus: of all images together; BLEU and ROUGE-L in [0, 1], CIDEr-D in [0, 10].
        images: of each image; its BLEU has `coco_smoothing`.
    """

    ids: tuple[Hashable, ...]
    corpus: CorpusScores
    images: ImageScores


def evaluate(
    candidates: Mapping[Any, str] | Sequence[str],
    references: Mapping[Any, Sequence[str]] | Sequence[Sequence[str]],
    *,
    tokenize: Callable[[str], list[str]] = ptb_tokenize,
) -> Evaluation:
    """Every metric for one caption per image, as the COCO evaluation reports them.

    An empty candidate is scored, with 0. The conventions are in docs/caption_metrics.md.

    Args:
        candidates: a sentence per image: by image id, or in a sequence.
        references: one or more sentences per image: by the same ids, or in a sequence of the same order.
        tokenize: from a sentence to its words; `str.split` for sentences that are tokenised already.

    Returns:
        Scores of the corpus and of each image.

    Raises:
        InputError: if ids or lengths do not match, an image has no references, or there are no images.

    Example:
        >>> result = evaluate({7: "A cat sits.", 9: "Dogs"}, {9: ["Two dogs"], 7: ["A cat sleeps.", "Cats!"]})
        >>> result.ids, round(result.corpus.bleu_1, 3), result.images.rouge_l.round(3).tolist()
        ((7, 9), 0.584, [0.667, 0.629])
    """
    ids, candidates, references = _aligned(candidates, references)
    words = [tokenize(candidate) for candidate in candidates]
    reference_words = [[tokenize(caption) for caption in captions] for captions in references]
    bleus, rouge, cider = bleu(words, reference_words), rouge_l(words, reference_words), cider_d(words, reference_words)
    return Evaluation(
        ids,
        CorpusScores._make([*bleus.corpus.tolist(), rouge.corpus, cider.corpus]),
        ImageScores._make([*bleus.images.T, rouge.images, cider.images]),
    )


def _aligned(candidates: Any, references: Any) -> tuple[tuple[Hashable, ...], Sequence[str], Sequence[Sequence[str]]]:
    """Ids, candidates and references in one order, each of the kind that was asked for."""
    if isinstance(candidates, Mapping) != isinstance(references, Mapping):
        raise InputError("one of candidates and references has image ids and the other has none: give both or neither")
    if isinstance(candidates, Mapping):
        _check_ids(candidates, references)
        ids, references = tuple(candidates), [references[image] for image in candidates]
        candidates = list(candidates.values())
    else:
        ids = tuple(range(len(candidates)))
    for image, candidate, captions in zip(ids, candidates, references, strict=False):  # `bleu` compares their numbers
        _check_image(image, candidate, captions)
    return ids, candidates, references


def _check_ids(candidates: Mapping[Any, Any], references: Mapping[Any, Any]) -> None:
    for have, lack, text in (
        (candidates, references, "have a candidate and no references"),
        (references, candidates, "have references and no candidate"),
    ):
        missing = [image for image in have if image not in lack]
        if missing:
            shown = ", ".join(repr(image) for image in missing[:3]) + (", ..." if len(missing) > 3 else "")
            raise InputError(f"{len(missing)} images {text} ({shown}): both need the same ids, of the same type")


def _check_image(image: Hashable, candidate: Any, captions: Any) -> None:
    if not isinstance(candidate, str):
        raise InputError(f"the candidate of image {image!r} is {candidate!r}: expected one sentence as a string")
    if isinstance(captions, str):
        raise InputError(f"the references of image {image!r} are one string: expected a list of sentences")
    if not captions:
        raise InputError(f"image {image!r} has no references: give it at least one, or leave it out of both")
    if not all(isinstance(caption, str) for caption in captions):
        raise InputError(f"image {image!r} has a reference that is not a string: expected a list of sentences")

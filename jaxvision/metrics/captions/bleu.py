"""BLEU: which share of a candidate's n-grams the references have."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxvision.metrics.captions.checks import Words, check_words

MAX_ORDER = 4

Smoothing = Callable[[Int[np.ndarray, "*batch 4"], Int[np.ndarray, "*batch 4"]], Float[np.ndarray, "*batch 4"]]
"""A function of (matching n-grams, n-grams of the candidate) that gives positive precisions."""


class Bleu(NamedTuple):
    """BLEU-1 to BLEU-4 in [0, 1], by one column each.

    Attributes:
        corpus: `(4,)`, from the counts of all images together; not the mean of `images`.
        images: `(N, 4)`, from each image's own counts.
    """

    corpus: Float[np.ndarray, "4"]
    images: Float[np.ndarray, "n 4"]


def coco_smoothing(
    matches: Int[np.ndarray, "*batch 4"], totals: Int[np.ndarray, "*batch 4"]
) -> Float[np.ndarray, "*batch 4"]:
    r"""Precisions that are barely positive where nothing matches, as the COCO evaluation takes them.

    $$ p_n = \frac{m_n + 10^{-15}}{t_n + 10^{-9}} $$

    A candidate that is too short to have n-grams thus gets $p_n = 10^{-6}$, more than one whose n-grams all miss.

    Args:
        matches: $m_n$, `(..., 4)`.
        totals: $t_n$, `(..., 4)`.

    Returns:
        `(..., 4)`.

    Example:
        >>> coco_smoothing(np.array([4, 2, 1, 0]), np.array([5, 4, 2, 0])).round(9).tolist()
        [0.8, 0.5, 0.5, 1e-06]

    References:
        The constants of pycocoevalcap 1.2, https://github.com/salaniz/pycocoevalcap, `bleu_scorer.py`.
    """
    return (matches + 1e-15) / (totals + 1e-9)


def add_one_smoothing(
    matches: Int[np.ndarray, "*batch 4"], totals: Int[np.ndarray, "*batch 4"]
) -> Float[np.ndarray, "*batch 4"]:
    r"""One more match and one more n-gram for each order above 1: readable scores of single sentences.

    $$ p_1 = \frac{m_1}{t_1}, \qquad p_n = \frac{m_n + 1}{t_n + 1} \quad (n > 1) $$

    Args:
        matches: $m_n$, `(..., 4)`.
        totals: $t_n$, `(..., 4)`.

    Returns:
        `(..., 4)`.

    Example:
        >>> add_one_smoothing(np.array([4, 2, 1, 0]), np.array([5, 3, 3, 1])).tolist()
        [0.8, 0.75, 0.5, 0.5]

    References:
        Lin and Och, "ORANGE: a method for evaluating automatic evaluation metrics for machine translation", COLING
        2004, https://aclanthology.org/C04-1072, section 4. NLTK's `SmoothingFunction.method2`.
    """
    more = np.array([0, 1, 1, 1])
    return (matches + more) / np.maximum(totals + more, 1)


def bleu(
    candidates: Sequence[Words], references: Sequence[Sequence[Words]], *, smoothing: Smoothing = coco_smoothing
) -> Bleu:
    r"""BLEU-1 to BLEU-4 of a corpus and of each image.

    $$ \mathrm{BLEU}_N = \min(1, e^{1 - r/c}) \Big( \prod_{n=1}^{N} p_n \Big)^{1/N} $$

    $p_n$ is the share of the candidate's n-grams found in the references (each counted as often as the one reference
    that has it most), $c$ the candidate's number of words and $r$ that of the reference nearest to it in length (the
    shorter of two). A candidate without words scores 0.

    Args:
        candidates: the words of one caption per image.
        references: the words of one or more captions per image, in the same order.
        smoothing: from counts to precisions; without any, a sentence with no match of one order would score 0.

    Returns:
        Both kinds of scores.

    Raises:
        InputError: as `check_words`.

    Example:
        >>> scores = bleu([["a", "cat", "sits"]], [[["a", "cat", "sleeps"], ["cats"]]])
        >>> scores.images.round(3).tolist()
        [[0.667, 0.577, 0.0, 0.0]]

    References:
        Papineni, Roukos, Ward and Zhu, "BLEU: a method for automatic evaluation of machine translation", ACL 2002,
        https://aclanthology.org/P02-1040, section 2.3. Equal to pycocoevalcap 1.2 to 1e-6. Departure of both from
        NLTK's `corpus_bleu`: a candidate too short to have n-grams adds none to their number, where NLTK adds one.
    """
    check_words(candidates, references)
    # Three seconds, which nobody should pay who does not score captions.
    from nltk.translate.bleu_score import closest_ref_length, modified_precision  # noqa: PLC0415

    orders = range(1, MAX_ORDER + 1)
    pairs = list(zip(references, candidates, strict=True))
    matches = np.array([[modified_precision(*pair, n).numerator for n in orders] for pair in pairs])  # (N, 4)
    lengths = np.array([len(candidate) for candidate in candidates])  # (N,)
    nearest = np.array([closest_ref_length(captions, len(candidate)) for captions, candidate in pairs])  # (N,)
    totals = np.maximum(lengths[:, None] - np.arange(MAX_ORDER), 0)  # (N, 4)
    images = (matches, totals, lengths, nearest)
    corpus = (counts.sum(axis=0, keepdims=True) for counts in images)
    return Bleu(_scores(smoothing, *corpus)[0], _scores(smoothing, *images))


def _scores(
    smoothing: Smoothing,
    matches: Int[np.ndarray, "n 4"],
    totals: Int[np.ndarray, "n 4"],
    length: Int[np.ndarray, " n"],
    reference_length: Int[np.ndarray, " n"],
) -> Float[np.ndarray, "n 4"]:
    brevity = np.where(length > 0, np.exp(np.minimum(0.0, 1 - reference_length / np.maximum(length, 1))), 0.0)
    with np.errstate(divide="ignore"):  # add-one smoothing leaves the first precision at 0, and its score
        means = np.cumsum(np.log(smoothing(matches, totals)), axis=-1) / np.arange(1, MAX_ORDER + 1)
    return brevity[:, None] * np.exp(means)

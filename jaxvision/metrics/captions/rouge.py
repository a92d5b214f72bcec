"""ROUGE-L: the longest common subsequence of a candidate and its references."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxvision.metrics.captions.checks import Words, check_words


class RougeL(NamedTuple):
    """ROUGE-L in [0, 1].

    Attributes:
        corpus: the mean over images.
        images: `(N,)`.
    """

    corpus: float
    images: Float[np.ndarray, " n"]


def rouge_l(candidates: Sequence[Words], references: Sequence[Sequence[Words]], *, beta: float = 1.2) -> RougeL:
    r"""ROUGE-L of each image, and the mean.

    $$ P = \max_r \frac{\mathrm{LCS}(c, r)}{|c|}, \qquad R = \max_r \frac{\mathrm{LCS}(c, r)}{|r|}, \qquad
       F = \frac{(1 + \beta^2) P R}{R + \beta^2 P} $$

    A candidate without words scores 0.

    Args:
        candidates: the words of one caption per image.
        references: the words of one or more captions per image, in the same order.
        beta: how much more recall counts than precision.

    Returns:
        Both kinds of scores.

    Raises:
        InputError: as `check_words`.

    Example:
        >>> rouge_l([["a", "cat", "sits"]], [[["a", "cat", "sleeps"], ["cats"]]]).images.round(3).tolist()
        [0.667]

    References:
        Lin, "ROUGE: a package for automatic evaluation of summaries", 2004, https://aclanthology.org/W04-1013,
        equations 2 to 4. Equal to pycocoevalcap 1.2 to 1e-6, and with it in two departures: beta is 1.2, and the best
        precision and the best recall may come from different references. Departure from that code: there a caption
        without words counts as having one, so that two such captions score 1.
    """
    check_words(candidates, references)
    scores = np.array([_score(c, captions, beta) for c, captions in zip(candidates, references, strict=True)])
    return RougeL(float(scores.mean()), scores)


def _score(candidate: Words, references: Sequence[Words], beta: float) -> float:
    common = [_longest_common_subsequence(candidate, reference) for reference in references]
    if not any(common):
        return 0.0
    precision = max(common) / len(candidate)
    recall = max(n / len(reference) for n, reference in zip(common, references, strict=True) if n)
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def _longest_common_subsequence(a: Words, b: Words) -> int:
    """The length, by a row of the dynamic program in the bits of one integer.

    Bit i of `row` is 0 where the row's entry grows between the first i and the first i + 1 words of `a`; see Hyyrö,
    "Bit-parallel LCS-length computation revisited", 2004, figure 2.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(a)) - 1
    row = full
    for word in b:
        found = row & places.get(word, 0)
        row = ((row + found) | (row - found)) & full
    return len(a) - row.bit_count()

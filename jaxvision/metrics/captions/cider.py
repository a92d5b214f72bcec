"""CIDEr-D: how much a candidate says what the references agree on."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxvision.errors import InputError
from jaxvision.metrics.captions.checks import Words, check_words

MAX_ORDER = 4

Ngram = tuple[str, ...]


class CiderD(NamedTuple):
    """CIDEr-D in [0, 10].

    Attributes:
        corpus: the mean over images.
        images: `(N,)`.
    """

    corpus: float
    images: Float[np.ndarray, " n"]


class DocumentFrequency(NamedTuple):
    """In how many images each n-gram is used.

    Attributes:
        n_images: of how many images.
        counts: n-gram of one to four words to the number of images with a reference that has it.
    """

    n_images: int
    counts: Mapping[Ngram, int]


class _Caption(NamedTuple):
    """One caption as four vectors of weighted n-grams."""

    weights: list[dict[Ngram, float]]
    norms: list[float]
    n_bigrams: int


def document_frequency(references: Sequence[Sequence[Words]]) -> DocumentFrequency:
    """In how many images each n-gram is used.

    Args:
        references: the words of one or more captions per image.

    Returns:
        The frequencies, for `cider_d`.

    Raises:
        InputError: if there are no images, an image has no reference, or a caption is a string.

    Example:
        >>> document_frequency([[["a", "cat"], ["a", "dog"]], [["a"]]]).counts["a",]
        2
    """
    if not references:
        raise InputError("there are no references to count n-grams in: give those of at least one image")
    check_words([()] * len(references), references)
    counts: Counter[Ngram] = Counter()
    for captions in references:
        counts.update({ngram for words in captions for order in ngrams(words) for ngram in order})
    return DocumentFrequency(len(references), counts)


def cider_d(
    candidates: Sequence[Words],
    references: Sequence[Sequence[Words]],
    *,
    frequency: DocumentFrequency | None = None,
    sigma: float = 6.0,
) -> CiderD:
    r"""CIDEr-D of each image, and the mean.

    $$ \mathrm{CIDEr\text{-}D}(c) = \frac{10}{4 R} \sum_{n=1}^{4} \sum_{r=1}^{R}
       e^{-(l_c - l_r)^2 / 2 \sigma^2} \, \frac{\min(g^n_c, g^n_r) \cdot g^n_r}{\|g^n_c\| \, \|g^n_r\|}, \qquad
       g^n_k = h_k \log \frac{|I|}{\max(1, d_k)} $$

    with $h_k$ how often a caption has n-gram $k$, $d_k$ in how many of the $|I|$ images a reference has it, and $l$ a
    caption's number of bigrams. A candidate without words scores 0, and so does everything where the frequencies come
    from one image only: all of its n-grams are in every image, and weigh nothing.

    Args:
        candidates: the words of one caption per image.
        references: the words of one or more captions per image, in the same order.
        frequency: counted elsewhere, for few images or for rewards in training; by default in `references`.
        sigma: of the length term, in words.

    Returns:
        Both kinds of scores.

    Raises:
        InputError: as `check_words`.

    Example:
        >>> references = [[["a", "cat"], ["one", "cat"]], [["a", "dog"]]]
        >>> cider_d([["a", "cat"], ["a", "fox"]], references).images.round(3).tolist()
        [3.384, 0.0]

    References:
        Vedantam, Zitnick and Parikh, "CIDEr: consensus-based image description evaluation",
        https://arxiv.org/abs/1411.5726, 2015, equations 1 to 3, 5 and 6. Equal to pycocoevalcap 1.2 to 1e-6, and with
        it in one departure: the length term counts bigrams, not words, so that captions of no and of one word are
        equally long.
    """
    check_words(candidates, references)
    frequency = frequency or document_frequency(references)
    weighted = weighted_ngrams(frequency)

    def caption(words: Words) -> _Caption:
        weights = weighted(words)
        norms = [math.sqrt(sum(weight * weight for weight in order.values())) for order in weights]
        return _Caption(weights, norms, max(len(words) - 1, 0))

    scores = np.array(
        [
            sum(_similarity(found, caption(words), sigma) for words in captions) * 10 / MAX_ORDER / len(captions)
            for found, captions in zip(map(caption, candidates), references, strict=True)
        ]
    )
    return CiderD(float(scores.mean()), scores)


def weighted_ngrams(frequency: DocumentFrequency) -> Callable[[Words], list[dict[Ngram, float]]]:
    r"""From words to four vectors, $g^n_k = h_k \log(|I| / \max(1, d_k))$, one of each order.

    Args:
        frequency: $|I|$ and $d$.

    Example:
        >>> frequency = document_frequency([[["a", "cat"]], [["a", "dog"]]])
        >>> weighted_ngrams(frequency)(["a", "fox"])[0]
        {('a',): 0.0, ('fox',): 0.6931471805599453}
    """
    n_images = math.log(frequency.n_images)
    idf = {ngram: n_images - math.log(count) for ngram, count in frequency.counts.items()}

    def of_words(words: Words) -> list[dict[Ngram, float]]:
        return [{ngram: count * idf.get(ngram, n_images) for ngram, count in of.items()} for of in ngrams(words)]

    return of_words


def ngrams(words: Words) -> list[Counter[Ngram]]:
    """How often a caption has each n-gram of one to four words, by order.

    Example:
        >>> ngrams(["a", "cat", "a"])[0]["a",]
        2
    """
    return [Counter(zip(*(words[k:] for k in range(n)), strict=False)) for n in range(1, MAX_ORDER + 1)]


def _similarity(candidate: _Caption, reference: _Caption, sigma: float) -> float:
    """The sum over orders of the clipped cosines, times the length term."""
    total = 0.0
    norms = (c * r for c, r in zip(candidate.norms, reference.norms, strict=True))
    for c, r, norm in zip(candidate.weights, reference.weights, norms, strict=True):
        if norm:
            total += sum(min(weight, r[ngram]) * r[ngram] for ngram, weight in c.items() if ngram in r) / norm
    return total * math.exp(-((candidate.n_bigrams - reference.n_bigrams) ** 2) / (2 * sigma**2))

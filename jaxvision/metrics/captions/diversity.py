"""How different the captions are that are said of one image."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxvision.errors import InputError
from jaxvision.metrics.captions.checks import Words
from jaxvision.metrics.captions.cider import MAX_ORDER, DocumentFrequency, Ngram, weighted_ngrams


def distinct_n(captions: Sequence[Sequence[Words]], n: int) -> Float[np.ndarray, " m"]:
    """The share of different n-grams among the words that are said of each image.

    Args:
        captions: the words of captions of each of M images; one or more of each.
        n: words of an n-gram, at least 1.

    Returns:
        `(M,)`, in [0, 1]: different n-grams over words, all captions of an image together; 0 without words.

    Raises:
        InputError: if n is below 1, an image has no captions, or a caption is a string.

    Example:
        >>> distinct_n([[["a", "red", "cat"], ["a", "cat"]], [["a", "dog"]]], 1).tolist()
        [0.6, 1.0]

    References:
        Li et al., "A diversity-promoting objective function for neural conversation models",
        https://arxiv.org/abs/1510.03055, 2016, section 5.3. Called Div-n in the captioning literature.
    """
    if n < 1:
        raise InputError(f"n must be a number of words of at least 1, got {n}")
    _check(captions, least=1)
    shares: list[float] = []
    for of_image in captions:
        different = {tuple(words[i : i + n]) for words in of_image for i in range(len(words) - n + 1)}
        shares.append(len(different) / max(1, sum(len(words) for words in of_image)))
    return np.array(shares)


def self_cider(captions: Sequence[Sequence[Words]], frequency: DocumentFrequency) -> Float[np.ndarray, " m"]:
    r"""How many different things the captions of each image say, by the spectrum of their likeness to one another.

    $$ K_{ij} = \frac14 \sum_{n=1}^{4} \frac{g^n_i \cdot g^n_j}{\|g^n_i\| \, \|g^n_j\|}, \qquad
       D = -\log_m \frac{\sqrt{\lambda_1}}{\sum_{i=1}^m \sqrt{\lambda_i}} $$

    with $\lambda$ the eigenvalues of K, the largest first, of m captions, and $g$ as in `cider_d`.

    Args:
        captions: the words of two or more captions of each of M images.
        frequency: of n-grams in a training set's references, from `document_frequency`.

    Returns:
        `(M,)`, in [0, 1]: 0 where all captions are the same, 1 where no two share an n-gram that weighs anything.

    Raises:
        InputError: if an image has fewer than two captions, or a caption is a string.

    Example:
        >>> from jaxvision.metrics.captions import document_frequency
        >>> frequency = document_frequency([[["a", "cat", "sits"]], [["two", "dogs", "run"]]])
        >>> same, other = [["a", "cat"]] * 2, [["a", "cat"], ["two", "dogs"]]
        >>> abs(self_cider([same, other], frequency)).round(3).tolist()
        [0.0, 1.0]

    References:
        Wang and Chan, "Describing like humans: on diversity in image captioning",
        https://arxiv.org/abs/1903.12020, 2019, section 3. Departures: an order that both captions lack, or whose
        n-grams weigh nothing, adds no likeness; a caption without any counts as like nothing, itself included.
    """
    _check(captions, least=2)
    weighted = weighted_ngrams(frequency)
    return np.array([_spread(_likeness([weighted(words) for words in of_image])) for of_image in captions])


def _likeness(vectors: Sequence[Sequence[dict[Ngram, float]]]) -> Float[np.ndarray, "m m"]:
    total = np.zeros((len(vectors), len(vectors)))
    for n in range(MAX_ORDER):
        columns = {ngram: index for index, ngram in enumerate({k: None for of_one in vectors for k in of_one[n]})}
        g = np.zeros((len(vectors), len(columns)))
        for row, of_one in zip(g, vectors, strict=True):
            row[[columns[ngram] for ngram in of_one[n]]] = list(of_one[n].values())
        norms = np.linalg.norm(g, axis=1, keepdims=True)
        g = np.divide(g, norms, out=np.zeros_like(g), where=norms > 0)
        total += g @ g.T
    return total / MAX_ORDER


def _spread(likeness: Float[np.ndarray, "m m"]) -> float:
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(likeness), 1e-12 * np.trace(likeness)))
    if not roots.any():
        return 0.0
    return -math.log(roots.max() / roots.sum()) / math.log(len(roots))


def _check(captions: Sequence[Sequence[Words]], *, least: int) -> None:
    for index, of_image in enumerate(captions):
        if isinstance(of_image, str) or any(isinstance(words, str) for words in of_image):
            raise InputError(f"image {index} has a caption that is a string where a list of words was expected")
        if len(of_image) < least:
            raise InputError(f"image {index} has {len(of_image)} captions: give it at least {least}")

"""What a classifier makes of samples: the Inception score, the classes they fall into, and those they miss."""

import itertools
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxvision.errors import InputError


class ClassifierScore(NamedTuple):
    """What parts of a set of samples gave.

    Attributes:
        mean: over the parts, from 1 to the number of classes.
        deviation: of one part.
    """

    mean: float
    deviation: float


class ModeCoverage(NamedTuple):
    """Which classes samples fall into.

    Attributes:
        shares: `(K,)`, of the samples, by class.
        n_modes: classes with at least the least count.
        divergence: $KL(q \\Vert p)$ of the samples' shares q from the expected ones p, in nats.
    """

    shares: Float[np.ndarray, " k"]
    n_modes: int
    divergence: float


def classifier_score(logits: Float[ArrayLike, "n k"], *, n_splits: int = 10) -> ClassifierScore:
    r"""Samples of which a classifier is sure, and that are of many classes: the Inception score of any classifier.

    $$ S = \exp\left(\frac{1}{n} \sum_i KL\bigl(p(\cdot \mid x_i) \,\Vert\, \bar p\bigr)\right), \qquad
       \bar p = \frac{1}{n} \sum_i p(\cdot \mid x_i) $$

    Args:
        logits: `(N, K)` of samples in random order.
        n_splits: parts, each with a $\bar p$ of its own.

    Returns:
        Mean and deviation over the parts.

    Raises:
        InputError: if there are fewer samples than parts.

    Example:
        >>> classifier_score(np.array([[90.0, 0.0], [0.0, 90.0]]), n_splits=1).mean
        2.0

    References:
        Salimans et al., "Improved techniques for training GANs", https://arxiv.org/abs/1606.03498, 2016, section 4.
    """
    logits = np.asarray(logits, np.float64)
    n = len(logits)
    if not 1 <= n_splits <= n:
        raise InputError(f"n_splits must be from 1 to the number of samples, {n}, got {n_splits}")
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    bounds = [part * n // n_splits for part in range(n_splits + 1)]
    scores = [_score(log_p[start:stop]) for start, stop in itertools.pairwise(bounds)]
    return ClassifierScore(float(np.mean(scores)), float(np.std(scores)))


def class_histogram(labels: Int[ArrayLike, " n"], num_classes: int) -> Int[np.ndarray, " k"]:
    """How many samples fall into each class.

    Args:
        labels: `(N,)`, from 0 to K - 1, as a classifier names the samples.
        num_classes: K.

    Returns:
        `(K,)`.

    Raises:
        InputError: if a label is none of these.

    Example:
        >>> class_histogram(np.array([0, 2, 2]), 4)
        array([1, 0, 2, 0])
    """
    labels = np.asarray(labels)
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise InputError(
            f"labels must be from 0 to {num_classes - 1}, got {labels.min()} to {labels.max()}: raise num_classes"
        )
    return np.bincount(labels, minlength=num_classes)


def mode_coverage(
    labels: Int[ArrayLike, " n"],
    num_classes: int,
    *,
    expected: Float[ArrayLike, " k"] | None = None,
    least: int = 1,
) -> ModeCoverage:
    r"""How many classes samples reach, and how unevenly: $KL(q \Vert p) = \sum_k q_k \log (q_k / p_k)$.

    Args:
        labels: `(N,)`, at least one, as a classifier names the samples.
        num_classes: K; 1000 where three digits are stacked.
        expected: p, `(K,)`, each above zero, to a common factor; None for all alike.
        least: samples that a class needs to count as reached.

    Returns:
        Shares, the number of classes reached, and the divergence.

    Raises:
        InputError: if there are no labels, one is not from 0 to K - 1, or `expected` is not K numbers above zero.

    Example:
        >>> mode_coverage(np.array([0, 1, 1, 0]), 4)
        ModeCoverage(shares=array([0.5, 0.5, 0. , 0. ]), n_modes=2, divergence=0.6931471805599453)

    References:
        Metz et al., "Unrolled generative adversarial networks", https://arxiv.org/abs/1611.02163, 2016, section 3.3.1.
    """
    counts = class_histogram(labels, num_classes)
    if not counts.sum():
        raise InputError("there are no labels: give those of at least one sample")
    q = counts / counts.sum()
    p = np.ones(num_classes) if expected is None else np.asarray(expected, np.float64)
    if p.shape != (num_classes,) or not (np.isfinite(p) & (p > 0)).all():
        raise InputError(
            f"expected must be a finite number above zero for each of the {num_classes} classes, got {p.tolist()}"
        )
    p = p / p.sum()
    reached = q > 0
    divergence = float(np.sum(q[reached] * np.log(q[reached] / p[reached])))
    return ModeCoverage(q, int(np.sum(counts >= least)), divergence)


def _score(log_p: Float[np.ndarray, "n k"]) -> float:
    p = np.exp(log_p)
    marginal = p.mean(axis=0)
    log_marginal = np.log(np.where(marginal > 0, marginal, 1))  # a class that no sample has counts nothing
    return float(np.exp(np.sum(p * (log_p - log_marginal), axis=1).mean()))

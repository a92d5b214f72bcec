"""How well generated images agree with real ones, in the features of a network."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from experiments.gan_data import Images, signed, unsigned
from experiments.gan_features import BATCH, Look
from jaxvision import gan
from jaxvision.metrics.generative import (
    classifier_score,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    mode_coverage,
    nearest_neighbours,
)

N_NEIGHBOURS = 1000  # samples whose nearest training image is looked for
KID_SUBSET = 1000
# The factor of a 95 % interval of a mean, by degrees of freedom (Student's t); beyond nine the ninth's is a bit wide.
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True)
class Scores:
    """Of one replica's samples, or of held-out images in their place."""

    frechet: float
    """squared Frechet distance of features to the held-out images'"""
    kid: float
    """squared maximum mean discrepancy, unbiased: about 0 for equal distributions"""
    precision: float
    recall: float
    density: float
    coverage: float
    classifier_score: float | None
    """exp of the mean information of a class, 1 to the number of classes; none where nothing names the classes"""
    shares: tuple[float, ...]
    """of the classes, as the network names them; none likewise"""
    nearest: float
    """median distance to the closest training image over that of held-out images; far below 1 means learned by heart"""


class Judge:
    """Scores samples against one data set; what the real images give is computed once.

    Args:
        images: the data set.
        n: images on each side; no more than are held out.
        look: images to features and, where classes are known, logits.

    Attributes:
        floor: scores of training images in place of samples.
    """

    def __init__(self, images: Images, n: int, look: Look):
        self.look = look
        self.n = min(n, len(images.held_out), len(images.train))
        self.real = look(images.held_out[: self.n])[0]
        self.train = _flat(images.train)
        self.apart = self._nearest(_flat(images.held_out))
        self.floor = self.score(images.train[: self.n], nearest=1.0)

    def score(self, samples: UInt8[np.ndarray, "n h w c"], *, nearest: float | None = None) -> Scores:
        """The scores of samples, 0 to 255."""
        features, logits = self.look(samples[: self.n])
        size = min(KID_SUBSET, self.n)
        kid = kernel_distance(self.real, features, key=jax.random.key(0), n_subsets=20, subset_size=size)
        found = manifold_scores(self.real, features)
        return Scores(
            frechet=float(frechet_distance(self.real, features)),
            kid=kid.mean,
            **{name: getattr(found, name) for name in found._fields},
            classifier_score=None if logits is None else classifier_score(logits, n_splits=1).mean,
            shares=shares(logits),
            nearest=self._nearest(_flat(samples)) / self.apart if nearest is None else nearest,
        )

    def _nearest(self, rows: Float[np.ndarray, "n d"]) -> float:
        return float(np.median(nearest_neighbours(rows[:N_NEIGHBOURS], self.train).distances))


def samples(generator: Any, n: int, *, latent_dim: int, seed: int) -> UInt8[np.ndarray, "n h w c"]:
    """The first n samples of a seed, whatever else is drawn with them, as bytes."""
    key = jax.random.key(seed)
    parts = [_draw(generator, key, jnp.int32(first), dim=latent_dim) for first in range(0, n, BATCH)]
    return np.concatenate([np.asarray(part) for part in parts])[:n]


def shares(logits: Float[np.ndarray, "n k"] | None) -> tuple[float, ...]:
    """How often each class is seen; nothing where there are no logits."""
    return () if logits is None else tuple(mode_coverage(logits.argmax(axis=1), logits.shape[1]).shares.tolist())


def summary(scores: list[Scores], floor: Scores) -> list[tuple[str, str, str]]:
    """A row for each number: its name, its mean over replicas with a 95 % interval, and that of real images."""
    rows = []
    for name, value in vars(floor).items():
        if value in (None, ()):
            continue
        if name == "shares":
            shares = [share for one in scores for share in one.shares]
            rows.append(("shares of classes, %", _range(shares), _range(floor.shares)))
        else:
            rows.append((name.replace("_", " "), interval([getattr(one, name) for one in scores]), f"{value:.3g}"))
    return rows


def interval(values: list[float]) -> str:
    """A mean, with its 95 % interval where there are several values.

    Example:
        >>> interval([2.0]), interval([1.0, 2.0, 3.0])
        ('2', '2 ± 2.5')
    """
    mean = f"{statistics.fmean(values):.3g}"
    if len(values) == 1:
        return mean
    factor = T_975[min(len(values) - 1, len(T_975)) - 1]
    return f"{mean} ± {factor * statistics.stdev(values) / len(values) ** 0.5:.2g}"


def _range(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"


def _flat(images: np.ndarray) -> Float[np.ndarray, "n d"]:
    return np.asarray(signed(jnp.asarray(images))).reshape(len(images), -1)


@partial(jax.jit, static_argnames="dim")
def _draw(generator: Any, key: Any, first: Any, *, dim: int) -> Any:
    keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(BATCH))
    return unsigned(generator(gan.uniform_latents(keys, BATCH, dim)))

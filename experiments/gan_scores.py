"""How well generated digits agree with real ones, in the features of the LeNet that comes with the project."""

import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from experiments.gan_data import Images, signed
from jaxvision import gan
from jaxvision.backbones import lenet
from jaxvision.errors import InputError
from jaxvision.metrics.generative import (
    classifier_score,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    mode_coverage,
    nearest_neighbours,
)

LENET = Path(__file__).resolve().parents[1] / "checkpoints" / "lenet_mnist.safetensors"
BATCH = 500
N_NEIGHBOURS = 1000  # samples whose nearest training image is looked for
KID_SUBSET = 1000
# The factor of a 95 % interval of a mean, by degrees of freedom (Student's t); beyond nine the ninth's is a bit wide.
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True)
class Scores:
    """Of one replica's samples, or of held-out images in their place."""

    frechet: float
    """squared Frechet distance of LeNet features to the held-out images'"""
    kid: float
    """squared maximum mean discrepancy, unbiased: about 0 for equal distributions"""
    precision: float
    recall: float
    density: float
    coverage: float
    classifier_score: float
    """exp of the mean information of a class, 1 to 10"""
    shares: tuple[float, ...]
    """of the classes, as LeNet names them"""
    nearest: float
    """median distance to the closest training image over that of held-out images; far below 1 means learned by heart"""

    def lines(self) -> list[str]:
        """What to tell the reader."""
        return [f"{name}: {value:.3g}" for name, value in vars(self).items() if isinstance(value, float)]


class Judge:
    """Scores samples against one data set; what the real images give is computed once.

    Args:
        images: the data set.
        n: images on each side; no more than are held out.

    Attributes:
        floor: scores of training images in place of samples.
    """

    def __init__(self, images: Images, n: int):
        if not LENET.exists():
            raise InputError(f"{LENET} is missing: python -m experiments.train_classifier --dataset mnist makes it")
        self.model = lenet(LENET)
        self.n = min(n, len(images.held_out), len(images.train))
        self.real = self._read(images.held_out[: self.n])[0]
        self.train = _flat(images.train)
        self.apart = self._nearest(_flat(images.held_out))
        self.floor = self.score(images.train[: self.n], nearest=1.0)

    def score(self, samples: UInt8[np.ndarray, "n 28 28 1"], *, nearest: float | None = None) -> Scores:
        """The scores of samples, 0 to 255."""
        features, logits = self._read(samples[: self.n])
        size = min(KID_SUBSET, self.n)
        kid = kernel_distance(self.real, features, key=jax.random.key(0), n_subsets=20, subset_size=size)
        found = manifold_scores(self.real, features)
        return Scores(
            frechet=float(frechet_distance(self.real, features)),
            kid=kid.mean,
            **{name: getattr(found, name) for name in found._fields},
            classifier_score=classifier_score(logits, n_splits=1).mean,
            shares=tuple(mode_coverage(logits.argmax(axis=1), logits.shape[1]).shares.tolist()),
            nearest=self._nearest(_flat(samples)) / self.apart if nearest is None else nearest,
        )

    def _nearest(self, rows: Float[np.ndarray, "n d"]) -> float:
        return float(np.median(nearest_neighbours(rows[:N_NEIGHBOURS], self.train).distances))

    def _read(self, images: UInt8[np.ndarray, "n h w c"]) -> tuple[np.ndarray, np.ndarray]:
        parts = [_features(self.model, images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def samples(generator: Any, n: int, *, latent_dim: int, seed: int) -> UInt8[np.ndarray, "n 28 28 1"]:
    """The first n samples of a seed, whatever else is drawn with them, as bytes."""
    key = jax.random.key(seed)
    parts = [_draw(generator, key, jnp.int32(first), dim=latent_dim) for first in range(0, n, BATCH)]
    return np.concatenate([np.asarray(part) for part in parts])[:n]


def shares(images: UInt8[np.ndarray, "n 28 28 1"]) -> tuple[float, ...]:
    """How often LeNet sees each digit."""
    _, logits = _features(lenet(LENET), images)
    return tuple(mode_coverage(np.asarray(logits).argmax(axis=1), logits.shape[1]).shares.tolist())


def summary(scores: list[Scores], floor: Scores) -> list[tuple[str, str, str]]:
    """A row for each number: its name, its mean over replicas with a 95 % interval, and that of real images."""
    rows = []
    for name, value in vars(floor).items():
        if name == "shares":
            least, most = (f(share for one in scores for share in one.shares) for f in (min, max))
            rows.append(("shares of classes, %", f"{100 * least:.1f} to {100 * most:.1f}", _range(floor.shares)))
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


def _range(shares: tuple[float, ...]) -> str:
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"


def _flat(images: np.ndarray) -> Float[np.ndarray, "n d"]:
    return np.asarray(signed(jnp.asarray(images))).reshape(len(images), -1)


@jax.jit
def _features(model: Any, images: Any) -> tuple[Any, Any]:
    logits, activations = model(jnp.asarray(images).astype(jnp.float32) / 255)
    return activations["relu3"], logits


@partial(jax.jit, static_argnames="dim")
def _draw(generator: Any, key: Any, first: Any, *, dim: int) -> Any:
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(first + jnp.arange(BATCH))
    images = generator(gan.uniform_latents(keys, BATCH, dim))
    return jnp.round((images + 1) * 127.5).astype(jnp.uint8)

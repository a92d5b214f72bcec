"""What is attacked: a classifier of pictures in [0, 1], pictures, and what they show."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from experiments.inputs import load_inputs, probabilities
from experiments.networks import Network
from jaxvision.data import mnist, scene_batch, split_key
from jaxvision.pixels import normalize
from jaxvision.signatures import LogitsFn


class Subject(NamedTuple):
    """A classifier and what it is asked about.

    Attributes:
        logits_fn: `(N, H, W, C)` in [0, 1] to `(N, K)`; a pytree.
        images: `(N, H, W, C)` in [0, 1].
        labels: `(N,)`.
        truth: in words, where the labels are from.
        eps: `(E,)` budgets in the largest change of a value that suit such pictures.
    """

    logits_fn: LogitsFn
    images: Float[np.ndarray, "n h w c"]
    labels: Int[np.ndarray, " n"]
    truth: str
    eps: tuple[float, ...]


def subject(network: Network, paths: Sequence[str], *, n_samples: int, seed: int) -> Subject:
    """Held-out scenes or digits with what they are, or pictures of one's own with what the network takes them for.

    Args:
        network: the classifier.
        paths: files, folders or globs; none for samples.
        n_samples: how many samples.
        seed: which of the held-out scenes.

    Raises:
        InputError: if a picture cannot be used.
    """
    logits_fn = Partial(_logits_of_unit, network.logits_fn)
    if not paths and network.samples == "scenes":
        images, labels = scene_batch(split_key(seed, "test"), n_samples)
        eighths = tuple(e / 255 for e in (0.5, 1.0, 2.0, 4.0, 8.0))
        return Subject(logits_fn, np.asarray(images), np.asarray(labels), "held-out scenes", eighths)
    if not paths and network.samples == "digits":
        digits, labels = mnist("test")
        images = digits[:n_samples].astype(np.float32) / 255
        found = np.asarray(labels[:n_samples], np.int32)
        return Subject(logits_fn, images, found, "test digits of MNIST", (0.05, 0.1, 0.15, 0.2, 0.3))
    inputs = load_inputs(network, paths, n_samples=n_samples, seed=seed)
    labels = probabilities(network, inputs.images).argmax(1).astype(np.int32)
    truth = "pictures, counted as right where the network's answer stays"
    return Subject(logits_fn, inputs.images, labels, truth, tuple(e / 255 for e in (0.25, 0.5, 1.0, 2.0, 4.0)))


def _logits_of_unit(logits_fn: LogitsFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    """Through the normalisation that the network was trained with, of grey pictures as three equal channels."""
    return logits_fn(normalize(jnp.broadcast_to(images, (*images.shape[:3], 3))))

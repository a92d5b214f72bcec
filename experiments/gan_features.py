"""Which network looks at images so that a generator can be scored, and what it makes of them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from experiments import gan_data
from experiments.networks import CHECKPOINTS, load_network
from jaxvision.backbones import inception_v3_fid, lenet
from jaxvision.errors import InputError
from jaxvision.pixels import fid_images, normalize, resize
from jaxvision.weights import WEIGHTS

LENET = CHECKPOINTS / "lenet_mnist.safetensors"
BATCH = 500
INCEPTION_BATCH = 100  # of 299 x 299 pixels
SCENES_SIDE = 64

# Images, 0 to 255, to features (n, d) and, where the network knows what they show, logits (n, k).
Look = Callable[[UInt8[np.ndarray, "n h w c"]], tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n k"] | None]]


class Features(NamedTuple):
    """A network's view of images.

    Attributes:
        look: images to features and logits.
        note: whose features they are, and what numbers in them may be compared with.
    """

    look: Look
    note: str


def features_of(dataset: str) -> Features:
    """The view in which a data set is scored; the one place that chooses.

    Args:
        dataset: one of `gan_data.SHAPES`.

    Returns:
        For digits the features and classes of the LeNet that comes with the project, for other grey images its
        features alone; for colour those of Inception-v3 where its weights are below `JAXVISION_HOME`, else of the
        project's SqueezeNet of scenes, averaged over the pixels.

    Raises:
        InputError: if the network's file is missing or damaged.
    """
    if gan_data.SHAPES[dataset] == gan_data.COLOUR:
        weights = WEIGHTS["inception_v3_fid"].location
        return _of_inception(weights) if weights.exists() else _of_scenes()
    if not LENET.exists():
        raise InputError(f"{LENET} is missing: python -m experiments.train_classifier --dataset mnist makes it")
    model = lenet(LENET)
    if dataset in gan_data.DIGITS:
        return Features(partial(_by_batch, _lenet, model), "features and classes of a network of digits (LeNet)")
    note = "features of a network of digits (LeNet): compare runs, not papers"
    return Features(partial(_by_batch, _lenet_features, model), note)


def _of_inception(weights: Path) -> Features:
    look = partial(_by_batch, _inception, inception_v3_fid(weights), batch=INCEPTION_BATCH)
    return Features(look, "features of Inception-v3, images resized cleanly: compare with numbers of as many images")


def _of_scenes() -> Features:
    network = load_network("scenes")
    note = (
        f"features of a network of coloured shapes ({network.name}, images enlarged to {SCENES_SIDE} px): compare "
        "runs, not papers; python -m jaxvision.weights fetch inception_v3_fid gets Inception-v3"
    )
    return Features(partial(_by_batch, _scenes, network.features_fn), note)


def _by_batch(
    function: Callable[[Any, Any], tuple[Any, Any]],
    model: Any,
    images: UInt8[np.ndarray, "n h w c"],
    *,
    batch: int = BATCH,
) -> tuple[Any, Any]:
    parts = [function(model, images[first : first + batch]) for first in range(0, len(images), batch)]
    features, logits = zip(*parts, strict=True)
    return np.concatenate(features), None if logits[0] is None else np.concatenate(logits)


@jax.jit
def _lenet(model: Any, images: Any) -> tuple[Any, Any]:
    logits, activations = model(jnp.asarray(images).astype(jnp.float32) / 255)
    return activations["relu3"], logits


@jax.jit
def _lenet_features(model: Any, images: Any) -> tuple[Any, None]:
    return _lenet(model, images)[0], None


@jax.jit
def _scenes(features_fn: Any, images: Any) -> tuple[Any, None]:
    large = resize(jnp.asarray(images).astype(jnp.float32) / 255, (SCENES_SIDE, SCENES_SIDE))
    return jnp.mean(features_fn(normalize(large))["fire9"], axis=(1, 2)), None  # (n, 512)


@jax.jit
def _inception(model: Any, images: Any) -> tuple[Any, None]:
    return model(fid_images(images))[1]["pool2048"], None

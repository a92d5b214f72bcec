"""Which network an experiment looks at, and what its classes are called."""

import functools
import importlib.util
import os
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from jaxvision import weights as published
from jaxvision.backbones import (
    VGG,
    LeNet,
    SqueezeNet,
    features_fn,
    lenet,
    logits_fn,
    squeezenet1_1,
    vgg16,
    vgg19,
    with_replicated_edges,
)
from jaxvision.backbones.classifier import RuledModel
from jaxvision.data import SCENE_CLASS_NAMES
from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, home, offline
from jaxvision.pixels import denormalize
from jaxvision.signatures import FeaturesFn, LogitsFn

CHECKPOINTS = Path(__file__).resolve().parents[1] / "checkpoints"  # networks that this project trained itself
SCENES = CHECKPOINTS / "squeezenet_scenes.safetensors"
DIGITS = {
    "mnist": "trained by this project on MNIST",
    "mnist_robust": "trained by this project on MNIST against attacks that change every value by up to 0.3",
}
PATIENCE = 4.0  # seconds: a machine without network must not keep its reader waiting


@dataclass(frozen=True)
class Network:
    """A classifier and what a reader needs to know of it.

    Args:
        name: what to call it in a figure.
        logits_fn: images `(N, H, W, C)`, ImageNet-normalised, to logits `(N, K)`; a pytree, so that its weights are
            inputs of a compiled program.
        class_names: `K` names, synonyms separated by commas.
        image_size: pixels, the side of the images it was trained on.
        note: one sentence, where it comes from and why it was chosen.
        samples: "photographs", "scenes" or "digits", the kind of picture it knows.
        ascent_fn: the same images to what a search should climb; a pytree too. The logits, but where those go dead.
        weights: what to give `load_network` for this one again, without its having to choose.
        features_fn: the same images to a dictionary of activations; a pytree too.
        painting_fn: the same again, for images that go on beyond their edges: without, a frame would be painted.
        model: the same images, and `taps` or `rules` where one has them, to logits and activations; a pytree.
    """

    name: str
    logits_fn: LogitsFn
    class_names: tuple[str, ...]
    image_size: int
    note: str
    samples: str
    weights: str
    ascent_fn: LogitsFn
    features_fn: FeaturesFn
    painting_fn: FeaturesFn
    model: RuledModel


def load_network(weights: str = "auto") -> Network:
    """The network a `--weights` flag names.

    Args:
        weights: "auto", ImageNet's SqueezeNet where it is at hand or can be had, else the embedded scenes network;
            "imagenet"; "scenes"; "mnist"; "mnist_robust"; or a safetensors file with torchvision's parameter names of a
            SqueezeNet or VGG, or the names of this project's LeNet.

    Raises:
        InputError: if there is no such file, or its parameters are of no network known here.
    """
    if weights == "auto":
        return _auto()
    if weights == "imagenet":
        return _imagenet("its ImageNet weights were asked for")
    if weights == "scenes":
        return _scenes("asked for by name")
    if weights in DIGITS:
        return _digits(weights)
    return _from_file(Path(weights))


def _auto() -> Network:
    entry = published.WEIGHTS["squeezenet1_1"]
    if entry.location.exists():
        return _imagenet(f"its ImageNet weights are in {entry.location.parent}")
    obstacle = _obstacle(entry.file)
    if obstacle is None:
        try:
            return _imagenet("its ImageNet weights could be downloaded")
        except (InputError, OSError) as error:
            obstacle = " ".join(str(error).split())
    return _scenes(f"chosen because ImageNet's SqueezeNet is not at hand: {obstacle}")


def _imagenet(why: str) -> Network:
    note = f"SqueezeNet 1.1 as torchvision publishes it, trained on ImageNet's 1000 classes; {why}."
    return _network("SqueezeNet 1.1, ImageNet", squeezenet1_1(weights="imagenet"), 1000, note, "imagenet")


def _scenes(why: str) -> Network:
    if not SCENES.exists():
        raise InputError(
            f"{SCENES} is missing: train the network with python -m experiments.train_classifier, "
            "or choose another with --weights imagenet or --weights FILE"
        )
    note = f"SqueezeNet 1.1 trained by this project on procedural scenes, 64 coloured shapes; {why}."
    return _network("SqueezeNet 1.1, scenes", squeezenet1_1(weights=SCENES), 64, note, "scenes")


def _digits(weights: str) -> Network:
    path = CHECKPOINTS / f"lenet_{weights}.safetensors"
    if not path.exists():
        raise InputError(
            f"{path} is missing: train the network with python -m experiments.train_classifier --dataset mnist, "
            "or choose another with --weights scenes or --weights FILE"
        )
    note = f"LeNet {DIGITS[weights]}; asked for by name."
    return _network(f"LeNet, {weights}", lenet(path), 10, note, weights)


def _from_file(path: Path) -> Network:
    if not os.path.exists(path):  # a name may be too long to ask a Path about
        raise InputError(
            f"{path} is not there: --weights takes auto, imagenet, scenes, mnist, mnist_robust or a safetensors "
            "file with torchvision's parameter names"
        )
    tensors = published.load(path)
    found = next((known for known in _KNOWN if {*known[2:]} <= set(tensors)), None)
    if found is None:
        raise InputError(
            f"{path} holds parameters of no network known here ({', '.join(list(tensors)[:3])}, ...): "
            "expected torchvision's names of SqueezeNet 1.1, VGG-16 or VGG-19, or those of this project's LeNet"
        )
    damaged = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    if damaged:
        raise InputError(f"{path} holds values that are not finite (in {damaged[0]}): train or download it again")
    name, build, _, last = found
    n_classes = tensors[last].size
    note = f"{name} with {n_classes} classes, read from {path} as asked for by name."
    return _network(f"{name}, {path.name}", build(weights=path), n_classes, note, str(path))


# What files are recognised as: a name, a constructor, a parameter that tells it from those below, its last bias.
_KNOWN: tuple[tuple[str, Callable[..., SqueezeNet | VGG | LeNet], str, str], ...] = (
    ("SqueezeNet 1.1", squeezenet1_1, "features.3.squeeze.weight", "classifier.1.bias"),
    ("VGG-19", vgg19, "features.34.weight", "classifier.6.bias"),
    ("VGG-16", vgg16, "features.28.weight", "classifier.6.bias"),
    ("LeNet", lenet, "conv1.weight", "fc2.bias"),
)


def _network(name: str, model: SqueezeNet | VGG | LeNet, n_classes: int, note: str, weights: str) -> Network:
    """The network with all its functions; what no file of weights tells is guessed by the number of classes."""
    seeing = Partial(_grey, model) if isinstance(model, LeNet) else model
    logits = logits_fn(seeing)
    # ImageNet's thousand scores are never all zero around a picture, so that the published rule holds as it is.
    dead_ends = isinstance(model, SqueezeNet) and n_classes < 1000
    if n_classes == len(SCENE_CLASS_NAMES):
        class_names, size, samples = SCENE_CLASS_NAMES, 64, "scenes"
    elif isinstance(model, LeNet):
        class_names, size, samples = tuple(map(str, range(n_classes))), 28, "digits"
    else:
        numbered = tuple(f"class {i}" for i in range(n_classes))
        class_names, size, samples = _imagenet_names() if n_classes == 1000 else numbered, 224, "photographs"
    return Network(
        name=name,
        logits_fn=logits,
        class_names=class_names,
        image_size=size,
        note=note,
        samples=samples,
        weights=weights,
        ascent_fn=Partial(_log_probabilities, model) if dead_ends else logits,
        features_fn=features_fn(seeing),
        painting_fn=features_fn(with_replicated_edges(model)),
        model=seeing,
    )


def _grey(model: LeNet, images: Float[Array, "n h w 3"], **how: Any) -> tuple[Array, dict[str, Array]]:
    """LeNet reads grey values in [0, 1]: the same pictures and steps as for every network, seen through its eyes."""
    return model(jnp.mean(denormalize(images), axis=-1, keepdims=True), **how)


def _log_probabilities(model: SqueezeNet, images: Float[Array, "n h w 3"]) -> Float[Array, "n k"]:
    """What to climb where SqueezeNet's last ReLU holds most scores at zero, and their gradients with them.

    The values are the network's own log-probabilities; the gradient passes the ReLU as if it were not there, so that
    a class which an image says nothing of can still be approached.
    """
    logits, activations = model(images)
    before = jnp.mean(activations["conv10"], axis=(1, 2))
    return jax.nn.log_softmax(before + jax.lax.stop_gradient(logits - before))


def _imagenet_names() -> tuple[str, ...]:
    """ImageNet's class names; numbers where they are neither at hand nor to be had, for pictures do not need them."""
    own = home() / "imagenet" / "class_names.json"
    if own.exists() or _obtainable(published.CLASS_NAMES):
        with suppress(OSError):
            return published.imagenet_class_names()
    return tuple(f"class {i}" for i in range(1000))


def _obstacle(file: PublishedFile) -> str | None:
    """Why a published PyTorch file cannot become weights on this machine, or None."""
    if importlib.util.find_spec("torch") is None:
        return 'converting it needs PyTorch (pip install "jaxvision[convert]")'
    if _obtainable(file):
        return None
    return "JAXVISION_OFFLINE forbids downloading it" if offline() else f"{file.url} does not answer"


def _obtainable(file: PublishedFile) -> bool:
    return file.location.exists() or (not offline() and _reachable(file.url))


@functools.cache
def _reachable(url: str) -> bool:
    """Whether the server answers at once; also where the name server itself keeps silent."""
    answers = []

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE):
                answers.append(True)
        except (OSError, ValueError, HTTPException):
            return

    # A thread, because looking up a name obeys no timeout; a daemon, because the command must be able to end.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return bool(answers)

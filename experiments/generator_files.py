"""Trained generators as files: one byte a weight, so that one of seven million weights takes seven megabytes."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import gan_training
from experiments.gan_data import GREY, Shape
from experiments.networks import CHECKPOINTS
from experiments.runs import load_exported
from jaxvision import weights
from jaxvision.backbones import load_state_dict, state_dict
from jaxvision.errors import InputError

EMBEDDED = CHECKPOINTS / "generator_mnist.safetensors"
NETWORKS = ("mlp", "dcgan", "resnet")
SCALE = ".scale"  # of a kernel's outputs, under the kernel's name with this behind it


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator and what it takes to use it.

    Attributes:
        model: `latents -> images (N, *shape)` in [-1, 1].
        network: "mlp", "dcgan" or "resnet".
        latent_dim: numbers that an image begins with, uniform in [-1, 1).
        shape: height, width and channels of an image.
        dataset: what it learned to draw; empty where that is not known.
    """

    model: Any
    network: str
    latent_dim: int
    shape: Shape = GREY
    dataset: str = ""


def save_generator(file: Path, generator: TrainedGenerator, about: dict[str, str]) -> None:
    r"""Writes a generator, kernels as $w \approx s_o q$ with bytes q and a scale for each output, the rest as it is.

    Args:
        file: the safetensors file.
        generator: what to write.
        about: text to keep with it: the objective.

    Raises:
        InputError: if the file cannot be written.
    """
    tensors = {}
    for name, tensor in state_dict(generator.model).items():
        if tensor.ndim < 2:
            tensors[name] = tensor
            continue
        axes = tuple(range(1, tensor.ndim))
        scale = np.maximum(np.abs(tensor).max(axis=axes, keepdims=True), 1e-12) / 127
        tensors[name] = np.rint(tensor / scale).astype(np.int8)
        tensors[name + SCALE] = scale.astype(np.float32)
    rebuilt_by = {
        "kind": "generator",
        "network": generator.network,
        "latent_dim": str(generator.latent_dim),
        "shape": " x ".join(map(str, generator.shape)),
        "dataset": generator.dataset,
    }
    weights.save(file, tensors, about | rebuilt_by)


def load_generator(file: Path) -> TrainedGenerator:
    """The generator of a file.

    Raises:
        InputError: if the file is missing, damaged or of another kind.
    """
    about, tensors = load_exported(file, "generator", "gan")
    network, latent_dim = about.get("network", ""), about.get("latent_dim", "")
    # Files of the first days do not state the shape: they draw grey images of 28 x 28.
    sides = re.fullmatch(r"(\d{1,4}) x (\d{1,4}) x (\d)", about.get("shape", "28 x 28 x 1"), re.ASCII)
    if network not in NETWORKS or not re.fullmatch(r"[1-9]\d{0,4}", latent_dim, re.ASCII) or sides is None:
        raise InputError(
            f"{file} states the network {network!r}, {latent_dim!r} latent numbers and the shape "
            f"{about.get('shape')!r}: expected one of {', '.join(NETWORKS)}, up to 99999, and 28 x 28 x 1 or the like; "
            "get or train the file anew"
        )
    shape = (int(sides[1]), int(sides[2]), int(sides[3]))
    kernels = {name: _unscaled(file, name, tensors) for name in tensors if not name.endswith(SCALE)}
    empty = jax.eval_shape(lambda: gan_training.generator(network, int(latent_dim), jax.random.key(0), shape))
    model = load_state_dict(empty, kernels, source=str(file))
    return TrainedGenerator(model, network, int(latent_dim), shape, about.get("dataset", ""))


def _unscaled(file: Path, name: str, tensors: dict[str, np.ndarray]) -> np.ndarray:
    kernel, scale = tensors[name], tensors.get(name + SCALE)
    if scale is None:
        return kernel
    if scale.shape != (*kernel.shape[:1], *[1] * (kernel.ndim - 1)):  # another shape might fill the memory
        raise InputError(
            f"{file} is damaged, {name} has the shape {kernel.shape} and its scale {scale.shape}: get or train the "
            "file anew"
        )
    with np.errstate(all="ignore"):  # what is no number then is refused with the others
        return kernel * scale

"""Trained generators as files: one byte a weight, so that one of seven million weights takes seven megabytes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import gan_training
from jaxvision import weights
from jaxvision.backbones import load_state_dict, state_dict
from jaxvision.errors import InputError

EMBEDDED = Path(__file__).resolve().parents[1] / "checkpoints" / "generator_mnist.safetensors"
SCALE = ".scale"  # of a kernel's outputs, under the kernel's name with this behind it


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator and what it takes to use it.

    Attributes:
        model: `latents -> images (N, 28, 28, 1)` in [-1, 1].
        network: "mlp", "dcgan" or "resnet".
        latent_dim: numbers that an image begins with, uniform in [-1, 1).
    """

    model: Any
    network: str
    latent_dim: int


def save_generator(file: Path, generator: TrainedGenerator, about: dict[str, str]) -> None:
    r"""Writes a generator, kernels as $w \approx s_o q$ with bytes q and a scale for each output, the rest as it is.

    Args:
        file: the safetensors file.
        generator: what to write.
        about: text to keep with it: objective, data set.

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
    about = about | {"kind": "generator", "network": generator.network, "latent_dim": str(generator.latent_dim)}
    weights.save(file, tensors, about)


def load_generator(file: Path) -> TrainedGenerator:
    """The generator of a file.

    Args:
        file: of `save_generator`.

    Returns:
        The generator.

    Raises:
        InputError: if the file is missing, damaged or of another kind.
    """
    if not file.exists():
        raise InputError(
            f"{file} is not there: train a generator with python -m experiments.gan --export FILE, and give it as "
            "--generator FILE"
        )
    tensors = weights.load(file)
    about = weights.metadata(file)
    if about.get("kind") != "generator":
        raise InputError(
            f"{file} holds no generator ({', '.join(list(tensors)[:3])}, ...): give a file that "
            "python -m experiments.gan --export FILE wrote"
        )
    network, latent_dim = about["network"], int(about["latent_dim"])
    kernels = {
        name: tensors[name] * tensors[name + SCALE] if name + SCALE in tensors else tensors[name]
        for name in tensors
        if not name.endswith(SCALE)
    }
    shapes = jax.eval_shape(lambda: gan_training.generator(network, latent_dim, jax.random.key(0)))
    return TrainedGenerator(load_state_dict(shapes, kernels, source=str(file)), network, latent_dim)

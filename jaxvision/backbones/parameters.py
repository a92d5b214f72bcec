"""Weights of a backbone as a dictionary of arrays with torchvision's names and layout, and back."""

from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxvision import weights as weight_files
from jaxvision.backbones.layers import Backbone, Keys, Layered
from jaxvision.errors import InputError

Model = TypeVar("Model", bound=Backbone)
Network = TypeVar("Network", bound=Layered)
Tensors = dict[str, np.ndarray]


def build(
    network: type[Model],
    name: str,
    weights: str | Path | None,
    width: int | None = None,
    *,
    key: Keys | None,
    default: int = 1000,
    kind: str = "classes",
    argument: str = "num_classes",
) -> Model:
    """A network with the weights asked for: "imagenet" (the published file `name`), a file, or None for random ones.

    `width` is the head's, what it counts its `kind`, and `argument` what the caller calls it.
    """
    if weights is None:
        return network(width or default, key=jax.random.key(0) if key is None else key)
    published = weights == "imagenet"
    tensors = weight_files.load(name if published else Path(weights))
    source = f"{name}'s ImageNet weights" if published else str(weights)
    head = f"{network.head}.bias"
    if head not in tensors:
        raise InputError(f"{source}: there is no {head}, so these are not weights of {name}: give its own file")
    found = tensors[head].size
    if not found:
        raise InputError(f"{source}: {head} is empty, so these are not weights of {name}: give its own file")
    if width not in (None, found):
        raise InputError(f"{source}: {found} {kind}, not {argument}={width}: leave {argument} out")
    shapes = jax.eval_shape(lambda: network(found, key=jax.random.key(0)))
    return load_state_dict(shapes, tensors, source=source)


def state_dict(model: Layered) -> Tensors:
    """Weights by torchvision's names, in PyTorch's layout: convolutions `(out, in, h, w)`, linear `(out, in)`.

    Running moments of a batch normalisation are among them, as `running_mean` and `running_var`.

    Args:
        model: one of this room's networks, or another made of layers by name.

    Returns:
        float32 arrays by name, for `weights.save` or for a PyTorch network's `load_state_dict`.

    Example:
        >>> from jaxvision.backbones import lenet
        >>> state_dict(lenet())["conv2.weight"].shape
        (50, 20, 5, 5)
    """
    tensors = {}
    for name, variable in _variables(model).items():
        array = np.asarray(variable[...])
        tensors[name] = array.transpose(_TO_TORCH[array.ndim]).copy()
    return tensors


def load_state_dict(model: Network, tensors: Tensors, *, source: str = "the weights") -> Network:
    """The same network with other weights; the one given is left as it is.

    Args:
        model: as `state_dict` takes it, or its shapes (`jax.eval_shape`).
        tensors: as `state_dict` gives them; a `num_batches_tracked` among them, which nothing reads, is passed over.
        source: where they come from, for the sentence.

    Returns:
        A new network.

    Raises:
        InputError: if a name is missing or left over, a shape differs, or a value is not finite.

    Example:
        >>> from jaxvision.backbones import lenet
        >>> model = lenet(key=jax.random.key(1))
        >>> copy = load_state_dict(lenet(), state_dict(model))
        >>> bool((copy.layers["fc2"].kernel[...] == model.layers["fc2"].kernel[...]).all())
        True
    """
    kind = type(model).__name__
    names = set(_variables(model))
    for missing in sorted(names - set(tensors)):
        raise InputError(f"{source}: there is no {missing}, so these are not weights of {kind}: give its own file")
    extras = {name for name in tensors if name.rpartition(".")[2] != "num_batches_tracked"} - names
    for extra in sorted(extras):
        raise InputError(f"{source}: {kind} has no {extra}: give the network's own file")
    copy = jax.tree.map(lambda leaf: leaf, model)  # new variables, so that `model` keeps its own
    for name, variable in _variables(copy).items():
        variable.set_value(_fit(tensors, name, variable.shape, source))
    return copy


# What a layer may hold, and PyTorch's name for it.
_PARTS = {"kernel": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"}


def _variables(model: Layered) -> dict[str, nnx.Variable[jax.Array]]:
    """All that a network has learned or counted, by PyTorch's names."""
    return {
        f"{name}.{theirs}": getattr(layer, ours)
        for name, layer in model.layers.items()
        for ours, theirs in _PARTS.items()
        if hasattr(layer, ours)
    }


# The axes of our kernels in PyTorch's order, by their number: HWIO to OIHW, (in, out) to (out, in), gains as they are.
_TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


def _fit(tensors: Tensors, name: str, shape: tuple[int, ...], source: str) -> jax.Array:
    array, to_torch = tensors[name], _TO_TORCH[len(shape)]
    expected = tuple(shape[axis] for axis in to_torch)
    if array.shape != expected:
        raise InputError(f"{source}: {name} has shape {array.shape}, expected {expected}: give the network's own file")
    if not np.all(np.isfinite(array)):
        raise InputError(f"{source}: {name} holds NaN or infinity: the file is damaged, fetch it again")
    return jnp.asarray(array.transpose(np.argsort(to_torch)), jnp.float32)

"""Where the arrays of an experiment lie: the flags --mesh and --hosts, and one declaration for each."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh, PartitionSpec

from jaxvision.errors import InputError
from jaxvision.training import Layout, Run, gathered, large_weights, named_mesh, placed

S = TypeVar("S")

# Any: a batch of these stands in the place of a batch of arrays.
DIVIDED: Any = PartitionSpec("data")
WHOLE: Any = PartitionSpec()


def layout(
    config: Any, batch: Any = DIVIDED, state: Callable[[Any, Mesh], PartitionSpec] = large_weights
) -> Layout | None:
    """The layout that the flags ask for.

    Args:
        config: `mesh` is read; where it is not given and there are several hosts, all devices divide the batch.
        batch: of `training.Layout`.
        state: of `training.Layout`.

    Returns:
        None for one device.

    Raises:
        InputError: if there are fewer devices, or the description cannot be read.

    Example:
        >>> from types import SimpleNamespace
        >>> dict(layout(SimpleNamespace(mesh="data=2")).mesh.shape)
        {'data': 2, 'model': 1}
    """
    if config.mesh is None and jax.process_count() == 1:
        return None
    return Layout(named_mesh(config.mesh or f"data={jax.device_count()}"), batch, state)


def restored(run: Run, state: S, lies: Layout | None) -> S:
    """What `run.restore` gives, whole on one device; `lies` says which devices read it."""
    return run.restore(state) if lies is None else gathered(run.restore(placed(state, lies)))


def spread(mesh: str | None, tree: S, n: int) -> S:
    """Arrays of n pictures, classes or images in the making divided along `data`; what is computed of them follows.

    Args:
        mesh: the flag.
        tree: a pytree; leaves with a leading axis of n are divided, others whole on every device.
        n: how many.

    Returns:
        The same values; without a mesh where they were.

    Raises:
        InputError: if n cannot be divided.

    Example:
        >>> spread("data=2", jax.numpy.zeros((6, 3)), 6).sharding.num_devices
        2
    """
    if mesh is None:
        return tree
    devices = named_mesh(mesh, axes=("data",))
    if n % devices.shape["data"]:
        raise InputError(f"--mesh {mesh} cannot divide {n} pictures evenly: choose a divisor of {n}")
    lies = Layout(devices, DIVIDED, lambda leaf, _: DIVIDED if leaf.ndim and leaf.shape[0] == n else WHOLE)
    return placed(tree, lies)

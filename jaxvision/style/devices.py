"""One large image on several devices: each holds some of its rows."""

from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

SPACE = "space"


def space_mesh(devices: list[Any] | None = None) -> Mesh:
    """A mesh over the height of an image.

    Args:
        devices: all there are if not given.

    Returns:
        A mesh of one axis, "space", along which the compiler divides the work.

    Example:
        >>> space_mesh(jax.devices()[:1]).shape["space"]
        1
    """
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), (SPACE,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)


def divide_rows(tree: Any, mesh: Mesh) -> Any:
    """Images and feature maps cut into bands of rows, one for each device; everything else whole on all of them.

    A program compiled for such arguments computes each band where it lies: convolutions fetch the rows next to it,
    Gram matrices and losses are summed over devices. There are no tiles and so no seams: the result is that of one
    device. Rows must be divisible by the number of devices at every layer, or the layer is computed whole everywhere:
    take `backbones.with_replicated_edges(model)` and heights that are a multiple of 8 for each device.

    Args:
        tree: a pytree, such as the problem and the state of a style transfer. Leaves `(..., H, W, C)` of four axes or
            more are divided along H where it is divisible.
        mesh: of `space_mesh`.

    Returns:
        The same values, placed.

    Example:
        >>> import jax.numpy as jnp
        >>> image = divide_rows(jnp.zeros((1, 8, 6, 3)), space_mesh(jax.devices()[:2]))
        >>> image.addressable_shards[0].data.shape
        (1, 4, 6, 3)
    """
    whole = NamedSharding(mesh, PartitionSpec())
    n_devices = mesh.shape[SPACE]

    def place(leaf: Any) -> Any:
        # A kernel has four axes, too: it is as high as it is wide and few pixels of either.
        shape = leaf.shape
        is_image = len(shape) >= 4 and shape[-3] % n_devices == 0 and shape[-3] >= 2 * n_devices
        axes = [None] * (len(shape) - 3)
        return jax.device_put(leaf, NamedSharding(mesh, PartitionSpec(*axes, SPACE)) if is_image else whole)

    return jax.tree.map(place, tree)

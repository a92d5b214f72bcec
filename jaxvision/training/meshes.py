"""Several devices as one: a batch divided along `data`, large weights along `model`, by one declaration.

The compiler divides the program (Xu et al., "GSPMD: general and scalable parallelization for ML computation graphs",
2021, https://arxiv.org/abs/2105.04663): what is declared here is only where arrays lie. Sums over a batch become sums
over devices; the step, its losses and its random numbers are written once, for one device.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jax.tree_util import Partial

from jaxvision.errors import InputError
from jaxvision.training.loop import callable_pytree

DATA, MODEL = "data", "model"
LARGE = 1 << 16  # entries of a weight from which on it is divided along `model`

WHOLE = PartitionSpec()


def named_mesh(shape: str, *, axes: Sequence[str] = (DATA, MODEL), devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh from its description.

    Args:
        shape: such as "data=8" or "data=4,model=2".
        axes: the names that are known.
        devices: to choose the first of; None takes all there are, on all hosts.

    Returns:
        A mesh of all of `axes`, of size 1 where the description leaves one out.

    Raises:
        InputError: the description cannot be read, or asks for more devices than there are.

    Example:
        >>> dict(named_mesh("data=2").shape)
        {'data': 2, 'model': 1}
    """
    devices = jax.devices() if devices is None else list(devices)
    sizes = dict.fromkeys(axes, 1)
    given = [part.partition("=") for part in shape.split(",")]
    names = [name.strip() for name, _, _ in given]
    if len(set(names)) < len(names) or not all(
        name.strip() in sizes and size.strip().isdecimal() and int(size) > 0 for name, _, size in given
    ):
        known = " and ".join(axes)
        raise InputError(f"{shape!r} is no mesh: give {known} a number of devices, such as {axes[0]}=8")
    sizes |= {name.strip(): int(size) for name, _, size in given}
    n = math.prod(sizes.values())
    if n > len(devices) or (n < len(devices) and jax.process_count() > 1):
        raise InputError(
            f"a mesh of {shape} is of {n} device{'s' * (n > 1)} and there are {len(devices)}: give numbers whose "
            "product is that; a CPU is several with JAX_NUM_CPU_DEVICES=8"
        )
    types = (AxisType.Auto,) * len(axes)
    return jax.make_mesh(tuple(sizes.values()), tuple(axes), axis_types=types, devices=devices[:n])


def large_weights(leaf: Any, mesh: Mesh) -> PartitionSpec:
    """Weights of `LARGE` entries and more divided along their outputs, all else whole.

    Args:
        leaf: an array of a training's state; the moments of an optimiser are shaped as their weights and lie with them.
        mesh: of `named_mesh`.

    Returns:
        Where it lies.

    Example:
        >>> tuple(large_weights(jax.ShapeDtypeStruct((512, 1024), "float32"), named_mesh("model=2")))
        (None, 'model')
    """
    n = mesh.shape[MODEL]
    divides = n > 1 and leaf.ndim >= 2 and leaf.size >= LARGE and leaf.shape[-1] % n == 0
    return PartitionSpec(*[None] * (leaf.ndim - 1), MODEL) if divides else WHOLE


class Layout(NamedTuple):
    """Where the arrays of a training lie.

    Attributes:
        mesh: of `named_mesh`.
        batch: `PartitionSpec`s in the shape of a batch, or of its beginning: one for a whole tuple, for one.
        state: `(leaf, mesh) -> PartitionSpec` for each array of the state.
    """

    mesh: Mesh
    batch: Any = PartitionSpec(DATA)
    state: Callable[[Any, Mesh], PartitionSpec] = large_weights


def placed(tree: Any, layout: Layout) -> Any:
    """A state where the layout wants it, on the devices of all hosts.

    Args:
        tree: a pytree of arrays, the same on every host.
        layout: says where.

    Returns:
        The same values.

    Example:
        >>> layout = Layout(named_mesh("data=2"))
        >>> placed({"w": jnp.ones(3)}, layout)["w"].sharding.num_devices
        2
    """
    return jax.tree.map(lambda leaf: _put(leaf, NamedSharding(layout.mesh, layout.state(leaf, layout.mesh))), tree)


def divided(layout: Layout, step_fn: Any, batch_fn: Any) -> tuple[Any, Any]:
    """`step_fn` and `batch_fn` for `fit`, dividing their work as the layout says.

    A batch is made by all devices, each its part of it, from the step's number: the order of the data does not depend
    on the mesh. What is declared to be whole stays whole.

    Args:
        layout: of a state that `placed` has placed.
        step_fn: `(state, batch) -> (state, metrics)`.
        batch_fn: `step -> batch`; arrays that it brings are put whole on every device.

    Returns:
        The pair to give to `fit`.

    Raises:
        InputError: a batch cannot be divided evenly.

    Example:
        >>> layout = Layout(named_mesh("data=2"))
        >>> step_fn, batch_fn = divided(layout, lambda state, batch: (state, {}), lambda step: jnp.zeros((4, 3)))
        >>> tuple(batch_fn(jnp.int32(0)).sharding.spec)
        ('data',)
    """
    mesh = layout.mesh
    batches = jax.tree.map(lambda spec: NamedSharding(mesh, spec), layout.batch, is_leaf=_is_spec)
    whole = NamedSharding(mesh, WHOLE)

    def batch(batch_fn: Any, step: Any) -> Any:
        made = batch_fn(step)
        jax.tree.map(_require_even, batches, made, is_leaf=lambda node: isinstance(node, NamedSharding))
        return jax.lax.with_sharding_constraint(made, batches)

    def step(step_fn: Any, state: Any, batch: Any) -> Any:
        state, metrics = step_fn(state, batch)
        lies = jax.tree.map(lambda leaf: NamedSharding(mesh, layout.state(leaf, mesh)), state)
        return jax.lax.with_sharding_constraint(state, lies), jax.lax.with_sharding_constraint(metrics, whole)

    def whole_arrays(function: Any) -> Any:
        return jax.tree.map(lambda leaf: _put(leaf, whole), callable_pytree(function))

    return Partial(step, whole_arrays(step_fn)), Partial(batch, whole_arrays(batch_fn))


def gathered(tree: Any) -> Any:
    """Everything whole, on one device of this host: what a program for one device takes.

    Args:
        tree: a pytree of arrays, wherever they lie. All hosts must call this together.

    Returns:
        The same values.

    Example:
        >>> gathered(placed(jnp.ones(3), Layout(named_mesh("data=2")))).sharding.num_devices
        1
    """

    def whole(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or not isinstance(leaf.sharding, NamedSharding):
            return leaf
        if not leaf.is_fully_replicated:
            leaf = jax.jit(lambda x: x, out_shardings=NamedSharding(leaf.sharding.mesh, WHOLE))(leaf)
        return leaf.addressable_data(0)

    return jax.tree.map(whole, tree)


def _put(leaf: Any, sharding: NamedSharding) -> Any:
    if jax.process_count() == 1:
        return jax.device_put(leaf, sharding)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(leaf), sharding), impl=jax.random.key_impl(leaf))
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    host = np.asarray(leaf)  # the same on all hosts: each takes its parts from its own copy
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def _require_even(sharding: NamedSharding, part: Any) -> None:
    for leaf in jax.tree.leaves(part):
        for axis, name in enumerate(sharding.spec):
            n = 1 if name is None else sharding.mesh.shape[name]
            if leaf.ndim <= axis or leaf.shape[axis] % n:
                size = leaf.shape[axis] if axis < leaf.ndim else 1
                raise InputError(f"a batch of {size} cannot be divided among {name}={n}: choose a multiple of {n}")


def _is_spec(node: Any) -> bool:
    return isinstance(node, PartitionSpec)

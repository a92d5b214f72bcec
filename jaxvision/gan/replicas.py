"""Many trainings at once: seeds, rates or weights side by side in one program, for intervals at the price of one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Int

Step = Callable[[Any, Any], tuple[Any, Mapping[str, Array]]]
"""`(state, batch) -> (state, metrics)`, such as `alternating_step` gives."""


class Replicas(NamedTuple):
    """The states of R trainings as one pytree, which `training.fit` takes as it takes one.

    Attributes:
        states: a state whose arrays have a leading axis R.
        step: int32, how many steps each has taken.
    """

    states: Any
    step: Int[Array, ""]


def replicas(states: Sequence[Any]) -> Replicas:
    """States side by side; they may differ in anything that is an array.

    A learning rate is one where the optimiser is made by `optax.inject_hyperparams`.

    Args:
        states: R of one structure, each with a `step`, all at the same.

    Returns:
        `Replicas`.

    Example:
        >>> from jaxvision.gan import Optimizers, start_gan
        >>> import optax
        >>> optimizers = Optimizers(optax.sgd(0.1), optax.sgd(0.1))
        >>> states = [start_gan(jnp.zeros(3), jnp.zeros(3), optimizers, key=jax.random.key(i)) for i in range(5)]
        >>> replicas(states).states.generator.shape
        (5, 3)
    """
    return Replicas(_stacked(states), states[0].step)


def replica(state: Replicas, index: int) -> Any:
    """The state of one of the trainings.

    Args:
        state: of `replicas`.
        index: which.

    Returns:
        A state as it was put in.

    Example:
        >>> float(replica(Replicas(jnp.array([1.0, 2.0]), jnp.int32(0)), 1))
        2.0
    """
    return _at(state.states, index)


def replicated_step(step_fn: Step, *, vectorize: bool = True, mesh: Mesh | None = None) -> Step:
    """The same step for every replica.

    Args:
        step_fn: `(state, batch) -> (state, metrics)`.
        vectorize: True computes replicas together (`jax.vmap`): the faster for linear layers. False writes them out one
            after the other: a convolution with many kernels at once would become a grouped one, and in the body of a
            loop it keeps one core busy; both are slow.
        mesh: of its axis "data" each device computes R / n of the replicas by itself; None leaves that to the compiler.

    Returns:
        `(Replicas, batch) -> (Replicas, metrics)`, the batch's arrays with a leading axis R. Metrics of replica 2 are
        named "2/loss" and so on.

    Example:
        >>> step_fn = lambda state, batch: (state + batch, {"sum": state + batch})
        >>> state = Replicas(jnp.array([1.0, 2.0]), jnp.int32(0))
        >>> state, metrics = replicated_step(step_fn)(state, jnp.array([10.0, 20.0]))
        >>> state.states, {name: float(value) for name, value in metrics.items()}
        (Array([11., 22.], dtype=float32), {'0/sum': 11.0, '1/sum': 22.0})
    """

    def one_by_one(states: Any, batch: Any) -> tuple[Any, Mapping[str, Array]]:
        n_replicas = len(jax.tree.leaves(batch)[0])
        return _stacked([step_fn(*_at((states, batch), index)) for index in range(n_replicas)])

    together = jax.vmap(step_fn) if vectorize else one_by_one
    if mesh is not None:
        own = PartitionSpec("data")
        together = jax.shard_map(together, mesh=mesh, in_specs=own, out_specs=own, check_vma=False)

    def step(state: Replicas, batch: Any) -> tuple[Replicas, dict[str, Array]]:
        states, metrics = together(state.states, batch)
        named = {f"{index}/{name}": value for name, values in metrics.items() for index, value in enumerate(values)}
        return Replicas(states, state.step + 1), named

    return step


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _at(trees: Any, index: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], trees)

"""An exponential moving average of the weights, kept where the optimiser keeps its own state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from jaxvision.errors import InputError


class AverageState(NamedTuple):
    """What `weight_average` keeps.

    Attributes:
        averaged: the model with averaged weights.
        n_updates: int32, updates that were averaged over.
    """

    averaged: Any
    n_updates: Int[Array, ""]


def weight_average(decay: float) -> optax.GradientTransformation:
    r"""The last link of an optimiser's chain: lets updates pass, and keeps an average of the weights they lead to.

    $$ \bar\theta_t = d_t \bar\theta_{t-1} + (1 - d_t) \theta_t, \qquad
       d_t = \min\left(d, \frac{1 + t}{10 + t}\right) $$

    As part of the optimiser's state it is saved and resumed with the run. `averaged` reads it.

    Args:
        decay: d in [0, 1).

    Returns:
        An optax transformation, for `optax.chain(optimizer, weight_average(0.999))`.

    Raises:
        InputError: if decay is not in [0, 1).

    Example:
        >>> optimizer = optax.chain(optax.sgd(1.0), weight_average(0.5))
        >>> state = optimizer.init(jnp.float32(1))
        >>> updates, state = optimizer.update(jnp.float32(1), state, jnp.float32(1))
        >>> float(updates), round(float(averaged(state)), 2)  # 0.1 of 1 and 0.9 of 0
        (-1.0, 0.1)

    References:
        Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control and
        Optimization 30, 1992. Departure: an exponential average, whose decay is small at first, so that the weights
        of the start are soon forgotten.
    """
    if not 0 <= decay < 1:
        raise InputError(f"decay must be at least 0 and below 1, got {decay}")

    def init(params: Any) -> AverageState:
        return AverageState(jax.tree.map(jnp.copy, params), jnp.int32(0))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AverageState]:
        if params is None:
            raise InputError("weight_average needs the weights: call update(gradient, state, weights)")
        count = state.n_updates.astype(jnp.float32)
        kept = jnp.minimum(decay, (1 + count) / (10 + count))
        new = optax.apply_updates(params, updates)
        mixed = jax.tree.map(lambda old, now: (kept * old + (1 - kept) * now).astype(now.dtype), state.averaged, new)
        return updates, AverageState(mixed, state.n_updates + 1)

    return optax.GradientTransformation(init, update)


def averaged(optimizer_state: Any) -> Any:
    """The model with averaged weights.

    Args:
        optimizer_state: of an optimiser with `weight_average` in it, inside whatever wraps it.

    Returns:
        The model.

    Raises:
        InputError: if nothing was averaged.

    Example:
        >>> optimizer = optax.MultiSteps(optax.chain(optax.adam(0.1), weight_average(0.9)), 4)
        >>> averaged(optimizer.init({"w": jnp.ones(2)}))
        {'w': Array([1., 1.], dtype=float32)}
    """
    nodes = jax.tree.leaves(optimizer_state, is_leaf=lambda node: isinstance(node, AverageState))
    found = [node.averaged for node in nodes if isinstance(node, AverageState)]
    if len(found) != 1:
        raise InputError(f"the optimiser must have one weight_average in its chain, found {len(found)}")
    return found[0]

"""One step of an LSTM from its pre-activations, and its derivative: what every kind of LSTM here shares."""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Values = TypeVar("Values")


def gates_of(a: Float[Array, "n g"]) -> Float[Array, "n g"]:
    r"""The gates from their pre-activations: the logistic function for i, f and o, tanh for g.

    $$ i, f, o = \sigma(a^{i, f, o}), \qquad g = \tanh(a^g), \qquad \sigma(a) = \tanh(a / 2) / 2 + 1 / 2 $$

    All of them are one tanh.

    Args:
        a: `(N, 4H)`, in the order i, f, o, g.

    Returns:
        `(N, 4H)`.

    Example:
        >>> gates_of(jnp.zeros((1, 4)))
        Array([[0.5, 0.5, 0.5, 0. ]], dtype=float32)
    """
    scale = jnp.where(jnp.arange(a.shape[1]) < a.shape[1] // 4 * 3, 0.5, 1.0).astype(a.dtype)[None]
    return jnp.tanh(a * scale) * scale + (1 - scale)


def split(gates: Float[Array, "n g"]) -> list[Float[Array, "n h"]]:
    """i, f, o and g, each `(N, H)`.

    Example:
        >>> [float(gate[0, 0]) for gate in split(jnp.arange(4.0)[None])]
        [0.0, 1.0, 2.0, 3.0]
    """
    return jnp.split(gates, 4, axis=1)


def memory(gates: Float[Array, "n g"], c: Float[Array, "n h"]) -> Float[Array, "n h"]:
    r"""The next memory.

    $$ c_t = f \odot c_{t-1} + i \odot g $$

    Args:
        gates: `(N, 4H)`.
        c: `(N, H)`, the memory before.

    Returns:
        `(N, H)`.

    Example:
        >>> memory(jnp.array([[0.5, 0.5, 0.5, 1.0]]), jnp.array([[2.0]]))
        Array([[1.5]], dtype=float32)
    """
    i, f, _, g = split(gates)
    return f * c + i * g


def cell_gradient(
    gates: Float[Array, "n g"], c: Float[Array, "n h"], dh: Float[Array, "n h"], dc: Float[Array, "n h"]
) -> tuple[Float[Array, "n g"], Float[Array, "n h"]]:
    """One step back: from the derivatives by what the step gives to those by what it takes.

    Args:
        gates: `(N, 4H)`, of the step.
        c: `(N, H)`, the memory before it.
        dh: `(N, H)`, by the state after it.
        dc: `(N, H)`, by the memory after it, without what comes through the state.

    Returns:
        By the pre-activations, `(N, 4H)`, and by the memory before the step, `(N, H)`.

    Example:
        >>> open_gates = jnp.array([[1.0, 1.0, 1.0, 0.0]])
        >>> cell_gradient(open_gates, jnp.zeros((1, 1)), jnp.ones((1, 1)), jnp.zeros((1, 1)))[1]
        Array([[1.]], dtype=float32)
    """
    i, f, o, g = split(gates)
    dh, tanh_c = once((dh, jnp.tanh(memory(gates, c))))
    dc = once(dc + dh * o * (1 - tanh_c**2))
    di, df, do, dg = dc * g, dc * c, dh * tanh_c, dc * i
    return jnp.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)], axis=1), dc * f


def once(values: Values) -> Values:
    """Computed once: without it the compiler repeats an exponential for each expression that reads its result.

    Example:
        >>> once(jnp.ones(2))
        Array([1., 1.], dtype=float32)
    """
    barrier: Any = jax.lax.optimization_barrier
    return barrier(values)

"""What all cells share over whole sequences: time first, long ones in segments, masks that keep the state."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.errors import InputError

State = TypeVar("State")
Inputs = Float[Array, "n t d"] | Int[Array, "n t"]
"""Vectors, or the places of their ones: indices stand for one-hot vectors, whose product with Wx is a row of it."""
Run = Callable[[Any, Array, Any, Bool[Array, "t n"] | None], tuple[Float[Array, "t n h"], Any]]


def over_sequence(
    run: Run,
    params: Any,
    x: Inputs,
    state: State,
    *,
    mask: Bool[Array, "n t"] | None,
    segment: int | None,
    truncate: bool,
) -> tuple[Float[Array, "n t h"], State]:
    """Runs a cell over whole sequences, or over one segment after the other.

    Args:
        run: `(params, x (T, N, ...), state, mask (T, N) or None) -> (states (T, N, H), last state)`.
        params: the cell's.
        x: `(N, T, D)`, or `(N, T)` indices.
        state: to begin with, a pytree of `(N, H)`.
        mask: `(N, T)`, True where there is input; none: everywhere.
        segment: steps between the states that are kept for the gradient; none: every step's.
        truncate: let no gradient pass from a segment to the one before; the first passes it on to `state`.

    Returns:
        The states `(N, T, H)` and the last state.

    Raises:
        InputError: if shapes or options do not fit.

    Example:
        >>> add = lambda params, x, state, mask: (jnp.cumsum(x, axis=0) + state[None], state + jnp.sum(x, axis=0))
        >>> over_sequence(
        ...     add, None, jnp.ones((1, 5, 1)), jnp.zeros((1, 1)), mask=None, segment=2, truncate=False
        ... )[0].ravel()
        Array([1., 2., 3., 4., 5.], dtype=float32)
    """
    if truncate and segment is None:
        raise InputError("truncate=True cuts the gradient between segments: give their length, such as segment=32")
    if segment is not None and segment < 1:
        raise InputError(f"segment must be a number of steps of at least 1, got {segment}")
    n_steps = x.shape[1]
    inputs = (jnp.swapaxes(x, 0, 1), None if mask is None else mask.T)  # (T, N, ...), (T, N)
    if segment is None or segment >= n_steps:
        h, state = run(params, inputs[0], state, inputs[1])  # (T, N, H)
        return h.transpose(1, 0, 2), state

    @jax.checkpoint
    def of_segment(state: State, now: tuple[tuple[Array, Array | None], Array]) -> tuple[State, Array]:
        inputs, is_first = now
        if truncate:
            state = jax.tree.map(lambda s: jnp.where(is_first, s, jax.lax.stop_gradient(s)), state)
        h, state = run(params, inputs[0], state, inputs[1])
        return state, h

    n_whole = n_steps // segment
    whole = jax.tree.map(lambda v: v[: n_whole * segment].reshape(n_whole, segment, *v.shape[1:]), inputs)
    state, h = jax.lax.scan(of_segment, state, (whole, jnp.arange(n_whole) == 0))  # (T / segment, segment, N, H)
    h = h.reshape(n_whole * segment, *h.shape[2:])
    if n_whole * segment < n_steps:
        left = jax.tree.map(lambda v: v[n_whole * segment :], inputs)
        state, rest = of_segment(state, (left, jnp.zeros((), bool)))
        h = jnp.concatenate([h, rest])
    return h.transpose(1, 0, 2), state


def project(
    x: Float[Array, "t n d"] | Int[Array, "t n"], W: Float[Array, "d g"], b: Float[Array, " g"]
) -> Float[Array, "t n g"]:
    """The input's share of every step's pre-activations at once: one product of two matrices, or rows of one.

    Laid out as `(T N, D)` first: over three axes the same product takes 1.7 times as long on a CPU.

    Args:
        x: `(T, N, D)`, or `(T, N)` indices in `[0, D)` for inputs that are one there and zero elsewhere.
        W: `(D, G)`.
        b: `(G,)`.

    Returns:
        `(T, N, G)`.

    Example:
        >>> project(jnp.ones((2, 3, 4)), jnp.ones((4, 5)), jnp.ones(5)).shape
        (2, 3, 5)
        >>> project(jnp.array([[1, 0]]), jnp.array([[1.0], [2.0]]), jnp.array([0.5])).ravel()
        Array([2.5, 1.5], dtype=float32)
    """
    if jnp.issubdtype(x.dtype, jnp.integer):
        return (W + b[None])[x]
    t, n, d = x.shape
    return (x.reshape(t * n, d) @ W + b[None]).reshape(t, n, -1)


def outer_sum(a: Float[Array, "t n h"], b: Float[Array, "t n g"]) -> Float[Array, "h g"]:
    r"""The sum of outer products over steps and sequences, as one product of two matrices.

    $$ \sum_{t,n} a_{tn} b_{tn}^\top $$

    Args:
        a: `(T, N, H)`.
        b: `(T, N, G)`.

    Returns:
        `(H, G)`.

    Example:
        >>> outer_sum(jnp.ones((2, 3, 1)), jnp.full((2, 3, 1), 0.5))
        Array([[3.]], dtype=float32)
    """
    aT = jax.lax.optimization_barrier(a.transpose(2, 0, 1))  # a product with a transposed view is slower on a CPU
    return aT.reshape(a.shape[2], -1) @ b.reshape(-1, b.shape[2])


def keep(mask: Bool[Array, " n"] | None, new: Float[Array, "n h"], old: Float[Array, "n h"]) -> Float[Array, "n h"]:
    """The new state where there was input, the old one elsewhere.

    Args:
        mask: `(N,)`, True where there was input; none: everywhere.
        new: `(N, H)`.
        old: `(N, H)`.

    Returns:
        `(N, H)`.

    Example:
        >>> keep(jnp.array([True, False]), jnp.ones((2, 1)), jnp.zeros((2, 1))).ravel()
        Array([1., 0.], dtype=float32)
    """
    return new if mask is None else jnp.where(mask[:, None], new, old)


def check_sequence(x: Array, mask: Array | None, params: Any, h: Array | None, *, n_gates: int) -> None:
    """Shapes that fit together, or one sentence saying which do not.

    Args:
        x: `(N, T, D)`, or `(N, T)` integers.
        mask: `(N, T)` booleans, or none.
        params: with `Wx (D, G)` and `Wh (H, G)`.
        h: `(N, H)`, or none.
        n_gates: of the cell, G = n_gates H.

    Raises:
        InputError: if they do not fit.

    Example:
        >>> check_sequence(jnp.ones((2, 3)), None, None, None, n_gates=1)
        Traceback (most recent call last):
        jaxvision.errors.InputError: x must have shape (N, T, D), got (2, 3): give one sequence as x[None]
    """
    rank, axes = (2, "(N, T)") if jnp.issubdtype(x.dtype, jnp.integer) else (3, "(N, T, D)")
    if x.ndim != rank:
        hint = ": give one sequence as x[None]" if x.ndim == rank - 1 else ""
        raise InputError(f"x must have shape {axes}, got {x.shape}{hint}")
    n, n_steps = x.shape[:2]
    size = params.Wh.shape[0]
    if n_steps == 0:
        raise InputError(f"x must have at least one step, got shape {axes} = {x.shape}")
    if params.Wh.shape[1] != n_gates * size or params.Wx.shape[1] != n_gates * size:
        raise InputError(
            f"this cell has {n_gates} gates, Wx (D, {n_gates} H) and Wh (H, {n_gates} H), "
            f"got shapes {params.Wx.shape} and {params.Wh.shape}: are they of another cell?"
        )
    if rank == 3 and x.shape[2] != params.Wx.shape[0]:
        raise InputError(f"x must have {params.Wx.shape[0]} features, as Wx has rows, got shape (N, T, D) = {x.shape}")
    if mask is not None and (mask.shape != (n, n_steps) or mask.dtype != bool):
        raise InputError(
            f"mask must be one bool for each step, shape ({n}, {n_steps}), got {mask.dtype} of shape {mask.shape}"
        )
    if h is not None and h.shape != (n, size):
        raise InputError(f"the state must have shape (N, H) = ({n}, {size}), got {h.shape}")

"""Sums in float64, wherever they are called from: distances of features are small differences of large numbers."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Scalar = Float[Array | np.ndarray, ""]


def in_float64(function: Callable[..., Array]) -> Callable[..., Scalar]:
    """A scalar function of arrays, compiled and computed in float64 without switching JAX to it.

    Arguments of any float type are widened, the result has their own; so has the gradient. Integers count as floats,
    NumPy's as float64, JAX's as its default. It can be called under `jax.jit` and `jax.grad`, in 32-bit programs too.
    Of NumPy's arrays alone the result is NumPy's.

    Args:
        function: float arrays to a scalar, differentiable.

    Returns:
        The same function of arrays, JAX's or NumPy's.

    Example:
        >>> variance = in_float64(lambda x: jnp.mean(x**2) - jnp.mean(x) ** 2)
        >>> variance(jnp.array([10000.0, 10001.0]))  # in float32: 0
        Array(0.25, dtype=float32)
    """
    compiled = jax.jit(lambda arrays: function(*map(wide, arrays)))
    differentiated = jax.jit(jax.value_and_grad(lambda arrays: function(*arrays)))

    @jax.custom_vjp
    def computed(*arrays: Any) -> Array:
        with jax.enable_x64(True):
            return compiled(arrays).astype(_common(arrays))

    def forward(*arrays: Any) -> tuple[Array, tuple[Array, ...]]:
        with jax.enable_x64(True):
            value, gradients = differentiated(tuple(map(wide, arrays)))
            gradients = tuple(g.astype(a.dtype) for g, a in zip(gradients, arrays, strict=True))
            return value.astype(_common(arrays)), gradients

    def backward(gradients: tuple[Array, ...], change: Array) -> tuple[Array, ...]:
        return tuple(g * change.astype(g.dtype) for g in gradients)

    computed.defvjp(forward, backward)

    @functools.wraps(function)
    def widened(*arrays: Any) -> Scalar:
        floats = tuple(map(_as_floats, arrays))
        with jax.enable_x64(True):  # here, too: arguments that are NumPy's would be narrowed on the way in
            value = computed(*floats)
        return value if any(isinstance(a, jax.Array) for a in arrays) else np.asarray(value)

    return widened


def wide(array: Any) -> Array:
    """The array in float64; call it with JAX's 64 bits enabled."""
    return jnp.asarray(array).astype(jnp.float64)


def _as_floats(array: Any) -> Any:
    """JAX's or NumPy's array with integers as floats: a result of their own type would be cut off to an integer."""
    array = array if isinstance(array, jax.Array) else np.asarray(array)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    return array.astype(jnp.result_type(float) if isinstance(array, jax.Array) else np.float64)


def _common(arrays: tuple[Any, ...]) -> Any:
    """The type of JAX's arrays where there are any: constants of NumPy's do not widen a result."""
    own = [a for a in arrays if isinstance(a, jax.Array)] or arrays
    return np.result_type(*(np.dtype(a.dtype) for a in own))

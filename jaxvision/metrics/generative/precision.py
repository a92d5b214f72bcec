"""Sums in float64, wherever they are called from: distances of features are small differences of large numbers."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError

Features = Float[ArrayLike, "_ _"]
Scalar = Float[Array | np.ndarray, ""]


def in_float64(function: Callable[..., Array]) -> Callable[..., Scalar]:
    """A scalar function of arrays, compiled and computed in float64 without switching JAX to it.

    Arguments of any float type are widened, the result has their own; so has the gradient. It can be called under
    `jax.jit` and `jax.grad`, in 32-bit programs too. Of NumPy's arrays alone the result is NumPy's.

    Args:
        function: float arrays to a scalar, differentiable.

    Returns:
        The same function of arrays, JAX's or NumPy's.

    Example:
        >>> variance = in_float64(lambda x: jnp.mean(x**2) - jnp.mean(x) ** 2)
        >>> variance(jnp.array([10000.0, 10001.0]))  # in float32: 0
        Array(0.25, dtype=float32)
    """
    compiled = jax.jit(function)

    @jax.custom_vjp
    def computed(*arrays):
        with jax.enable_x64(True):
            return compiled(*map(_wide, arrays)).astype(_common(arrays))

    def forward(*arrays):
        with jax.enable_x64(True):
            value, gradients = _differentiate(function, len(arrays))(*map(_wide, arrays))
            gradients = tuple(g.astype(a.dtype) for g, a in zip(gradients, arrays, strict=True))
            return value.astype(_common(arrays)), gradients

    def backward(gradients, change):
        return tuple(g * change.astype(g.dtype) for g in gradients)

    computed.defvjp(forward, backward)

    @functools.wraps(function)
    def widened(*arrays):
        with jax.enable_x64(True):  # here, too: arguments that are NumPy's would be narrowed on the way in
            value = computed(*(a if isinstance(a, jax.Array) else np.asarray(a) for a in arrays))
        return value if any(isinstance(a, jax.Array) for a in arrays) else np.asarray(value)

    return widened


def check_features(*features: Features, least: int = 1) -> None:
    """Refuses features of different widths, or of too few images.

    Args:
        features: `(N, d)` each.
        least: images that there must be.

    Raises:
        InputError: one sentence with the shapes.
    """
    shapes = [np.shape(x) for x in features]
    if len({shape[1] for shape in shapes}) > 1:
        raise InputError(f"features must have one width, got shapes {shapes}: take both from the same layer")
    if min(shape[0] for shape in shapes) < least:
        raise InputError(f"features of at least {least} images are needed, got shapes {shapes}: draw more")


@functools.cache
def _differentiate(function: Callable, n_arguments: int) -> Callable:
    return jax.jit(jax.value_and_grad(function, tuple(range(n_arguments))))


def _wide(array: Any) -> Array:
    return jnp.asarray(array).astype(jnp.float64)


def _common(arrays: tuple) -> Any:
    """The type of JAX's arrays where there are any: constants of NumPy's do not widen a result."""
    own = [a for a in arrays if isinstance(a, jax.Array)] or arrays
    return np.result_type(*(np.dtype(a.dtype) for a in own))

"""What every method asks of a classifier: any function from images `(N, H, W, C)` to logits `(N, K)`."""

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.signatures import LogitsFn

Classes = Int[ArrayLike, "..."] | Sequence[int]
"""One class index for each image, before `check_labels` has looked at them."""


def pytree_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as a pytree, so that it can be an argument of a compiled program.

    A function which is a pytree already (a `jax.tree_util.Partial` over weights, a Flax or Equinox module) is returned
    as it is: its weights stay inputs of the program; so do those of a pytree whose method it is. An ordinary Python
    function or closure has no weights to offer; it becomes part of the program, which is compiled again for every *new*
    function object.

    Args:
        function: anything callable.

    Returns:
        A callable pytree.

    Example:
        >>> jax.tree.leaves(pytree_function(jnp.sin))
        []
        >>> jax.tree.leaves(pytree_function(jax.tree_util.Partial(jnp.add, 1.0)))
        [1.0]
        >>> from typing import NamedTuple
        >>> class Scale(NamedTuple):
        ...     factor: float
        ...     def apply(self, images):
        ...         return self.factor * images
        >>> jax.tree.leaves(pytree_function(Scale(2.0).apply))
        [2.0]
    """
    if inspect.ismethod(function) and not jax.tree_util.all_leaves([function.__self__]):
        return jax.tree_util.Partial(function.__func__, function.__self__)
    is_leaf = jax.tree_util.all_leaves([function])
    return jax.tree_util.Partial(function) if is_leaf and callable(function) else function


def target_logit(logits: Float[Array, "n k"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    r"""The logit of each image's own class, $s_{y}$.

    Args:
        logits: `(N, K)`.
        labels: `(N,)`, class indices in `[0, K)`.

    Returns:
        `(N,)`.

    Example:
        >>> target_logit(jnp.array([[1.0, 5.0, 3.0]]), jnp.array([2]))
        Array([3.], dtype=float32)
    """
    return jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]


def margin(logits: Float[Array, "n k"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    r"""How far the class leads the strongest other one: positive exactly where it is the one prediction.

    $$ m = s_y - \max_{k \ne y} s_k $$

    Args:
        logits: `(N, K)`.
        labels: `(N,)`, class indices in `[0, K)`.

    Returns:
        `(N,)`, zero on a tie.

    Example:
        >>> margin(jnp.array([[1.0, 5.0, 3.0], [1.0, 5.0, 3.0]]), jnp.array([1, 2]))
        Array([ 2., -2.], dtype=float32)
    """
    is_target = jax.nn.one_hot(labels, logits.shape[1], dtype=bool)
    return target_logit(logits, labels) - jnp.max(jnp.where(is_target, -jnp.inf, logits), axis=1)


def check_images(images: ArrayLike) -> Float[Array, "n h w c"]:
    """Images as a float array `(N, H, W, C)`, or one sentence saying what is wrong with them.

    Args:
        images: `(N, H, W, C)` floats.

    Returns:
        The same images as a JAX array.

    Raises:
        InputError: if the rank is not 4, the values are no floats, or a side is empty.

    Example:
        >>> check_images(np.zeros((4, 4, 3), np.float32))
        Traceback (most recent call last):
        jaxvision.errors.InputError: images must have shape (N, H, W, C), got (4, 4, 3): give one image as image[None]
    """
    shape = np.shape(images)
    if len(shape) != 4:
        hint = ": give one image as image[None]" if len(shape) == 3 else ""
        raise InputError(f"images must have shape (N, H, W, C), got {shape}{hint}")
    if 0 in shape[1:]:
        raise InputError(f"images must have at least one pixel and one channel, got shape (N, H, W, C) = {shape}")
    array = jnp.asarray(images)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise InputError(f"images must be floats in the classifier's own range, got {array.dtype}: divide bytes by 255")
    return array


def check_labels(
    logits_fn: LogitsFn,
    images: Array | np.ndarray | jax.ShapeDtypeStruct,
    labels: ArrayLike | Sequence[Any],
    *,
    name: str = "labels",
) -> Int[Array, " n"]:
    """Class indices as `(N,)` int32, or one sentence saying what is wrong with them or with the classifier.

    Values are looked at only where they are known: inside a `jax.jit` of the caller's only rank, length and type are.

    Args:
        logits_fn: images to logits.
        images: `(N, H, W, C)`, or their shape and type; the classifier is not run on them.
        labels: `(N,)` integers.
        name: what the caller calls them, for the sentence.

    Returns:
        `(N,)` int32.

    Raises:
        InputError: if there is not one integer per image, one is outside `[0, K)`, or `logits_fn` gives no `(N, K)`.

    Example:
        >>> logits_fn = lambda images: images.mean(axis=(1, 2))
        >>> check_labels(logits_fn, jnp.zeros((2, 4, 4, 3)), [0, 7])
        Traceback (most recent call last):
        jaxvision.errors.InputError: labels must lie in [0, 3), the classifier's 3 classes, got 7 at position 1
    """
    n = images.shape[0]
    array = labels if isinstance(labels, jax.Array) else np.asarray(labels)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise InputError(f"{name} must be integer class indices, got {array.dtype}")
    if array.shape != (n,):
        raise InputError(f"{name} must be one class index per image, shape ({n},), got shape {array.shape}")
    n_classes = _count_classes(logits_fn, images)
    if not isinstance(array, Tracer):
        values = np.asarray(array)
        for position in np.flatnonzero((values < 0) | (values >= n_classes))[:1]:
            raise InputError(
                f"{name} must lie in [0, {n_classes}), the classifier's {n_classes} classes, "
                f"got {values[position]} at position {position}"
            )
    return jnp.asarray(array, jnp.int32)


def _count_classes(logits_fn: LogitsFn, images: Array | np.ndarray | jax.ShapeDtypeStruct) -> int:
    """K, from a trace of the classifier; JAX keeps it, so that a second call does not trace the function again."""
    n = images.shape[0]
    logits: Any = jax.eval_shape(operator.call, pytree_function(logits_fn), images)
    if not isinstance(logits, jax.ShapeDtypeStruct):
        raise InputError(
            f"logits_fn must return one array of logits (N, K), got a {type(logits).__name__}: "
            "a backbone returns (logits, activations), take backbones.logits_fn(model)"
        )
    if len(logits.shape) != 2 or logits.shape[0] != n:
        raise InputError(f"logits_fn must return logits of shape ({n}, K) for {n} images, got shape {logits.shape}")
    return logits.shape[1]

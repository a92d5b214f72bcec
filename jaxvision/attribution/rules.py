"""Layers that run forwards as they are and backwards in another way: what guided and relevance methods are made of."""

from collections.abc import Callable
from typing import Any

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.pixels import Classes, check_images, check_labels, in_chunks, pytree_function
from jaxvision.signatures import LogitsFn, Rule

Layer = Callable[[Any], Array]
Backward = Callable[[Layer, Any, Array], Any]
"""A layer, its input and what comes back to its output -> what goes back to its input."""


def backward_rule(backward: Backward) -> Rule:
    r"""A rule under which a layer computes what it computes, and a gradient goes back through it as one says.

    $$ y = f(x), \qquad \bar x = \text{backward}(f, x, \bar y) $$

    Weights of the layer get no gradient.

    Args:
        backward: $f$, $x$ and $\bar y$ to $\bar x$; $x$ may be a pytree, as the branches of a sum are.

    Returns:
        `(layer, x) -> y`.

    Example:
        >>> import jax.numpy as jnp
        >>> halved = backward_rule(lambda layer, x, cotangent: cotangent / 2)
        >>> jax.grad(lambda x: halved(jnp.sin, x))(0.0)
        Array(0.5, dtype=float32, weak_type=True)
    """

    @jax.custom_vjp
    def run(layer: Layer, x: Any) -> Array:
        return layer(x)

    def forward(layer: Layer, x: Any) -> tuple[Array, tuple[Layer, Any]]:
        return layer(x), (layer, x)

    def back(kept: tuple[Layer, Any], cotangent: Array) -> tuple[None, Any]:
        return None, backward(*kept, cotangent)

    run.defvjp(forward, back)
    return lambda layer, x: run(pytree_function(layer), x)


def checked_gradient(
    logits_fn: LogitsFn, images: Float[ArrayLike, "n h w c"], labels: Classes
) -> Float[Array, "n h w c"]:
    """The gradient of the class logit, of images and labels that are checked first."""
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    return _gradient(pytree_function(logits_fn), images, labels)


@jax.jit
def _gradient(
    logits_fn: LogitsFn, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w c"]:
    return in_chunks(lambda x, labels: logit_gradient(logits_fn, x, labels), images, labels)

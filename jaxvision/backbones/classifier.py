"""From a backbone to the classifier's signature."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float


def logits_fn(model: Callable) -> Callable:
    """`images -> logits` as a pytree whose leaves are the model's weights.

    Passed to `jax.jit` as an argument, its weights are inputs of the program and not constants baked into it, and one
    program serves every set of weights.

    Args:
        model: `model(images) -> (logits, activations)`.

    Returns:
        A `jax.tree_util.Partial`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxvision.attribution import saliency_map
        >>> from jaxvision.backbones import lenet
        >>> saliency_map(logits_fn(lenet()), jnp.zeros((1, 28, 28, 1)), jnp.array([3])).shape
        (1, 28, 28)
    """
    return jax.tree_util.Partial(_logits, model)


def _logits(model: Callable, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return model(images)[0]

"""Deconvolutional networks: a ReLU runs forwards on activations and backwards on what comes back."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.attribution.rules import Layer, backward_rule, checked_gradient
from jaxvision.pixels import Classes, pytree_function
from jaxvision.signatures import RuledFn, Rules


def deconvnet(ruled_fn: RuledFn, images: Float[ArrayLike, "n h w c"], labels: Classes) -> Float[Array, "n h w c"]:
    r"""The class logit taken back to the image, at each ReLU through a ReLU again.

    $$ \bar x = \max(\bar y, 0) \quad \text{for each} \quad y = \operatorname{ReLU}(x) $$

    Of the image itself it knows no more than which value of each pooling window was the largest.

    Args:
        ruled_fn: images `(N, H, W, C)` and rules to logits `(N, K)`, before the softmax, each image on its own:
            `backbones.ruled_fn(model)`, or a function of your own that runs its ReLUs as `rules.relu(jax.nn.relu, x)`.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.

    Returns:
        `(N, H, W, C)`, logits per unit of the images.

    Raises:
        InputError: if images, labels or logits have the wrong shape, type or range.

    Example:
        >>> def network(images, rules):  # neither hidden unit lets anything through
        ...     hidden = rules.relu(jax.nn.relu, images.sum(axis=(1, 2)) * jnp.array([[2.0, 3.0]]))
        ...     return hidden @ jnp.array([[1.0], [-1.0]])
        >>> deconvnet(network, -jnp.ones((1, 1, 1, 1)), jnp.array([0])).item()  # the gradient is 0
        2.0

    References:
        Zeiler and Fergus, "Visualizing and understanding convolutional networks", https://arxiv.org/abs/1311.2901,
        2013, section 2.1. Departures: from a logit, where the paper starts at single activations; the maxima's places
        are those of the image's own forward pass, as the paper's switches are.
    """
    return checked_gradient(jax.tree_util.Partial(_deconvnet, pytree_function(ruled_fn)), images, labels)


def _back(layer: Layer, x: Array, cotangent: Array) -> Array:
    return jnp.maximum(cotangent, 0)


DECONVNET = Rules(relu=backward_rule(_back))


def _deconvnet(ruled_fn: RuledFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return ruled_fn(images, DECONVNET)

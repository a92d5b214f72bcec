"""Guided backpropagation: a gradient that a ReLU passes where both it and what the ReLU looks at are positive."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.attribution.rules import Layer, backward_rule, checked_gradient
from jaxvision.pixels import Classes, pytree_function
from jaxvision.signatures import RuledFn, Rules


def guided_backprop(ruled_fn: RuledFn, images: Float[ArrayLike, "n h w c"], labels: Classes) -> Float[Array, "n h w c"]:
    r"""The class logit taken back to the image, at each ReLU without what is negative.

    $$ \bar x = \mathbb{1}[x > 0] \odot \max(\bar y, 0) \quad \text{for each} \quad y = \operatorname{ReLU}(x) $$

    Fine and clean, and more a picture of the image's edges than of the decision: it hardly changes when the upper
    layers' weights are drawn anew (Adebayo et al., "Sanity checks for saliency maps",
    https://arxiv.org/abs/1810.03292, 2018).

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
        >>> def network(images, rules):  # two hidden units; the second pulls the logit down
        ...     hidden = rules.relu(jax.nn.relu, images.sum(axis=(1, 2)) * jnp.array([[2.0, 3.0]]))
        ...     return hidden @ jnp.array([[1.0], [-1.0]])
        >>> guided_backprop(network, jnp.ones((1, 1, 1, 1)), jnp.array([0])).item()  # the gradient is 2 - 3
        2.0

    References:
        Springenberg et al., "Striving for simplicity: the all convolutional net", https://arxiv.org/abs/1412.6806,
        2014, section 3.4 and figure 1.
    """
    return checked_gradient(jax.tree_util.Partial(_guided, pytree_function(ruled_fn)), images, labels)


def _back(layer: Layer, x: Array, cotangent: Array) -> Array:
    _, pull_back = jax.vjp(layer, x)
    return pull_back(jnp.maximum(cotangent, 0))[0]


GUIDED = Rules(relu=backward_rule(_back))


def _guided(ruled_fn: RuledFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return ruled_fn(images, GUIDED)

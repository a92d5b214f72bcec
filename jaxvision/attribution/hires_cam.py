"""HiResCAM: where in a layer's features a class is decided, each feature times its own derivative."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.pixels import Classes, check_images, check_labels, pytree_function
from jaxvision.signatures import LogitsFn


def hires_cam(logits_fn: LogitsFn, features: Float[ArrayLike, "n h w c"], labels: Classes) -> Float[Array, "n h w"]:
    r"""Features times derivatives of their image's class logit, added up over channels.

    $$ M_{ij} = \sum_c F_{ijc} \, \frac{\partial s_y}{\partial F_{ijc}} $$

    Signed. Where the layer is followed by one linear layer, a map adds up to the logit less its bias, pixel by pixel
    what each contributes; Grad-CAM, which takes means of derivatives first, then shows places that do not.

    Args:
        logits_fn: what the classifier does from the layer on, features `(N, H, W, C)` to logits `(N, K)`.
        features: `(N, H, W, C)`, what the layer computes.
        labels: `(N,)` integers in `[0, K)`.

    Returns:
        `(N, H, W)`, logits: of the layer's size, to be enlarged (`pixels.resize`).

    Raises:
        InputError: if features, labels or logits have the wrong shape, type or range.

    Example:
        >>> head = lambda features: features.reshape(1, 2) @ jnp.array([[3.0], [-1.0]])  # a weight for each pixel
        >>> hires_cam(head, jnp.array([2.0, 5.0]).reshape(1, 1, 2, 1), jnp.array([0]))
        Array([[[ 6., -5.]]], dtype=float32)

    References:
        Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
        networks", https://arxiv.org/abs/2011.08891, 2020: the product of features and gradients, without a ReLU.
    """
    features = check_images(features)
    labels = check_labels(logits_fn, features, labels)
    return _hires_cam(pytree_function(logits_fn), features, labels)


@jax.jit
def _hires_cam(
    logits_fn: LogitsFn, features: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w"]:
    return jnp.sum(features * logit_gradient(logits_fn, features, labels), axis=-1)

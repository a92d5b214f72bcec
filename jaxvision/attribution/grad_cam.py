"""Grad-CAM: where in a layer's features a class is decided, channels weighted by their mean gradient."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.pixels import Classes, check_images, check_labels, pytree_function
from jaxvision.signatures import LogitsFn


def grad_cam(logits_fn: LogitsFn, features: Float[ArrayLike, "n h w c"], labels: Classes) -> Float[Array, "n h w"]:
    r"""Channels of a layer, each weighted by the mean derivative of its image's class logit over the layer's pixels.

    $$ M_{ij} = \operatorname{ReLU}\Bigl(\sum_c w_c F_{ijc}\Bigr), \qquad
       w_c = \frac{1}{HW} \sum_{ij} \frac{\partial s_y}{\partial F_{ijc}} $$

    Of a network that ends in a mean over pixels and a linear layer it is the class activation map. For many layers at
    once see `layer_cams`.

    Args:
        logits_fn: what the classifier does from the layer on, features `(N, H, W, C)` to logits `(N, K)`.
        features: `(N, H, W, C)`, what the layer computes.
        labels: `(N,)` integers in `[0, K)`.

    Returns:
        `(N, H, W)`, logits: of the layer's size, to be enlarged (`pixels.resize`).

    Raises:
        InputError: if features, labels or logits have the wrong shape, type or range.

    Example:
        >>> head = lambda features: features.sum(axis=(1, 2)) @ jnp.array([[1.0, -1.0], [0.0, 4.0]])
        >>> grad_cam(head, jnp.array([[[[1.0, 0.0], [0.0, 2.0]]]]), jnp.array([1]))  # -1 and 8 before the ReLU
        Array([[[0., 8.]]], dtype=float32)

    References:
        Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization",
        https://arxiv.org/abs/1610.02391, 2016, equations 1 and 2.
    """
    features = check_images(features)
    labels = check_labels(logits_fn, features, labels)
    return _grad_cam(pytree_function(logits_fn), features, labels)


@jax.jit
def _grad_cam(
    logits_fn: LogitsFn, features: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w"]:
    gradient = logit_gradient(logits_fn, features, labels)
    weights = jnp.mean(gradient, axis=(1, 2), keepdims=True)  # (n, 1, 1, c)
    return jax.nn.relu(jnp.sum(weights * features, axis=-1))

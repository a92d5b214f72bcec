"""Grad-CAM++: positive derivatives, weighted so that each of several regions of a class counts in full."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.pixels import Classes, check_images, check_labels, pytree_function
from jaxvision.signatures import LogitsFn


def grad_cam_plus_plus(
    logits_fn: LogitsFn, features: Float[ArrayLike, "n h w c"], labels: Classes
) -> Float[Array, "n h w"]:
    r"""Channels of a layer, weighted by their positive derivatives, each derivative by what second order says of it.

    $$ M_{ij} = \operatorname{ReLU}\Bigl(\sum_c w_c F_{ijc}\Bigr), \qquad
       w_c = \sum_{ij} \alpha_{ijc} \operatorname{ReLU}(g_{ijc}), \qquad
       \alpha_{ijc} = \frac{g_{ijc}^2}{2 g_{ijc}^2 + g_{ijc}^3 \sum_{ab} F_{abc}}, \qquad
       g = \frac{\partial s_y}{\partial F} $$

    The class score is taken to be $e^{s_y}$, whose second and third derivatives are powers of $g$ where the head is
    piecewise linear. A weight with denominator zero counts for nothing.

    Args:
        logits_fn: what the classifier does from the layer on, features `(N, H, W, C)` to logits `(N, K)`.
        features: `(N, H, W, C)`, zero or more, as after a ReLU.
        labels: `(N,)` integers in `[0, K)`.

    Returns:
        `(N, H, W)`, of the layer's size, to be enlarged (`pixels.resize`).

    Raises:
        InputError: if features, labels or logits have the wrong shape, type or range.

    Example:
        >>> head = lambda features: features.sum(axis=(1, 2)) @ jnp.array([[1.0], [-1.0]])
        >>> grad_cam_plus_plus(head, jnp.array([[[[0.0, 5.0], [2.0, 1.0]]]]), jnp.array([0]))  # w = 2 * 1 / (2 + 2), 0
        Array([[[0., 1.]]], dtype=float32)

    References:
        Chattopadhyay et al., "Grad-CAM++: improved visual explanations for deep convolutional networks",
        https://arxiv.org/abs/1710.11063, 2017, equations 5, 18 and 19. Departure: without the factor $e^{s_y}$ in the
        weights, which scales an image's map and overflows.
    """
    features = check_images(features)
    labels = check_labels(logits_fn, features, labels)
    return _grad_cam_plus_plus(pytree_function(logits_fn), features, labels)


@jax.jit
def _grad_cam_plus_plus(
    logits_fn: LogitsFn, features: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w"]:
    gradient = logit_gradient(logits_fn, features, labels)
    total = jnp.sum(features, axis=(1, 2), keepdims=True)  # (n, 1, 1, c)
    denominator = 2 + gradient * total  # a square of the gradient cancels
    is_defined = (denominator != 0) & (gradient != 0)
    alphas = jnp.where(is_defined, 1 / jnp.where(is_defined, denominator, 1), 0)
    weights = jnp.sum(alphas * jax.nn.relu(gradient), axis=(1, 2), keepdims=True)
    return jax.nn.relu(jnp.sum(weights * features, axis=-1))

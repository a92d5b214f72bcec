"""LayerCAM: where in a layer's features a class is decided, each feature times its own positive derivative."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.pixels import Classes, check_images, check_labels, pytree_function
from jaxvision.signatures import LogitsFn


def layer_cam(logits_fn: LogitsFn, features: Float[ArrayLike, "n h w c"], labels: Classes) -> Float[Array, "n h w"]:
    r"""Features times positive derivatives of their image's class logit, added up over channels.

    $$ M_{ij} = \operatorname{ReLU}\Bigl(\sum_c F_{ijc} \operatorname{ReLU}\Bigl(
       \frac{\partial s_y}{\partial F_{ijc}}\Bigr)\Bigr) $$

    A weight for each pixel, so that maps of early layers, large and fine, are of use too.

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
        >>> layer_cam(head, jnp.array([2.0, 5.0]).reshape(1, 1, 2, 1), jnp.array([0]))
        Array([[[6., 0.]]], dtype=float32)

    References:
        Jiang et al., "LayerCAM: exploring hierarchical class activation maps for localization", IEEE Transactions on
        Image Processing 30, https://doi.org/10.1109/TIP.2021.3089943, 2021, equations 6 to 8. Departure: no scaling of
        shallow layers' maps by tanh.
    """
    features = check_images(features)
    labels = check_labels(logits_fn, features, labels)
    return _layer_cam(pytree_function(logits_fn), features, labels)


@jax.jit
def _layer_cam(
    logits_fn: LogitsFn, features: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w"]:
    gradient = logit_gradient(logits_fn, features, labels)
    return jax.nn.relu(jnp.sum(features * jax.nn.relu(gradient), axis=-1))

"""XGrad-CAM: where in a layer's features a class is decided, with weights chosen by two axioms."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.pixels import Classes, check_images, check_labels, pytree_function, target_logit
from jaxvision.signatures import LogitsFn


def xgrad_cam(logits_fn: LogitsFn, features: Float[ArrayLike, "n h w c"], labels: Classes) -> Float[Array, "n h w"]:
    r"""Channels of a layer, weighted by what removing each would cost its image's class logit.

    $$ M_{ij} = \operatorname{ReLU}\left(\sum_c w_c F_{ijc}\right), \qquad
       w_c = \frac{\sum_{ij} F_{ijc} \, \partial s_y / \partial F_{ijc}}{\sum_{ij} F_{ijc}} $$

    Before the ReLU a map adds up to $\sum F \, \partial s_y / \partial F$, the change that the gradient predicts for
    the removal of all features.

    Args:
        logits_fn: what the classifier does from the layer on, features `(N, H, W, C)` to logits `(N, K)`.
        features: `(N, H, W, C)`, zero or more, as after a ReLU; a channel that is zero everywhere counts for nothing.
        labels: `(N,)` integers in `[0, K)`.

    Returns:
        `(N, H, W)`, logits: of the layer's size, to be enlarged (`pixels.resize`).

    Raises:
        InputError: if features, labels or logits have the wrong shape, type or range.

    Example:
        >>> head = lambda features: features.mean(axis=(1, 2)) @ jnp.array([[1.0, 0.0], [0.0, 4.0]])
        >>> xgrad_cam(head, jnp.array([[[[1.0, 0.0], [0.0, 2.0]]]]), jnp.array([1]))
        Array([[[0., 4.]]], dtype=float32)

    References:
        Fu et al., "Axiom-based Grad-CAM: towards accurate visualization and explanation of CNNs",
        https://arxiv.org/abs/2008.02312, 2020: the weights that sensitivity and conservation ask for.
    """
    features = check_images(features)
    labels = check_labels(logits_fn, features, labels)
    return _xgrad_cam(pytree_function(logits_fn), features, labels)


@jax.jit
def _xgrad_cam(
    logits_fn: LogitsFn, features: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w"]:
    gradient = jax.grad(lambda x: jnp.sum(target_logit(logits_fn(x), labels)))(features)
    cost = jnp.sum(features * gradient, axis=(1, 2), keepdims=True)  # (n, 1, 1, C)
    total = jnp.sum(features, axis=(1, 2), keepdims=True)
    return jax.nn.relu(jnp.sum(cost / jnp.where(total == 0, 1, total) * features, axis=-1))

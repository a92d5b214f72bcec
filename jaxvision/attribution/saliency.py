"""Saliency: which pixels would change a class's logit most."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.pixels import Classes, check_images, check_labels, in_chunks, pytree_function
from jaxvision.signatures import LogitsFn


def saliency_map(logits_fn: LogitsFn, images: Float[ArrayLike, "n h w c"], labels: Classes) -> Float[Array, "n h w"]:
    r"""How strongly each pixel moves its image's class logit: the largest gradient over the colour channels.

    $$ M_{ij} = \max_c \left| \frac{\partial s_y(I)}{\partial I_{ijc}} \right| $$

    One forward and one backward pass for the whole batch. Compiled on the first call for a `logits_fn` and a shape.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own (no batch
            statistics). A pytree such as `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.

    Returns:
        `(N, H, W)`, zero or more, logits per unit of the images.

    Raises:
        InputError: if images, labels or logits have the wrong shape, type or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], -5 * images[:, 0, 1, 0]], axis=1)
        >>> saliency_map(logits_fn, jnp.ones((1, 1, 2, 1)), jnp.array([1]))
        Array([[[0., 5.]]], dtype=float32)

    References:
        Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks: visualising image classification models
        and saliency maps", https://arxiv.org/abs/1312.6034, 2013, section 3.1.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    return _saliency_map(pytree_function(logits_fn), images, labels)


@jax.jit
def _saliency_map(
    logits_fn: LogitsFn, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w"]:
    def strongest(images: Array, labels: Array) -> Array:
        return jnp.max(jnp.abs(logit_gradient(logits_fn, images, labels)), axis=-1)

    return in_chunks(strongest, images, labels)

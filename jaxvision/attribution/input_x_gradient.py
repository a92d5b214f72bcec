"""Input times gradient: what each value would contribute if the class logit were linear."""

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.pixels import Classes, check_images, check_labels, in_chunks, pytree_function
from jaxvision.signatures import LogitsFn


def input_x_gradient(
    logits_fn: LogitsFn, images: Float[ArrayLike, "n h w c"], labels: Classes
) -> Float[Array, "n h w c"]:
    r"""Each value times the derivative of the class logit by it.

    $$ A = I \odot \nabla s_y(I) $$

    Integrated gradients from zero with the gradient at the image in place of its mean along the path.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.

    Returns:
        `(N, H, W, C)`, logits; adds up to the logit where that is linear in the image, without a constant.

    Raises:
        InputError: if images, labels or logits have the wrong shape, type or range.

    Example:
        >>> import jax.numpy as jnp
        >>> square = lambda images: jnp.sum(images**2, axis=(1, 2))
        >>> input_x_gradient(square, jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1), jnp.array([0])).ravel()
        Array([ 2., 18.], dtype=float32)

    References:
        Shrikumar et al., "Not just a black box: learning important features through propagating activation
        differences", https://arxiv.org/abs/1605.01713, 2016, where it is the method compared with.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    return _input_x_gradient(pytree_function(logits_fn), images, labels)


@jax.jit
def _input_x_gradient(
    logits_fn: LogitsFn, images: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> Float[Array, "n h w c"]:
    return in_chunks(lambda x, labels: x * logit_gradient(logits_fn, x, labels), images, labels)

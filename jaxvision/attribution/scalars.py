"""Any number that is made of an image, as a class that can be asked for."""

from collections.abc import Callable

from jax.tree_util import Partial
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import pytree_function
from jaxvision.signatures import LogitsFn


def scalar_logits_fn(scalar_fn: Callable[[Array], Array]) -> LogitsFn:
    r"""A number for each image as a classifier of one class: what speaks for it is asked for with label 0.

    $$ s_0(I) = f(I) $$

    For a critic's score, a margin between two classes, a distance, a loss.

    Args:
        scalar_fn: $f$, images `(N, H, W, C)` to numbers `(N,)`, each image on its own, such as a `signatures.Critic`. A
            pytree keeps its weights out of the program.

    Returns:
        Images to logits `(N, 1)`, a pytree.

    Raises:
        InputError: when called, if the function gives something else than one number for each image.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxvision.attribution import input_x_gradient
        >>> logits_fn = lambda images: images.sum(axis=(1, 2)) * jnp.array([[1.0, 3.0]])
        >>> margin = scalar_logits_fn(lambda images: logits_fn(images)[:, 1] - logits_fn(images)[:, 0])
        >>> input_x_gradient(margin, jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1), [0]).ravel()
        Array([2., 4.], dtype=float32)
    """
    return Partial(_column, pytree_function(scalar_fn))


def _column(scalar_fn: Callable[[Array], Array], images: Float[Array, "n h w c"]) -> Float[Array, "n 1"]:
    values = scalar_fn(images)
    if values.shape != images.shape[:1]:
        raise InputError(f"scalar_fn must give one number for each of {len(images)} images, got shape {values.shape}")
    return values[:, None]

"""Fooling images, saliency and class visualization: the exercise that looks inside a network."""

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.adversarial import fooling_image
from jaxvision.attribution import saliency_map
from jaxvision.pixels import Classes, Keys
from jaxvision.signatures import LogitsFn
from jaxvision.visualization import class_visualization


def compute_saliency_maps(logits_fn: LogitsFn, X: Float[ArrayLike, "n h w c"], y: Classes) -> Float[Array, "n h w"]:
    """Class saliency maps of images and their labels: `attribution.saliency_map`.

    Args:
        logits_fn: images to logits.
        X: `(N, H, W, 3)`, normalised.
        y: `(N,)` labels, or one label for all images.

    Returns:
        `(N, H, W)`, the largest absolute gradient over the colour channels.

    Raises:
        InputError: if images, labels or logits have the wrong shape, type or range.

    Example:
        >>> compute_saliency_maps(lambda x: x.sum(axis=(1, 2)), jnp.ones((1, 1, 2, 3)), [0])
        Array([[[1., 1.]]], dtype=float32)
    """
    return saliency_map(logits_fn, X, _one_per_image(y, np.shape(X)[0]))


def make_fooling_image(
    logits_fn: LogitsFn,
    X: Float[ArrayLike, "n h w c"],
    target_y: Classes,
    *,
    learning_rate: float = 1.0,
    num_steps: int = 100,
) -> Float[Array, "n h w c"]:
    """Images near X that are classified as target_y: the images of `adversarial.fooling_image`.

    Args:
        logits_fn: images to logits.
        X: `(1, H, W, 3)` or a batch, normalised.
        target_y: the class to be mistaken for, or `(N,)`, one for each image.
        learning_rate: length of a step of the normalised gradient.
        num_steps: steps at most; an image stops as soon as it is classified as its target.

    Returns:
        Images of X's shape; those that could not be fooled in time are the last reached.

    Raises:
        InputError: if images, targets or logits have the wrong shape, type or range.

    Example:
        >>> make_fooling_image(lambda x: x.sum(axis=(1, 2)), jnp.zeros((1, 1, 1, 3)), 2).ravel()
        Array([0., 0., 1.], dtype=float32)
    """
    targets = _one_per_image(target_y, np.shape(X)[0])
    return fooling_image(logits_fn, X, targets, learning_rate=learning_rate, n_steps=num_steps).images


def create_class_visualization(
    logits_fn: LogitsFn,
    target_y: Classes,
    *,
    key: Keys,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    l2_reg: float = 1e-3,
    learning_rate: float = 25.0,
    num_iterations: int = 100,
    blur_every: int = 10,
    max_jitter: int = 16,
) -> Float[Array, "n h w c"]:
    """Images that maximise the score of target_y: the images of `visualization.class_visualization`.

    Args:
        logits_fn: images to logits.
        target_y: a class, or `(N,)` classes, each with an image of its own.
        key: decides the noise to begin with and the jitter.
        image_shape: `(H, W, 3)`.
        l2_reg: weight of the penalty on the square norm.
        learning_rate: length of a step of the normalised gradient.
        num_iterations: steps.
        blur_every: steps from one blur to the next.
        max_jitter: largest circular shift in pixels.

    Returns:
        `(N, H, W, 3)`, N = 1 for a single class: normalised, as every function here takes it. `pixels.denormalize`
        gives [0, 1] for display.

    Raises:
        InputError: if targets or logits have the wrong shape, type or range.

    Example:
        >>> import jax
        >>> logits_fn = lambda x: x.mean(axis=(1, 2))
        >>> create_class_visualization(logits_fn, 2, key=jax.random.key(0), image_shape=(8, 8, 3)).shape
        (1, 8, 8, 3)
    """
    return class_visualization(
        logits_fn,
        _one_per_image(target_y, 1),
        key=key,
        image_shape=image_shape,
        l2=l2_reg,
        learning_rate=learning_rate,
        n_steps=num_iterations,
        blur_every=blur_every,
        max_jitter=max_jitter,
    ).images


def _one_per_image(classes: Classes, n: int) -> Int[Array, "..."] | Int[np.ndarray, "..."]:
    """A class given once, for each of n images; several as they are."""
    array = classes if isinstance(classes, jnp.ndarray) else np.asarray(classes)
    return array if array.ndim else jnp.broadcast_to(jnp.asarray(array), (n,))

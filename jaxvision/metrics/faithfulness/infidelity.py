"""Infidelity: how badly attributions predict what a perturbation does to a score."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness.checks import check_floats
from jaxvision.pixels import (
    Classes,
    Keys,
    Score,
    check_images,
    check_labels,
    example_keys,
    in_chunks,
    pytree_function,
    sum_over_scores,
    summing_dtype,
    target_logit,
)
from jaxvision.signatures import LogitsFn

Perturb = Callable[[Array, Array], Array]
"""A key and an image `(H, W, C)` to what is taken away from it, $D$, `(H, W, C)`."""


@dataclasses.dataclass(frozen=True)
class NoisyBaseline:
    r"""What leads from an image to noise around zero: $D = I - \sigma\varepsilon$, $\varepsilon$ standard normal.

    Attributes:
        noise: $\sigma$, in units of the images.

    Example:
        >>> NoisyBaseline(0.0)(jax.random.key(0), jnp.ones((1, 2, 1))).ravel()
        Array([1., 1.], dtype=float32)
    """

    noise: float = 0.2

    def __call__(self, key: PRNGKeyArray, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The perturbation of one image."""
        return image - self.noise * jax.random.normal(key, image.shape, image.dtype)


@dataclasses.dataclass(frozen=True)
class SquareRemoval:
    """What a square somewhere in an image holds: taken away, the square is zero.

    Attributes:
        side: of the square in pixels, from 1 to those of the image's shorter side.

    Example:
        >>> SquareRemoval(1)(jax.random.key(0), jnp.ones((2, 2, 1))).sum()
        Array(1., dtype=float32)
    """

    side: int

    def __call__(self, key: PRNGKeyArray, image: Float[Array, "h w c"]) -> Float[Array, "h w c"]:
        """The perturbation of one image."""
        height, width, _ = image.shape
        if not 1 <= self.side <= min(height, width):
            raise InputError(
                f"side must be from 1 to {min(height, width)}, the pixels of the image's shorter side, got {self.side}"
            )
        ends = jnp.array([height - self.side + 1, width - self.side + 1])
        top, left = jax.random.randint(key, (2,), 0, ends)
        rows, columns = (
            (jnp.arange(size) >= first) & (jnp.arange(size) < first + self.side)
            for size, first in ((height, top), (width, left))
        )
        return jnp.where(rows[:, None, None] & columns[None, :, None], image, 0)


def infidelity(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    attributions: Float[ArrayLike, "..."],
    *,
    key: Keys,
    perturb: Perturb = NoisyBaseline(),
    n_samples: int = 100,
    normalize: bool = False,
    score: Score = target_logit,
) -> Float[Array, " n"]:
    r"""The mean squared error of attributions as a linear prediction of how the score falls: zero is best.

    $$ \frac{1}{K} \sum_{k=1}^{K} \Bigl(\beta \langle D_k, A \rangle - \bigl(s_y(I) - s_y(I - D_k)\bigr)\Bigr)^2 $$

    With `normalize`, $\beta$ is the factor that makes the error least, so that a scale of the attributions does not
    count; otherwise it is 1. Perturbations are made as they are needed: the memory does not grow with them.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, before the softmax, each image on its own.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        attributions: $A$, `(N, H, W, C)` floats, score per unit of the images (a gradient, not its product with the
            image).
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys; sample k folds in k.
        perturb: from a key and an image to $D$, `(H, W, C)`; `NoisyBaseline` and `SquareRemoval` are the paper's. For
            attributions that multiply by the image divide $D$ by it. Compared with `==` when a program is looked up.
        n_samples: $K$, a Python number.
        normalize: whether to scale the attributions best.
        score: of logits and labels, a function of a module: `pixels.target_logit` or `pixels.target_probability`.

    Returns:
        `(N,)`, zero or more, in squared units of the score.

    Raises:
        InputError: if images, labels, attributions, keys or logits have the wrong shape, type or range, or `n_samples`
            is below 1.

    Example:
        >>> linear = lambda images: images.sum(axis=(1, 2)) * jnp.array([[3.0]])
        >>> image = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
        >>> settings = {"key": jax.random.key(0), "perturb": NoisyBaseline(0.0)}  # down to zero: the logit falls by 9
        >>> infidelity(linear, image, [0], 3 * jnp.ones_like(image), **settings)
        Array([0.], dtype=float32)
        >>> infidelity(linear, image, [0], jnp.ones_like(image), **settings)  # predicts 3
        Array([36.], dtype=float32)

    References:
        Yeh et al., "On the (in)fidelity and sensitivity of explanations", https://arxiv.org/abs/1901.09392, 2019,
        definition 2.1; $\beta$ as in the authors' program and in Captum.
    """
    images = check_images(images)
    labels = check_labels(logits_fn, images, labels)
    values = check_floats(jnp.asarray(attributions))
    if values.shape != images.shape:
        raise InputError(f"attributions must have the images' shape {images.shape}, got {values.shape}")
    if n_samples < 1:
        raise InputError(f"n_samples must be 1 or more, got {n_samples}")
    return _infidelity(
        pytree_function(logits_fn),
        images,
        labels,
        values.astype(images.dtype),
        example_keys(key, len(images)),
        perturb=perturb,
        n_samples=n_samples,
        normalize=normalize,
        score=score,
    )


@functools.partial(jax.jit, static_argnames=("perturb", "n_samples", "normalize", "score"))
def _infidelity(
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    attributions: Float[Array, "n h w c"],
    keys: Key[Array, " n"],
    *,
    perturb: Perturb,
    n_samples: int,
    normalize: bool,
    score: Score,
) -> Float[Array, " n"]:
    def error(images: Array, labels: Array, attributions: Array, keys: Array) -> Array:
        dtype = summing_dtype(images.dtype)
        whole = score(logits_fn(images), labels)
        taken = functools.partial(perturbations, perturb, keys, images)

        def moments(beta: Array, k: Array, scores: Array) -> tuple[Array, Array, Array]:
            predicted = jnp.sum((taken(k) * attributions).astype(dtype), axis=(1, 2, 3))
            fall = (whole - scores).astype(dtype)
            return predicted**2, predicted * fall, (beta * predicted - fall) ** 2

        def sums(beta: Array) -> tuple[Array, Array, Array]:
            term = functools.partial(moments, beta)
            return sum_over_scores(logits_fn, labels, lambda k: images - taken(k), term, n_samples, score=score)

        squares, products, errors = sums(jnp.ones(len(images), dtype))
        if normalize:  # a second look at the same samples: a difference of sums of squares would be mostly rounding
            _, _, errors = sums(products / jnp.where(squares == 0, 1, squares))
        return (errors / n_samples).astype(images.dtype)

    return in_chunks(error, images, labels, attributions, keys)


def perturbations(
    perturb: Perturb, keys: Key[Array, " n"], images: Float[Array, "n h w c"], k: Int[ArrayLike, ""]
) -> Float[Array, "n h w c"]:
    """The k-th perturbation of each image.

    Args:
        perturb: from a key and an image to its perturbation.
        keys: `(N,)`, one for each image.
        images: `(N, H, W, C)`.
        k: which.

    Returns:
        `(N, H, W, C)`.

    Example:
        >>> keys = example_keys(jax.random.key(0), 1)
        >>> perturbations(NoisyBaseline(0.0), keys, jnp.ones((1, 1, 1, 1)), 3).item()
        1.0
    """
    return jax.vmap(lambda key, image: perturb(jax.random.fold_in(key, k), image))(keys, images)

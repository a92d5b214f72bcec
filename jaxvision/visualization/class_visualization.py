"""Class visualization: the image that a class's logit likes best."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.pixels import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Classes,
    Jitter,
    Keys,
    PixelProblem,
    advance,
    check_labels,
    clip_normalized,
    evaluate,
    gaussian_blur,
    normalized_gradient,
    pytree_function,
    start_from_noise,
    target_logit,
)
from jaxvision.signatures import LogitsFn


class ClassVisualizationResult(NamedTuple):
    """Images of classes and how they came about.

    Attributes:
        images: `(N, H, W, C)`, normalised.
        trace: `(n_steps, N)` for "loss", "target_logit", "l2_penalty" and "target_probability", each for the jittered
            image before that step's update.
        probability: `(N,)`, the target's softmax probability for the returned image, not jittered.
    """

    images: Float[Array, "n h w c"]
    trace: dict[str, Float[Array, "n_steps n"]]
    probability: Float[Array, " n"]


def class_visualization(
    logits_fn: LogitsFn,
    targets: Classes,
    *,
    key: Keys,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    l2: float = 1e-3,
    learning_rate: float = 25.0,
    n_steps: int = 100,
    blur_every: int = 10,
    blur_sigma: float = 0.5,
    max_jitter: int = 16,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> ClassVisualizationResult:
    r"""From noise, climb each class's logit less a penalty on the image's square norm; several classes at once.

    $$ I^* = \arg\max_I \; s_y(I) - \lambda \lVert I \rVert_2^2 $$

    Each step jitters the image, moves it by a step of fixed length along the gradient, clips it to what [0, 1] maps to
    and, every so often, blurs it a little: what is left is what a class looks like at every offset and without
    the finest noise. The defaults are the published ones for 224 px; a step of fixed length is shared among all pixels,
    so for other sizes let `learning_rate` grow with the side, and `max_jitter` too.

    Args:
        logits_fn: images `(N, H, W, C)`, normalised, to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        targets: `(N,)` integers in `[0, K)`, one image for each.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys: the noise and the jitter.
        image_shape: `(H, W, C)`.
        l2: $\lambda$.
        learning_rate: length of a step over a whole image, in normalised units, a Python number.
        n_steps: steps.
        blur_every: blur at steps 0, n, 2n, ...; 0 for never.
        blur_sigma: standard deviation of the blur in pixels.
        max_jitter: largest circular shift in pixels, 0 for none.
        mean: of the classifier's normalisation, one number per channel.
        std: of the classifier's normalisation, one number per channel.

    Returns:
        Images, trace and the probability reached.

    Raises:
        InputError: if targets, logits, mean or std have the wrong shape, type or range.

    Example:
        >>> logits_fn = lambda images: images.mean(axis=(1, 2))                 # which colour channel is brightest?
        >>> result = class_visualization(
        ...     logits_fn, [2], key=jax.random.key(0), image_shape=(8, 8, 3), n_steps=20, learning_rate=9.0, l2=0.0
        ... )
        >>> bool((result.images[..., 2] > 2.639).all())                         # blue is at its upper bound
        True

    References:
        Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks: visualising image classification models
        and saliency maps", https://arxiv.org/abs/1312.6034, 2013, equation 1. Yosinski et al., "Understanding neural
        networks through deep visualization", https://arxiv.org/abs/1506.06579, 2015: the blur. Stanford CS231n,
        assignment 3, "Network visualization": jitter, clip and the numbers. Departure from Simonyan et al.: from noise
        instead of a zero image, by normalised steps.
    """
    n = np.size(targets)
    images = jax.ShapeDtypeStruct((n, *image_shape), jnp.result_type(float))
    targets = check_labels(logits_fn, images, targets, name="targets")
    problem = class_visualization_problem(
        logits_fn,
        targets,
        l2=l2,
        learning_rate=learning_rate,
        blur_every=blur_every,
        blur_sigma=blur_sigma,
        max_jitter=max_jitter,
        mean=mean,
        std=std,
    )
    state = start_from_noise(problem, n, key=key, image_shape=image_shape)
    state, trace = advance(problem, state, n_steps=n_steps)
    return ClassVisualizationResult(state.images, trace, evaluate(problem, state.images)["target_probability"])


def class_visualization_problem(
    logits_fn: LogitsFn,
    targets: Int[ArrayLike, " n"],
    *,
    l2: float = 1e-3,
    learning_rate: float = 25.0,
    blur_every: int = 10,
    blur_sigma: float = 0.5,
    max_jitter: int = 16,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> PixelProblem:
    """Class visualization for the pixel loop: `pixels.start_from_noise`, then `pixels.advance` in chunks.

    Args:
        logits_fn: images `(N, H, W, C)`, normalised, to logits `(N, K)`.
        targets: `(N,)` integers in `[0, K)`; not checked here.
        l2: weight of the penalty on the square norm.
        learning_rate: length of a step, a Python number.
        blur_every: blur at steps 0, n, 2n, ...; 0 for never.
        blur_sigma: standard deviation of the blur in pixels.
        max_jitter: largest circular shift in pixels, 0 for none.
        mean: of the classifier's normalisation, one number per channel.
        std: of the classifier's normalisation, one number per channel.

    Returns:
        Minimises the penalty less the target's logit, by normalised gradients of the jittered image.

    Example:
        >>> problem = class_visualization_problem(lambda images: images.mean(axis=(1, 2)), jnp.array([2]), l2=0.5)
        >>> problem.objective(jnp.ones((1, 2, 2, 3)))[1]["l2_penalty"]
        Array([6.], dtype=float32)
    """
    return PixelProblem(
        objective=jax.tree_util.Partial(_objective, pytree_function(logits_fn), targets, l2),
        optimizer=normalized_gradient(learning_rate),
        transform=Jitter(max_jitter),
        project=ClipAndBlur(tuple(mean), tuple(std), blur_every, blur_sigma),
    )


@dataclasses.dataclass(frozen=True)
class ClipAndBlur:
    """The projection of class visualization: keep to displayable colours and, at times, smooth.

    Attributes:
        mean: of the classifier's normalisation.
        std: of the classifier's normalisation.
        blur_every: blur at steps 0, n, 2n, ...; 0 for never.
        blur_sigma: standard deviation of the blur in pixels.

    Example:
        >>> ClipAndBlur((0.5,), (0.25,), blur_every=10, blur_sigma=0.5)(jnp.full((1, 2, 2, 1), 9.0), 3).max().item()
        2.0
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    blur_every: int = 10
    blur_sigma: float = 0.5

    def __call__(self, images: Float[Array, "n h w c"], step: Int[Array, ""] | int) -> Float[Array, "n h w c"]:
        """Clip, then blur if it is this step's turn."""
        images = clip_normalized(images, self.mean, self.std)
        if self.blur_every == 0:
            return images
        return jax.lax.cond(
            step % self.blur_every == 0,
            lambda images: gaussian_blur(images, self.blur_sigma),
            lambda images: images,
            images,
        )


def _objective(logits_fn: LogitsFn, targets: Array, l2: ArrayLike, images: Any) -> tuple[Array, dict[str, Array]]:
    logits = logits_fn(images)
    score = target_logit(logits, targets)
    penalty = jnp.sum(images**2, axis=(1, 2, 3)) * l2
    probability = target_logit(jax.nn.softmax(logits), targets)
    return penalty - score, {"target_logit": score, "l2_penalty": penalty, "target_probability": probability}

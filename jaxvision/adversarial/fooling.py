"""Fooling images: a photograph, changed a little, that a classifier takes for something else."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxvision.adversarial.limits import check_attacked
from jaxvision.pixels import (
    Classes,
    PixelProblem,
    margin,
    normalized_gradient,
    optimize,
    pytree_function,
    target_logit,
)
from jaxvision.signatures import LogitsFn


class FoolingResult(NamedTuple):
    """Fooling images and how they came about.

    Attributes:
        images: `(N, H, W, C)`, in the range of the images given.
        success: `(N,)` bool, whether the target is the prediction.
        steps: `(N,)` int32, updates made.
        trace: `(n_steps, N)` for "loss", "target_logit" and "margin" before each update, NaN after the last.
    """

    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]
    steps: Int[Array, " n"]
    trace: dict[str, Float[Array, "n_steps n"]]


def fooling_image(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    targets: Classes,
    *,
    learning_rate: float = 1.0,
    n_steps: int = 100,
    score: Callable[[Array, Array], Array] = target_logit,
    project: Callable[[Array, Array], Array] | None = None,
) -> FoolingResult:
    r"""Climb the target's logit by steps of fixed length until the target is predicted, each image on its own.

    $$ \text{while } \arg\max_k s_k(I) \ne t: \qquad I \leftarrow I + \eta \,
       \frac{\nabla_I s_t(I)}{\lVert \nabla_I s_t(I) \rVert_2} $$

    An image of the target class already is returned as it is, with zero steps. A tie counts as not yet predicted; a
    zero gradient leaves the image where it is.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats in the classifier's own range.
        targets: `(N,)` integers in `[0, K)`, the class that each image shall be taken for.
        learning_rate: $\eta$, the length of a step over a whole image in the images' unit, a Python number.
        n_steps: steps at most.
        score: `(logits (N, K), targets (N,)) -> (N,)`, what to climb. The target's logit is the assignment's. It may
            take kindred classes up with it and never win: with SqueezeNet about one far target in fifty fails.
            `pixels.margin` climbs the lead over the strongest other class instead and reaches those too.
        project: `(images, step) -> images` after each update, for example `pixels.ClipNormalized()` for an image that
            can be saved without loss of range. None, as in the assignment, sets no bounds.

    Returns:
        Images, success, steps and trace.

    Raises:
        InputError: if images, targets or logits have the wrong shape, type (half precision among them) or range.

    Example:
        >>> import jax.numpy as jnp
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)
        >>> image = jnp.array([3.5, 0.0]).reshape(1, 1, 2, 1)
        >>> result = fooling_image(logits_fn, image, jnp.array([1]), n_steps=10)
        >>> result.success, result.steps, result.images.ravel()
        (Array([ True], dtype=bool), Array([4], dtype=int32), Array([3.5, 4. ], dtype=float32))

    References:
        Szegedy et al., "Intriguing properties of neural networks", https://arxiv.org/abs/1312.6199, 2013: such images
        exist. Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples",
        https://arxiv.org/abs/1412.6572, 2014: the gradient finds them. Stanford CS231n, assignment 3, "Network
        visualization": this rule. Departure from Szegedy et al.: no penalty on the distance, no box.
    """
    images, targets = check_attacked(logits_fn, images, targets, name="targets")
    problem = fooling_problem(logits_fn, targets, learning_rate=learning_rate, score=score, project=project)
    result = optimize(problem, images, n_steps=n_steps)
    return FoolingResult(result.images, result.stopped, result.steps, result.trace)


def fooling_problem(
    logits_fn: LogitsFn,
    targets: Int[ArrayLike, " n"],
    *,
    learning_rate: float = 1.0,
    score: Callable[[Array, Array], Array] = target_logit,
    project: Callable[[Array, Array], Array] | None = None,
) -> PixelProblem:
    """The fooling rule for the pixel loop: `start` and `advance` it in chunks, or change a part of it.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`.
        targets: `(N,)` integers in `[0, K)`; not checked here.
        learning_rate: the length of a step, a Python number.
        score: `(logits, targets) -> (N,)`, what to climb.
        project: `(images, step) -> images` after each update.

    Returns:
        Minimises minus the score, by normalised gradients, until the target's margin is positive.

    Example:
        >>> import jax.numpy as jnp
        >>> problem = fooling_problem(lambda images: images.mean(axis=(1, 2)), jnp.array([2]))
        >>> problem.objective(jnp.ones((1, 2, 2, 3)))[1]
        {'target_logit': Array([1.], dtype=float32), 'margin': Array([0.], dtype=float32)}
    """
    return PixelProblem(
        objective=jax.tree_util.Partial(_objective, pytree_function(logits_fn), pytree_function(score), targets),
        optimizer=normalized_gradient(learning_rate),
        project=project,
        stop=_is_fooled,
    )


def _objective(
    logits_fn: LogitsFn, score: Callable[[Array, Array], Array], targets: Array, images: Any
) -> tuple[Array, dict[str, Array]]:
    logits = logits_fn(images)
    terms = {"target_logit": target_logit(logits, targets), "margin": margin(logits, targets)}
    return -score(logits, targets), terms


def _is_fooled(terms: dict[str, Array]) -> Array:
    return terms["margin"] > 0

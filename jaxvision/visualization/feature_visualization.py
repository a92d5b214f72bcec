"""Feature visualization: the image that a channel, a neuron, a direction or a class likes best."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Jitter,
    Keys,
    PixelProblem,
    PixelState,
    RandomRotation,
    RandomScale,
    Transform,
    chain,
    example_keys,
    normalize,
    optimize,
    pytree_function,
    start,
    with_settings,
)
from jaxvision.signatures import FeaturesFn, LogitsFn
from jaxvision.visualization.objectives import Objective, check_objective
from jaxvision.visualization.parametrization import Parametrization, fourier

ROBUST = chain(Jitter(8), RandomScale(0.9, 1.15), RandomRotation(10.0), Jitter(4))
"""Shifts, scales and turns: what is drawn has to excite in all of them, which single pixels' patterns cannot."""


class FeatureVisualization(NamedTuple):
    """Images that excite, and how they came about.

    Attributes:
        images: `(N, H, W, C)`, normalised.
        trace: `(n_steps, N)` for "loss" and "objective", each for the transformed image before that step's update.
        value: `(N,)`, the objective at the returned images, not transformed.
    """

    images: Float[Array, "n h w c"]
    trace: dict[str, Float[Array, "n_steps n"]]
    value: Float[Array, " n"]


def feature_visualization(
    features_fn: FeaturesFn | LogitsFn,
    objective: Objective,
    n: int,
    *,
    key: Keys,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    parametrization: Parametrization | None = None,
    transform: Transform | None = ROBUST,
    learning_rate: float = 0.05,
    n_steps: int = 256,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> FeatureVisualization:
    r"""From faint noise, climb an objective in variables of an image that is shifted, scaled and turned at each step.

    $$ \theta^* = \arg\max_\theta \; \mathbb{E}_T \, o\bigl(f(T(D(\theta)))\bigr) $$

    With Adam, $D$ the parametrization and $T$ the transform. One program for all targets of an objective; the memory
    does not grow with the steps. Far more images than go through the network at once belong into several calls.

    Args:
        features_fn: $f$, images `(N, H, W, C)`, normalised, to named activations or to logits `(N, K)`. A pytree such
            as `backbones.features_fn(model)` keeps its weights out of the compiled program.
        objective: $o$, what `features_fn` returns to `(N,)`: `channel`, `class_logit`, their sums.
        n: $N$, images, as many as the objective has targets.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys: the noise and the transforms.
        image_shape: `(H, W, C)`.
        parametrization: $D$; `fourier(image_shape)` if not given.
        transform: $T$, `(image, key) -> image`; None for none.
        learning_rate: Adam's.
        n_steps: steps.
        mean: of the network's normalisation, one number per channel.
        std: of the network's normalisation, one number per channel.

    Returns:
        Images, trace and the objective reached.

    Raises:
        InputError: if `n` is below 1, the objective does not give `n` numbers, there is no such layer, class or channel
            (inside a `jax.jit` of the caller's, where it is not known which: NaN), or a network's or a transform's own
            demands are not met.

    Example:
        >>> from jaxvision.visualization import class_logit
        >>> import jax.numpy as jnp
        >>> logits_fn = lambda images: images.mean(axis=(1, 2))                 # which colour channel is brightest?
        >>> result = feature_visualization(
        ...     logits_fn, class_logit(jnp.array([2])), 1, key=jax.random.key(0), image_shape=(8, 8, 3), n_steps=30
        ... )
        >>> result.images.mean(axis=(0, 1, 2)).argmax().item()
        2

    References:
        Olah, Mordvintsev and Schubert, "Feature visualization", https://distill.pub/2017/feature-visualization/, 2017.
        Departure: the image is shifted in a circle, in which it has no edge, instead of being padded.
    """
    painted = parametrization or fourier(image_shape)
    problem = feature_visualization_problem(
        features_fn,
        objective,
        painted,
        transform=transform,
        learning_rate=learning_rate,
        mean=mean,
        std=std,
    )
    state = start_from(painted, problem, n, key=key)
    check_objective(features_fn, objective, jax.eval_shape(painted.image, state.images))
    result = optimize(problem, state.images, n_steps=n_steps, key=state.keys)
    return FeatureVisualization(result.images, result.trace, result.final["objective"])


def feature_visualization_problem(
    features_fn: FeaturesFn | LogitsFn,
    objective: Objective,
    parametrization: Parametrization,
    *,
    transform: Transform | None = ROBUST,
    learning_rate: float = 0.05,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> PixelProblem:
    """Feature visualization for the pixel loop: `start_from`, then `pixels.advance` in chunks.

    Args:
        features_fn: images `(N, H, W, C)`, normalised, to what the objective reads.
        objective: what to climb.
        parametrization: what is optimised.
        transform: `(image, key) -> image`; None for none.
        learning_rate: Adam's.
        mean: of the network's normalisation, one number per channel.
        std: of the network's normalisation, one number per channel.

    Returns:
        Minimises minus the objective.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxvision.visualization import class_logit, pixel
        >>> logits_fn = lambda images: images.mean(axis=(1, 2))
        >>> problem = feature_visualization_problem(
        ...     logits_fn, class_logit(jnp.array([0])), pixel((4, 4, 1)), mean=[0.5], std=[0.25]
        ... )
        >>> problem.objective(problem.decode(jnp.zeros((1, 4, 4, 1))))[1]
        {'objective': Array([0.], dtype=float32)}
    """
    decode = with_settings(_decode, tuple(mean), tuple(std))
    return PixelProblem(
        objective=jax.tree_util.Partial(objective_loss, pytree_function(features_fn), pytree_function(objective)),
        optimizer=adam(float(learning_rate)),
        transform=transform,
        decode=jax.tree_util.Partial(decode, pytree_function(parametrization.image)),
    )


def start_from(parametrization: Parametrization, problem: PixelProblem, n: int, *, key: Keys) -> PixelState:
    """The pixel loop's state at n images as the parametrization begins them.

    Args:
        parametrization: of the problem.
        problem: what to optimise.
        n: images.
        key: one key, from which image i takes `fold_in(key, i)`, or `(n,)` keys: beginning and transforms follow.

    Returns:
        The state before the first step.

    Raises:
        InputError: if `n` is below 1 or there is another number of keys.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxvision.visualization import class_logit, fourier
        >>> images = fourier((8, 8, 3))
        >>> problem = feature_visualization_problem(lambda x: x.mean((1, 2)), class_logit(jnp.array([0, 1])), images)
        >>> start_from(images, problem, 2, key=jax.random.key(0)).images.shape
        (2, 2, 8, 5, 3)
    """
    if n < 1:
        raise InputError(f"n, the number of images, must be 1 or more, got {n}")
    init_keys, loop_keys = jax.vmap(jax.random.split, out_axes=1)(example_keys(key, n))
    return start(problem, jax.vmap(parametrization.init)(init_keys), key=loop_keys)


@functools.cache
def adam(learning_rate: float) -> optax.GradientTransformation:
    """Adam, the same object for the same rate, so that a problem built twice is compiled once."""
    return optax.adam(learning_rate)


def _decode(mean: tuple[float, ...], std: tuple[float, ...], image: Any, variables: Any) -> Float[Array, "n h w c"]:
    return normalize(image(variables), mean, std)


def objective_loss(
    features_fn: FeaturesFn | LogitsFn, objective: Objective, images: Float[Array, "n h w c"]
) -> tuple[Array, dict[str, Array]]:
    """An objective to be made large as the pixel loop's, which is made small."""
    value = objective(features_fn(images))
    return -value, {"objective": value}

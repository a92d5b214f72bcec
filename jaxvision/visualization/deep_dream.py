"""DeepDream: what a network sees in an image, made stronger, from coarse to fine."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key

from jaxvision.errors import InputError
from jaxvision.pixels import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClipNormalized,
    Jitter,
    Keys,
    PixelProblem,
    check_images,
    example_keys,
    normalized_gradient,
    optimize,
    pytree_function,
    resize,
)
from jaxvision.signatures import FeaturesFn, LogitsFn
from jaxvision.visualization.feature_visualization import objective_loss
from jaxvision.visualization.objectives import Objective


def deep_dream(
    features_fn: FeaturesFn | LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    objective: Objective,
    *,
    key: Keys,
    n_octaves: int = 4,
    octave_scale: float = 1.4,
    n_steps: int = 10,
    learning_rate: float = 0.05,
    max_jitter: int = 32,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Float[Array, "n h w c"]:
    r"""Climb an objective from an image, first on a small copy of it, then on larger ones that keep what was dreamt.

    $$ d_0 = 0, \qquad x_k = R_k(I) + R_k(d_{k-1}), \qquad d_k = A(x_k) - R_k(I) $$

    $R_k$ resizes to the k-th octave, the last of which is the image's own size, and $A$ is ascent by jittered,
    normalised gradients. One program, compiled on the first call for a shape.

    Args:
        features_fn: images `(N, H, W, C)`, normalised, of any size, to what the objective reads.
        images: $I$, `(N, H, W, C)` floats, normalised.
        objective: `energy(layer)` for whatever is there already, `likeness(layer, features)` of another image for a
            guided dream, or any other.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys: the jitter.
        n_octaves: sizes, a Python number.
        octave_scale: from one size to the next, above 1.
        n_steps: steps at each size, a Python number.
        learning_rate: length of a step: the root of the mean square change of a value, in normalised units.
        max_jitter: largest circular shift in pixels, 0 for none.
        mean: of the network's normalisation, one number per channel: images stay within what [0, 1] maps to.
        std: of the network's normalisation, one number per channel.

    Returns:
        `(N, H, W, C)`, normalised.

    Raises:
        InputError: if the images have the wrong shape or type, a number is out of range, or the smallest octave would
            have no pixel.

    Example:
        >>> features_fn = lambda images: {"bright": jax.nn.relu(images)}
        >>> from jaxvision.visualization import energy
        >>> image = jnp.array([-1.0, 1.0]).reshape(1, 1, 2, 1)
        >>> settings = {"n_octaves": 1, "n_steps": 2, "learning_rate": 1.0, "mean": [0.5], "std": [0.1]}
        >>> dream = deep_dream(features_fn, image, energy("bright"), key=jax.random.key(0), **settings)
        >>> dream.ravel().round(3)
        Array([-1.   ,  3.828], dtype=float32)

    References:
        Mordvintsev, Olah and Tyka, "Inceptionism: going deeper into neural networks", Google Research blog, 2015,
        https://research.google/blog/inceptionism-going-deeper-into-neural-networks/; octaves, jitter and numbers are
        those of its published notebook. Departure: a gradient's root mean square is its measure, not its mean modulus.
    """
    images = check_images(images)
    for name, value, least in (("n_octaves", n_octaves, 1), ("n_steps", n_steps, 0), ("max_jitter", max_jitter, 0)):
        if value < least:
            raise InputError(f"{name} must be {least} or more, got {value}")
    if not octave_scale > 1:
        raise InputError(f"octave_scale must be above 1, got {octave_scale}")
    n, h, w, _ = images.shape
    factors = [octave_scale ** (k - n_octaves + 1) for k in range(n_octaves)]
    sizes = tuple((round(h * factor), round(w * factor)) for factor in factors)
    if min(sizes[0]) < 1:
        raise InputError(f"the smallest octave of images of {h} x {w} pixels has no pixel: take fewer than {n_octaves}")
    return _deep_dream(
        pytree_function(features_fn),
        images,
        pytree_function(objective),
        example_keys(key, n),
        sizes=sizes,
        n_steps=n_steps,
        learning_rate=float(learning_rate),
        max_jitter=max_jitter,
        project=ClipNormalized(tuple(mean), tuple(std)),
    )


@functools.partial(jax.jit, static_argnames=("sizes", "n_steps", "learning_rate", "max_jitter", "project"))
def _deep_dream(
    features_fn: FeaturesFn | LogitsFn,
    images: Float[Array, "n h w c"],
    objective: Objective,
    keys: Key[Array, " n"],
    *,
    sizes: tuple[tuple[int, int], ...],
    n_steps: int,
    learning_rate: float,
    max_jitter: int,
    project: ClipNormalized,
) -> Float[Array, "n h w c"]:
    dreamt, dream = jnp.zeros_like(images), images
    for octave, (h, w) in enumerate(sizes):
        base = resize(images, (h, w))
        problem = PixelProblem(
            objective=jax.tree_util.Partial(objective_loss, features_fn, objective),
            optimizer=normalized_gradient(learning_rate * (h * w * images.shape[-1]) ** 0.5),
            transform=Jitter(max_jitter),
            project=project,
        )
        octave_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, octave)
        dream = optimize(problem, base + resize(dreamt, (h, w)), n_steps=n_steps, key=octave_keys).images
        dreamt = dream - base
    return dream

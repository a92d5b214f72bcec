"""What an image shall excite: objectives, functions of a network's activations that can be added and scaled.

An objective takes what a network made of N images, named activations `(N, h, w, c)` or logits `(N, K)`, to one number
for each, to be made large. Each is a pytree over its numbers (which channels, which weights), so that one program
serves them all.
"""

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.pixels import Classes, pytree_function, target_logit, with_settings

Objective = Callable[[Any], Array]
"""A network's output for N images -> `(N,)`, to be made large."""


def add(*objectives: Objective) -> Objective:
    """The sum of objectives.

    Example:
        >>> add(class_logit(jnp.array([0])), class_logit(jnp.array([2])))(jnp.array([[1.0, 5.0, 3.0]]))
        Array([4.], dtype=float32)
    """
    return Partial(_add, tuple(pytree_function(objective) for objective in objectives))


def _add(objectives: tuple[Objective, ...], activations: Any) -> Float[Array, " n"]:
    return functools.reduce(operator.add, [objective(activations) for objective in objectives])


def scale(objective: Objective, weight: ArrayLike) -> Objective:
    """An objective times a number.

    Example:
        >>> scale(class_logit(jnp.array([1])), -2.0)(jnp.array([[1.0, 5.0, 3.0]]))
        Array([-10.], dtype=float32)
    """
    return Partial(_scale, pytree_function(objective), weight)


def _scale(objective: Objective, weight: ArrayLike, activations: Any) -> Float[Array, " n"]:
    values = objective(activations)
    return values * jnp.asarray(weight, values.dtype)


def class_logit(targets: Classes) -> Objective:
    r"""Each image's class logit, $s_y$, of a network that gives logits `(N, K)`.

    Args:
        targets: `(N,)`, class indices in `[0, K)`.

    Returns:
        The objective.

    Example:
        >>> class_logit(jnp.array([2]))(jnp.array([[1.0, 5.0, 3.0]]))
        Array([3.], dtype=float32)
    """
    return Partial(_class_logit, jnp.asarray(targets))


def _class_logit(targets: Int[Array, " m"], logits: Float[Array, "n k"]) -> Float[Array, " n"]:
    return _pick(logits, targets)


def log_probability(targets: Classes, *, temperature: float = 30.0) -> Objective:
    r"""Each image's class against all others: what it alone has, where the logit takes kindred classes up with it.

    $$ T \log \frac{e^{s_y / T}}{\sum_k e^{s_k / T}} $$

    Args:
        targets: `(N,)`, class indices in `[0, K)`.
        temperature: $T$, in logits. At 1 the gradient fades as soon as the network is sure; the larger, the longer the
            class goes on to be climbed.

    Returns:
        The objective, of a network that gives logits `(N, K)`.

    Example:
        >>> log_probability(jnp.array([0]), temperature=2.0)(jnp.array([[3.0, 3.0]])).round(3)
        Array([-1.386], dtype=float32)
    """
    return Partial(with_settings(_log_probability, float(temperature)), jnp.asarray(targets))


def _log_probability(temperature: float, targets: Int[Array, " m"], logits: Float[Array, "n k"]) -> Float[Array, " n"]:
    return temperature * _pick(jax.nn.log_softmax(logits / temperature), targets)


def channel(layer: str, channels: Classes) -> Objective:
    r"""A channel's mean over all places.

    $$ \frac{1}{hw} \sum_{i,j} F_{ijk} $$

    Args:
        layer: the activations' name.
        channels: `(N,)`, $k$ for each image.

    Returns:
        The objective.

    Example:
        >>> channel("conv1", jnp.array([1]))({"conv1": jnp.arange(4.0).reshape(1, 1, 2, 2)})
        Array([2.], dtype=float32)

    References:
        Olah, Mordvintsev and Schubert, "Feature visualization", https://distill.pub/2017/feature-visualization/, 2017.
    """
    return Partial(with_settings(_channel, layer), jnp.asarray(channels))


def _channel(layer: str, channels: Int[Array, " m"], activations: Mapping[str, Array]) -> Float[Array, " n"]:
    return _pick(jnp.mean(of_layer(activations, layer), axis=(1, 2)), channels)


def neuron(layer: str, channels: Classes, position: tuple[int, int] | None = None) -> Objective:
    r"""One neuron, $F_{ijk}$: a channel at one place.

    Args:
        layer: the activations' name.
        channels: `(N,)`, $k$ for each image.
        position: $(i, j)$, row and column of the activations, Python numbers; None for the middle, `(h // 2, w // 2)`.

    Returns:
        The objective.

    Example:
        >>> neuron("conv1", jnp.array([0]), (0, 1))({"conv1": jnp.arange(4.0).reshape(1, 1, 2, 2)})
        Array([2.], dtype=float32)
    """
    return Partial(with_settings(_neuron, layer, position), jnp.asarray(channels))


def _neuron(
    layer: str, position: tuple[int, int] | None, channels: Int[Array, " m"], activations: Mapping[str, Array]
) -> Float[Array, " n"]:
    features = of_layer(activations, layer)
    height, width = features.shape[1:3]
    i, j = (height // 2, width // 2) if position is None else position
    if not (-height <= i < height and -width <= j < width):
        raise InputError(f'there is no neuron at {position}: the activations of "{layer}" are {height} x {width}')
    return _pick(features[:, i, j], channels)


def direction(layer: str, vectors: Float[ArrayLike, "n c"]) -> Objective:
    r"""A direction among the channels, mean over all places.

    $$ \frac{1}{hw} \sum_{i,j,k} v_k F_{ijk} $$

    Args:
        layer: the activations' name.
        vectors: `(N, C)`, $v$ for each image.

    Returns:
        The objective.

    Example:
        >>> vectors = jnp.array([[1.0, -1.0]])
        >>> direction("conv1", vectors)({"conv1": jnp.array([3.0, 5.0, 1.0, 1.0]).reshape(1, 1, 2, 2)})
        Array([-1.], dtype=float32)
    """
    return Partial(with_settings(_direction, layer), jnp.asarray(vectors))


def _direction(layer: str, vectors: Float[Array, "n c"], activations: Mapping[str, Array]) -> Float[Array, " n"]:
    return jnp.sum(vectors * jnp.mean(of_layer(activations, layer), axis=(1, 2)), axis=1)


def energy(layer: str) -> Objective:
    r"""All of a layer, what DeepDream amplifies: whatever an image shows already.

    $$ \frac{1}{2hwc} \sum_{i,j,k} F_{ijk}^2 $$

    Args:
        layer: the activations' name.

    Returns:
        The objective, whose gradient at the activations is in proportion to these themselves.

    Example:
        >>> energy("conv1")({"conv1": jnp.full((1, 1, 2, 2), 2.0)})
        Array([2.], dtype=float32)

    References:
        Mordvintsev, Olah and Tyka, "Inceptionism: going deeper into neural networks", Google Research blog, 2015.
    """
    return Partial(with_settings(_energy, layer))


def _energy(layer: str, activations: Mapping[str, Array]) -> Float[Array, " n"]:
    return jnp.mean(of_layer(activations, layer) ** 2, axis=(1, 2, 3)) / 2


def likeness(layer: str, features: Float[ArrayLike, "m h w c"], *, power: float = 1.0) -> Objective:
    r"""How far activations go the way of given ones: a caricature of them when it is made large.

    $$ \frac{\langle F, P \rangle}{hw} \; \max\Bigl(\frac{\langle F, P \rangle}{\lVert F \rVert \, \lVert P \rVert},
       0.1\Bigr)^p $$

    Args:
        layer: the activations' name.
        features: $P$, `(N, h, w, C)`, one for each image, or `(1, h, w, C)` for all; where the activations have another
            size, both are compared by their means over all places.
        power: $p$; 0 for the product alone, larger to stay with the given ones instead of other strong ones.

    Returns:
        The objective.

    Example:
        >>> features = jnp.full((1, 1, 1, 4), 2.0)
        >>> likeness("conv1", features)({"conv1": jnp.ones((1, 1, 1, 4))})
        Array([8.], dtype=float32)

    References:
        Olah et al., "The building blocks of interpretability", https://distill.pub/2018/building-blocks/, 2018; Carter
        et al., "Activation atlas", https://distill.pub/2019/activation-atlas/, 2019: the product times a power of the
        cosine, which is held above 0.1.
    """
    return Partial(with_settings(_likeness, layer, power), jnp.asarray(features))


def _likeness(
    layer: str, power: float, features: Float[Array, "m h w c"], activations: Mapping[str, Array]
) -> Float[Array, " n"]:
    given, now = features, of_layer(activations, layer)
    if given.shape[3] != now.shape[3] or given.shape[0] not in (1, now.shape[0]):
        raise InputError(
            f'"{layer}" gives {now.shape[3]} channels of {now.shape[0]} images, and the features to be like have shape '
            f"{given.shape}: give as many channels, and one example for all images or one for each"
        )
    if given.shape[1:3] != now.shape[1:3]:
        given, now = (jnp.mean(x, axis=(1, 2), keepdims=True) for x in (given, now))
    product = jnp.sum(given * now, axis=(1, 2, 3))
    cosine = jnp.sum(unit(given) * unit(now), axis=(1, 2, 3))
    return product / (now.shape[1] * now.shape[2]) * jnp.maximum(cosine, 0.1) ** power


def of_layer(activations: Mapping[str, Array], layer: str) -> Float[Array, "n h w c"]:
    """A layer's activations, or one sentence saying which layers there are."""
    if layer not in activations:
        raise InputError(f'there is no layer "{layer}": the network gives {", ".join(activations)}')
    return activations[layer]


def _pick(values: Float[Array, "n k"], channels: Int[Array, "..."]) -> Float[Array, " n"]:
    """Of each image its own entry, or one sentence where there is none; of an entry not known yet, inside jit, NaN."""
    if channels.shape != values.shape[:1]:
        raise InputError(
            f"an objective needs one class or channel for each of the {values.shape[0]} images, "
            f"got shape {channels.shape}"
        )
    if not isinstance(channels, Tracer):
        asked = np.asarray(channels)
        for wrong in asked[(asked < 0) | (asked >= values.shape[1])][:1]:
            raise InputError(f"a class or channel must lie in [0, {values.shape[1]}), got {wrong}")
    return target_logit(values, channels)


def check_objective(features_fn: Callable[[Array], Any], objective: Objective, images: jax.ShapeDtypeStruct) -> None:
    """Looks whether an objective fits a network, without running either: its layer, its channels, its number.

    Args:
        features_fn: images to what the objective reads.
        objective: with targets that are known, not traced ones, whose range cannot be looked at.
        images: shape and type of the images.

    Raises:
        InputError: if there is no such layer, class or channel, or not one for each image.

    Example:
        >>> images = jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32)
        >>> check_objective(lambda x: {"pixels": x}, channel("pixels", jnp.array([2])), images)  # 0, 1 and 2 are there
    """
    activations = jax.eval_shape(operator.call, pytree_function(features_fn), images)  # kept from call to call
    jax.eval_shape(lambda given: objective(given), activations)


def unit(values: Float[Array, "n ..."]) -> Float[Array, "n ..."]:
    """Each entry at length one; what is zero stays zero, and so does its gradient."""
    squares = jnp.sum(values**2, axis=tuple(range(1, values.ndim)), keepdims=True)
    return values * jax.lax.rsqrt(jnp.where(squares > 0, squares, 1))

"""From a backbone to the signatures that everything else takes: classifier and feature extractor."""

from collections.abc import Callable, Mapping

import jax
from jaxtyping import Array, Float

from jaxvision.signatures import FeaturesFn, LogitsFn, RuledFn, Rules

Model = Callable[[Array], tuple[Array, Mapping[str, Array]]]
"""A backbone: images `(N, H, W, C)` -> logits `(N, K)` and named activations."""

RuledModel = Callable[..., tuple[Array, Mapping[str, Array]]]
"""A backbone that also takes `rules`."""


def logits_fn(model: Model) -> LogitsFn:
    """`images -> logits` as a pytree whose leaves are the model's weights.

    Passed to `jax.jit` as an argument, its weights are inputs of the program and not constants baked into it, and one
    program serves every set of weights.

    Args:
        model: `model(images) -> (logits, activations)`.

    Returns:
        A `jax.tree_util.Partial`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxvision.attribution import saliency_map
        >>> from jaxvision.backbones import lenet
        >>> saliency_map(logits_fn(lenet()), jnp.zeros((1, 28, 28, 1)), jnp.array([3])).shape
        (1, 28, 28)
    """
    return jax.tree_util.Partial(_logits, model)


def _logits(model: Model, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return model(images)[0]


def ruled_fn(model: RuledModel) -> RuledFn:
    """`(images, rules) -> logits` as a pytree whose leaves are the model's weights, for methods with their own rules.

    Guided backpropagation, DeepLIFT and relevance propagation run some layers backwards in another way. What they take
    is this function, which calls its layers through the rules that it is given.

    Args:
        model: `model(images, rules=rules) -> (logits, activations)`: LeNet, SqueezeNet, VGG or SceneNet.

    Returns:
        A `jax.tree_util.Partial`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxvision.attribution import guided_backprop
        >>> from jaxvision.backbones import lenet
        >>> guided_backprop(ruled_fn(lenet()), jnp.zeros((1, 28, 28, 1)), jnp.array([3])).shape
        (1, 28, 28, 1)
    """
    return jax.tree_util.Partial(_ruled_logits, model)


def _ruled_logits(model: RuledModel, images: Float[Array, "n h w c"], rules: Rules) -> Float[Array, "n k"]:
    return model(images, rules=rules)[0]


def features_fn(model: Model) -> FeaturesFn:
    """`images -> activations by name` as a pytree whose leaves are the model's weights.

    What a caller does not read of the dictionary is not computed in a compiled program.

    Args:
        model: `model(images) -> (logits, activations)`.

    Returns:
        A `jax.tree_util.Partial`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxvision.backbones import squeezenet1_1
        >>> images = jnp.zeros((1, 32, 32, 3))
        >>> jax.eval_shape(lambda: features_fn(squeezenet1_1())(images))["fire2"].shape
        (1, 7, 7, 128)
    """
    return jax.tree_util.Partial(_activations, model)


def _activations(model: Model, images: Float[Array, "n h w c"]) -> Mapping[str, Array]:
    return model(images)[1]

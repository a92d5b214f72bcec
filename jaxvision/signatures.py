"""The signatures everything takes: a model is a function."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jax import Array

LogitsFn = Callable[[Array], Array]
"""A classifier: images `(N, H, W, C)` -> logits `(N, K)`."""

Rule = Callable[[Callable[[Any], Array], Any], Array]
"""How a layer is run: the layer, a callable that is best a pytree of its weights, and its input -> its output."""


def plain(layer: Callable[[Any], Array], x: Any) -> Array:
    """A layer run as it is."""
    return layer(x)


class Rules(NamedTuple):
    """How a network runs the layers of each kind; one that runs none of a kind has no use for its rule.

    Attributes:
        affine: convolutions, linear layers, means over pixels, sums of branches.
        relu: ReLUs, or other functions of each value alone.
        max_pool: maxima over windows.
    """

    affine: Rule = plain
    relu: Rule = plain
    max_pool: Rule = plain


PLAIN = Rules()
"""Every layer as it is."""

RuledFn = Callable[[Array, Rules], Array]
"""A classifier that runs its layers by rules: images `(N, H, W, C)` and rules -> logits `(N, K)`."""

TappedFn = Callable[[Array, Mapping[str, Array]], tuple[Array, Mapping[str, Array]]]
"""A classifier and what it computes on its way: images `(N, H, W, C)` and, by name, what is to be added to activations
-> logits `(N, K)` and named activations, each `(N, h, w, c)`, with that added."""

FeaturesFn = Callable[[Array], Mapping[str, Array]]
"""A feature extractor: images `(N, H, W, C)` -> named activations, each `(N, h, w, c)`."""

Generator = Callable[[Array], Array]
"""Latents `(N, D)` -> images `(N, H, W, C)`."""

Critic = Callable[[Array], Array]
"""Images `(N, H, W, C)` -> scores or logits `(N,)`."""

StepFn = Callable[[Any, Array], tuple[Any, Array]]
"""A decoder's step: its carry, any pytree, and tokens `(N,)` -> the next carry and logits `(N, V)`."""

ImagesFn = Callable[[Array], Array]
"""Images -> images: a stylizer, a projection, a normalisation."""

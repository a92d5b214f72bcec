"""The signatures everything takes: a model is a function."""

from collections.abc import Callable, Mapping
from typing import Any

from jax import Array

LogitsFn = Callable[[Array], Array]
"""A classifier: images `(N, H, W, C)` -> logits `(N, K)`."""

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

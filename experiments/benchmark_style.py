"""Rows of the benchmark: style transfers and style in one pass, and what a PyTorch user would run instead."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark_looking import Step, prepared
from experiments.benchmark_program import Programs, Setup
from jaxvision import style
from jaxvision.backbones import SqueezeNet, features_fn, state_dict
from jaxvision.pixels import PixelProblem, PixelState, advance, gaussian_blur, start
from jaxvision.signatures import ImagesFn
from jaxvision.stylizers import TransformerNet, transformer_net

CONTENT_LAYER = 3
WEIGHTS = (1.0, 0.1)  # of content and total variation
RATE = 1e-2
STYLIZER = (32, 5)  # width and residual blocks of Johnson's network


class Matched(NamedTuple):
    """What is matched of a style.

    Attributes:
        name: in the table; as PyTorch's side calls it, in capitals.
        statistic: ours.
        layers: of SqueezeNet, with weights.
    """

    name: str
    statistic: style.StyleStatistic
    layers: Mapping[int, float]


GRAM = Matched("Gram", style.GRAM, {1: 1e4, 4: 1e2, 6: 10.0, 7: 1.0})  # the course's weights
WASSERSTEIN = Matched("Wasserstein", style.WASSERSTEIN, {1: 1.0, 4: 1.0, 6: 1.0, 7: 1.0})


def programs(setup: Setup) -> Programs:
    """The rows by name; see `benchmark_looking.prepare`."""
    return prepared(steps(setup), setup)


def paint(problem: PixelProblem, state: PixelState, *, n_steps: int) -> jax.Array:
    """A style transfer as one program."""
    return advance(problem, state, n_steps=n_steps)[0].images


def style_gradient(problem: PixelProblem, state: PixelState) -> jax.Array:
    """The derivative of the style objective."""
    return jax.grad(lambda images: jnp.sum(problem.objective(images)[0]))(state.images)


def style_run(model: SqueezeNet, images: jax.Array, labels: jax.Array, *, matched: Matched) -> tuple[Any, ...]:
    """What a style transfer takes: the targets are no part of the run, here or in PyTorch."""
    targets = style.style_targets(
        features_fn(model),
        images,
        [style_of(images)],
        content_layers={f"features.{CONTENT_LAYER}": 1.0},
        style_layers={f"features.{layer}": weight for layer, weight in matched.layers.items()},
        content_weight=WEIGHTS[0],
        tv_weight=WEIGHTS[1],
        statistic=matched.statistic,
    )
    optimizer = style.adam(RATE, decay=0.0)
    problem = style.style_problem(features_fn(model), targets, optimizer, statistic=matched.statistic)
    return problem, start(problem, images)


def style_of(images: jax.Array) -> jax.Array:
    """A picture of another texture: the noise, blurred and as loud as before."""
    blurred = gaussian_blur(images, 2.0)
    return blurred / jnp.std(blurred)


def paint_in_torch(matched: Matched, n_steps: int) -> Callable[..., Callable[[], Any]]:
    """`peers_style.paint` with the settings of `style_run`."""

    def prepared(form: Any, images: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
        from experiments import peers_style  # noqa: PLC0415 - PyTorch is an extra

        content, painting = (form.to_tensor(np.asarray(x)) for x in (images, style_of(jnp.asarray(images))))
        return peers_style.paint(
            form,
            content,
            painting,
            layers=(CONTENT_LAYER, matched.layers),
            weights=WEIGHTS,
            statistic=getattr(peers_style, matched.name.upper()),
            learning_rate=RATE,
            n_steps=n_steps,
        )

    return prepared


def stylize(model: ImagesFn, images: jax.Array) -> jax.Array:
    """Johnson's network, one pass."""
    return model(images)


def stylize_once(model: SqueezeNet, images: jax.Array, labels: jax.Array) -> tuple[Any, ...]:
    """What a style in one pass takes: another network than the classifier."""
    return _transformer(), images


def stylize_in_torch(form: Any, images: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
    """`peers_style.stylize` with the weights of `stylize_once`."""
    from experiments import peers_style  # noqa: PLC0415 - PyTorch is an extra

    return peers_style.stylize(form, form.to_tensor(images), state_dict(_transformer()), shape=STYLIZER)


def _transformer() -> TransformerNet:
    return transformer_net(width=STYLIZER[0], n_blocks=STYLIZER[1])


def transfer(size: int, n_steps: int, matched: Matched = GRAM) -> Step:
    """A style transfer: its name, sizes and programs."""
    name = (
        f"style transfer at {size} px, {n_steps} steps"
        if matched is GRAM
        else (f"style transfer at {size} px, {matched.name}, {n_steps} steps")
    )
    return Step(
        name,
        1,
        partial(style_run, matched=matched),
        partial(paint, n_steps=n_steps),
        style_gradient,
        paint_in_torch(matched, n_steps),
        n_steps,
        size,
    )


def steps(setup: Setup) -> tuple[Step, ...]:
    """The programs in the order of the table."""
    return (
        transfer(192, setup.style_steps or 20),
        transfer(512, setup.style_steps or 5),
        transfer(1024, setup.style_steps or 3),
        transfer(192, setup.style_steps or 20, WASSERSTEIN),
        Step("style in one pass at 256 px", 1, stylize_once, stylize, stylize, stylize_in_torch, size=256),
    )

"""The course of a style transfer: which size, optimiser and bounds at which step, published or from coarse to fine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from experiments.networks import Network
from jaxvision import style
from jaxvision.pixels import ClipNormalized, PixelProblem
from jaxvision.signatures import FeaturesFn

MIN_SIDE = 32
# Content and style layers with their shares, each measured in units of the layer's own size.
SQUEEZENET = ({"features.3": 1.0}, {"features.1": 5.0, "features.4": 14.0, "features.6": 4.0, "features.7": 10.0})
VGG = ({"relu4_2": 1.0}, {"relu1_1": 6.0, "relu2_1": 6.0, "relu3_1": 6.0, "relu4_1": 6.0, "relu5_1": 6.0})
SCENES = ({"features.3": 1.0}, {"features.1": 120.0})  # the deeper layers of a network of plain shapes draw grids
TV_WEIGHT = 0.6
RATES = {"adam": 0.06, "lbfgs": 1.0}
STATISTICS = {
    "gram": style.GRAM,
    "moments": style.MOMENTS,
    "central": style.CENTRAL,
    "wasserstein": style.WASSERSTEIN,
    "sliced": style.SLICED,
    "histogram": style.HISTOGRAM,
}


@dataclass(frozen=True)
class Preset:
    """The course's numbers for one painting: sums instead of means, the short sides of both pictures."""

    content_weight: float
    style_weights: tuple[float, float, float, float]
    tv_weight: float
    size: int
    style_size: int


PRESETS = {
    "composition_vii": Preset(5e-2, (20_000, 500, 12, 1), 5e-2, 192, 512),
    "the_scream": Preset(3e-2, (200_000, 800, 12, 1), 2e-2, 192, 224),
    "starry_night": Preset(6e-2, (300_000, 1000, 15, 3), 2e-2, 192, 192),
}
PRESET_STEPS = 200
PRESET_LAYERS = ("features.1", "features.4", "features.6", "features.7")


@dataclass(frozen=True)
class Stage:
    """A part of a run with one compiled program.

    Attributes:
        side: short side of the image.
        end: the step at which it ends, counted from the beginning of the run.
        optimizer: an optax optimiser.
        project: `(images, step) -> images`, after each update.
        fresh: whether the optimiser begins anew; otherwise it goes on with what it knew at the stage before.
    """

    side: int
    end: int
    optimizer: Any
    project: Callable[[Float[Array, "n h w 3"], Int[Array, ""]], Float[Array, "n h w 3"]]
    fresh: bool


@dataclass(frozen=True)
class Course:
    """How a picture is painted, whatever it shows.

    Attributes:
        features_fn: images to activations.
        stages: of the run.
        targets: keyword arguments of `style.style_targets`: layers, weights and the statistic.
        normalize: means instead of sums, see `style.StyleObjective`.
    """

    features_fn: FeaturesFn
    stages: Sequence[Stage]
    targets: Mapping[str, Any]
    normalize: bool = True

    def problem(
        self, k: int, content: Array, styles: Sequence[Array], regions: Sequence[Array | None] | None
    ) -> PixelProblem:
        """What stage k optimises, for a content, styles and regions of its size."""
        targets = style.style_targets(self.features_fn, content, styles, regions=regions, **self.targets)
        return style.style_problem(
            self.features_fn,
            targets,
            self.stages[k].optimizer,
            statistic=self.targets["statistic"],
            normalize=self.normalize,
            project=self.stages[k].project,
        )


def one_stage(
    network: Network, content: Array, styles: Sequence[Array], *, statistic: style.StyleStatistic, **targets: Any
) -> PixelProblem:
    """A transfer by Adam at one size, for N contents at once.

    Args:
        network: whose features.
        content: `(N, H, W, 3)`, normalised.
        styles: each `(1, h, w, 3)` or `(N, h, w, 3)`, normalised.
        statistic: what of the styles is matched.
        targets: layers and weights, as in `style.style_targets`.

    Returns:
        The problem.
    """
    targets |= {"tv_weight": TV_WEIGHT, "statistic": statistic, "relative": True}
    course = Course(network.painting_fn, growing(MIN_SIDE, 1, 1, "adam", RATES["adam"]), targets)
    return course.problem(0, content, styles, None)


def suited_layers(network: Network) -> tuple[dict[str, float], dict[str, float]]:
    """Content and style layers with their shares, as suits the network's kind and what it knows."""
    return VGG if is_vgg(network) else SCENES if network.samples == "scenes" else SQUEEZENET


def is_vgg(network: Network) -> bool:
    """Whether a network has VGG's layers."""
    images = jax.ShapeDtypeStruct((1, MIN_SIDE, MIN_SIDE, 3), jnp.float32)
    return "relu4_2" in jax.eval_shape(network.features_fn, images)


def growing(side: int, n_scales: int, n_steps: int, optimizer: str, learning_rate: float) -> list[Stage]:
    """Sizes that double in area from one to the next, each with the same share of the steps.

    Args:
        side: short side of the result.
        n_scales: how many sizes.
        n_steps: of the whole run.
        optimizer: "adam" or "lbfgs".
        learning_rate: of the optimiser.

    Returns:
        The stages.

    Example:
        >>> [(stage.side, stage.end) for stage in growing(512, 3, 300, "adam", 0.06)]
        [(256, 100), (362, 200), (512, 300)]
    """
    chosen = {"adam": style.adam, "lbfgs": style.lbfgs}[optimizer](learning_rate)
    return [
        Stage(
            side=round(side * 2 ** ((k - n_scales) / 2)),
            end=n_steps * k // n_scales,
            optimizer=chosen,
            project=ClipNormalized(),
            fresh=optimizer == "lbfgs",  # its pairs of steps and gradients belong to one size
        )
        for k in range(1, n_scales + 1)
    ]


def published(size: int, n_steps: int) -> list[Stage]:
    """The course's run: two optimisers, one after the other, at one size."""
    stages, end = [], 0
    for optimizer, count, project in style.published_schedule(n_steps):
        end += count
        stages.append(Stage(size, end, optimizer, project, fresh=True))
    return stages

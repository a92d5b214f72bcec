"""Quality of style statistics: each is optimised, all are measured, at layers that none of them was optimised at.

One photograph is painted in the manner of several pictures, once for each statistic and content weight, with the same
number of gradients; a statistic's content weights are one compiled program. The distance to a style by every statistic
is then taken at held-out layers, in units of the photograph's own, and compared where all results have kept the same
of the content: between two content weights the logarithms are interpolated. Small numbers are good.

Gram matrices: Gatys, Ecker and Bethge, 2016; moments: Huang and Belongie, 2017; wasserstein: means and covariances
moved in the cheapest way; sliced: Heitz et al., 2021. Expected on ImageNet's SqueezeNet: the table in
docs/style_quality.md. 4 to 6 minutes on two cores. Writes the table (Markdown), curves and a sheet of pictures.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments import style_quality_report as report
from experiments.command import command
from experiments.figures import save
from experiments.film import logged_steps
from experiments.inputs import require_number, to_unit
from experiments.networks import Network, load_network
from experiments.style_figures import contact_sheet
from experiments.style_pictures import content_file, normalized, style_files
from experiments.style_stages import STATISTICS, is_vgg, one_stage
from experiments.timing import interleaved, timer
from jaxvision import style
from jaxvision.data import read_image
from jaxvision.errors import InputError
from jaxvision.pixels import PixelProblem, PixelState, advance, start
from jaxvision.signatures import FeaturesFn
from jaxvision.training import Run, new_run, progress

MEASURES = {name: STATISTICS[name] for name in ("gram", "moments", "wasserstein", "sliced")}
MIN_SIDE = 64
TIMED_STEPS = 3


@dataclass(frozen=True)
class Layers:
    """Where the content is kept, where the style is optimised, and where it is only measured."""

    content: str
    optimised: tuple[str, ...]
    held_out: tuple[str, ...]


SQUEEZENET = Layers(
    "features.3", ("features.1", "features.4", "features.7"), ("features.6", "features.9", "features.10")
)
VGG = Layers("relu4_2", ("relu1_1", "relu2_1", "relu4_1"), ("relu3_1", "relu5_1"))


@dataclass(frozen=True)
class Config:
    """The settings of one comparison."""

    content: str | None = None
    """image file; none: a sample photograph of a cat"""
    styles: tuple[str, ...] = ()
    """image files, of which the central square is taken; none: three sample pictures"""
    size: int = 192
    """short side of all pictures in pixels"""
    n_steps: int = 40
    """steps of every image, each a gradient (a count)"""
    content_weights: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0)
    """ascending, all painted for each statistic"""
    style_weight: float = 10.0
    """of all style layers together, each measured in units of its own size"""
    content_loss: float = 0.3
    """at which statistics are compared, as a share of the photograph's squared features"""
    rounds: int = 5
    """samples of the time of a step (a count)"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's names of SqueezeNet or VGG"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/style_quality-NNN"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    rows: tuple[report.Row, ...]
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Paints, measures, and writes the table, the curves and the pictures.

    Args:
        config: the settings.

    Returns:
        A row for each statistic.

    Raises:
        InputError: if a picture, a setting or the network cannot be used.
        FloatingPointError: if an image is no longer finite.
    """
    check(config)
    network = load_network(config.weights)
    layers = VGG if is_vgg(network) else SQUEEZENET
    paths = style_files(config.styles, 3)
    content = normalized(read_image(content_file(config.content)), config.size)
    styles = [normalized(read_image(path), config.size, crop=True) for path in paths]
    with new_run("style_quality", config, run_dir=config.run_dir) as run:
        run.note(network.note)
        curves, images = paint_all(run, config, network, layers, content, styles)
        transfer = partial(problem_of, config, network, layers, content=content, picture=styles[0], weights=(1.0,))
        timers = {name: timer(partial(_timed, *transfer(name))) for name in MEASURES}
        seconds = interleaved(timers, rounds=config.rounds)
        rows = [
            report.row_of(name, curves[name], config.content_weights, config.content_loss, seconds[name] / TIMED_STEPS)
            for name in MEASURES
        ]
        names = [path.stem.replace("_", " ") for path in paths]
        columns = [_nearest(images[name], curves[name], config) for name in MEASURES]
        sheet = contact_sheet([list(row) for row in zip(*columns, strict=True)], list(MEASURES), names)
        pictures = (
            save(sheet, run.picture("sheet.png")),
            save(report.curves_figure(curves, config.content_loss), run.picture("curves.png")),
        )
        caption = (
            f"{network.name}, {config.size} px, {config.n_steps} gradients for each image, geometric means over "
            f"{len(paths)} styles and {len(layers.held_out)} held-out layers "
            f"({', '.join(layers.held_out)}; optimised at {', '.join(layers.optimised)})"
        )
        report.write_table(run.path / "style_quality.md", rows, config.content_loss, caption)
        report.print_table(rows, config.content_loss, caption)
        result = Result(run.path, network.name, tuple(rows), pictures)
        run.finish(result)
    return result


def paint_all(
    run: Run, config: Config, network: Network, layers: Layers, content: Array, styles: Sequence[Array]
) -> tuple[dict[str, report.Curve], dict[str, Float[np.ndarray, "s n h w 3"]]]:
    """Every statistic, style and content weight.

    Returns:
        By statistic: what was measured, and the images `(S, N, H, W, 3)` in [0, 1].
    """
    curves, images, done = {}, {}, 0
    with progress(len(MEASURES) * len(styles) * config.n_steps) as show:
        for name in MEASURES:
            measured, painted = [], []
            for picture in styles:
                problem, state = problem_of(config, network, layers, name, content, picture, config.content_weights)
                state, last = logged_steps(run, problem, state, done, done + config.n_steps)
                done += config.n_steps
                show(done, {"loss": float(last["loss"].mean())})
                painted.append(style.average(state))
                measured.append(measure(network, layers, painted[-1], content, picture))
            curves[name] = report.Curve.joined(measured)
            images[name] = np.stack([to_unit(batch) for batch in painted])
    return curves, images


def problem_of(
    config: Config,
    network: Network,
    layers: Layers,
    name: str,
    content: Array,
    picture: Array,
    weights: Sequence[float],
) -> tuple[PixelProblem, PixelState]:
    """One statistic's transfer of a style, for all content weights at once, from the content."""
    contents = jnp.repeat(content, len(weights), axis=0)
    problem = one_stage(
        network,
        contents,
        [picture],
        statistic=MEASURES[name],
        content_layers={layers.content: 1.0},
        style_layers=dict.fromkeys(layers.optimised, 1.0),
        content_weight=jnp.asarray(weights),
        style_weights=[config.style_weight],
    )
    return problem, start(problem, contents)


def measure(network: Network, layers: Layers, images: Array, content: Array, picture: Array) -> dict[str, np.ndarray]:
    """Distances of images to a style at held-out layers, and of their content, in units of the content image's own.

    Args:
        network: whose features.
        layers: where to look.
        images: `(N, H, W, 3)`, normalised.
        content: `(1, H, W, 3)`.
        picture: `(1, h, w, 3)`, the style.

    Returns:
        `(N,)` by statistic, the geometric mean over layers, and for "content" the squared distance of features as a
        share of the content's squared features.
    """
    found = _measured(network.painting_fn, images, content, picture, layers)
    return {name: np.asarray(found[name]) for name in ("content", *MEASURES)}  # a program sorts its names


@partial(jax.jit, static_argnames="layers")
def _measured(
    features_fn: FeaturesFn, images: Array, content: Array, picture: Array, layers: Layers
) -> dict[str, Float[Array, " n"]]:
    features, own, aims = (features_fn(x) for x in (images, content, picture))
    kept = jnp.broadcast_to(own[layers.content], features[layers.content].shape)
    found = {"content": style.content_loss(features[layers.content], kept) / style.content_loss(0 * kept, kept)}
    for name, (summarize, distance) in MEASURES.items():
        logs = []
        for layer in layers.held_out:
            aim = summarize(aims[layer])
            every = jax.tree.map(lambda leaf: jnp.repeat(leaf, images.shape[0], axis=0), aim)
            ratio = distance(summarize(features[layer]), every) / distance(summarize(own[layer]), aim)
            logs.append(jnp.log(ratio))
        found[name] = jnp.exp(jnp.mean(jnp.stack(logs), axis=0))
    return found


def check(config: Config) -> None:
    """Refuses settings that cannot work.

    Raises:
        InputError: one sentence that names the flag.
    """
    for flag, least in (("n_steps", 1), ("rounds", 1), ("size", MIN_SIDE)):
        require_number(config, flag, at_least=least)
    for flag in ("style_weight", "content_loss"):
        require_number(config, flag, above=0)
    weights = config.content_weights
    if len(weights) < 2 or not all(0 < a < b for a, b in itertools.pairwise(weights)):
        raise InputError(
            f"--content-weights must be two or more, above 0 and ascending, got {' '.join(map(str, weights))}"
        )


def _timed(problem: PixelProblem, state: PixelState) -> Array:
    return jax.block_until_ready(advance(problem, state, n_steps=TIMED_STEPS)[0].images)


def _nearest(images: Float[np.ndarray, "s n h w 3"], curve: report.Curve, config: Config) -> np.ndarray:
    """Of each style's images the one whose content loss is nearest to the compared one."""
    chosen = np.abs(np.log(curve.content / config.content_loss)).argmin(axis=1)
    return images[np.arange(len(images)), chosen]


if __name__ == "__main__":
    command(main, Config)

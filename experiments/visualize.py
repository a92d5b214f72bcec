"""What a network looks for: an image for each of many classes, or for each channel of a layer, on one contact sheet.

Adam climbs a class's probability, or a channel's mean, in the Fourier variables of an image that is shifted, scaled and
turned a little at each step, so that no fine pattern helps which only one position likes. Olah, Mordvintsev and
Schubert, "Feature visualization", 2017, https://distill.pub/2017/feature-visualization/.

Without flags it draws ten classes with the best network at hand (eight of the scenes network's). Expected: with
ImageNet weights a person knows tarantula, castle, strawberry and flamingo again, and the network is sure of them. The
scenes network, which has seen plain shapes only, gets patches of colour, half of which it recognises; its legible
images are those of `experiments.class_visualization`. `--n 100` draws a hundred of the thousand classes,
`--n 1000` all of them on ten sheets, `--layer fire7` channels. About 2 minutes for ten on two cores. Writes the sheets
and each image. Ctrl-C leaves a run that --resume goes on with, to the same bits.
"""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from experiments import figures
from experiments.classes import find_class
from experiments.command import command
from experiments.film import logged_steps
from experiments.inputs import BATCH, batches, file_name, probabilities, require_number, to_unit
from experiments.meshes import spread
from experiments.networks import Network, load_network
from experiments.runs import filled, open_run
from jaxvision.data import write_image
from jaxvision.errors import InputError
from jaxvision.pixels import Jitter, PixelProblem, RandomRotation, RandomScale, chain, evaluate, example_keys
from jaxvision.training import Run, progress
from jaxvision.visualization import (
    ROBUST,
    Parametrization,
    channel,
    feature_visualization_problem,
    fourier,
    log_probability,
    maco,
    pixel,
    start_from,
)

# tarantula, flamingo, castle, strawberry, peacock, monarch, lighthouse, goldfish, gorilla, volcano
FAVOURITES = (76, 130, 483, 949, 84, 323, 437, 1, 366, 980)
PARTS = 8  # of a batch's steps: a line of progress after each
MOST_COLUMNS = 10
PER_PAGE = 100  # drawings on a sheet

LARGE = {"size": 128, "n_steps": 120, "learning_rate": 0.03, "decay": 1.5, "temperature": 30.0}
SMALL = {"size": None, "n_steps": 160, "learning_rate": 0.05, "decay": 2.0, "temperature": 5.0}
GENTLE = chain(Jitter(3), RandomScale(0.95, 1.05), RandomRotation(5.0))  # for images of few pixels


@dataclass(frozen=True)
class Config:
    """The settings of one run."""

    targets: tuple[str, ...] = ()
    """classes to draw, by index or name; with --layer, channels by index; none: an even choice"""
    n: int | None = None
    """how many classes or channels (a count), where none are named; none: ten, or eight of the scenes network's"""
    layer: str | None = None
    """draw channels of this layer, as fire7, instead of classes"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's parameter names"""
    size: int | None = None
    """side of the images in pixels; none: 128, or less where the network is one for less"""
    n_steps: int | None = None
    """steps (a count); none: 120, or 160 below 128 px"""
    learning_rate: float | None = None
    """Adam's; none: 0.03, or 0.05 below 128 px"""
    variables: Literal["fourier", "pixel", "maco"] = "fourier"
    """what is optimised: the spectrum, the pixels, or the phases of a spectrum whose magnitudes stay natural"""
    decay: float | None = None
    """how fast steps fall with the frequency, an exponent, more for smoother images; none: 1.5, or 2 below 128 px"""
    transform: bool = True
    """shift, scale and turn the image at each step"""
    temperature: float | None = None
    """of a class's probability, in logits: the larger, the longer it is climbed; none: 30, or 5 below 128 px"""
    mesh: str | None = None
    """devices that divide the images of a batch among them, such as data=8; none: one device"""
    seed: int = 0
    """of the noise to begin with and the transforms"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/visualize-NNN"""


@dataclass(frozen=True)
class Drawing:
    """One image: what it is of, the objective reached, and what the network says of it."""

    target: str
    value: float
    predicted: str
    probability: float


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    drawings: tuple[Drawing, ...]
    recognised: int
    """drawings of a class that the network takes for it (a count); 0 for channels"""
    pictures: tuple[Path, ...]


class Sheet(NamedTuple):
    """A run in the making: `(N, H, W, 3)` images in [0, 1], `(N,)` objectives, and the steps taken, of all batches."""

    images: Float[np.ndarray, "n h w 3"]
    values: Float[np.ndarray, " n"]
    step: Int[np.ndarray, ""]


def main(config: Config) -> Result:
    """Draws every class or channel and writes the sheet and numbers.

    Args:
        config: the settings.

    Returns:
        One drawing for each, in order, and the sheet's path.

    Raises:
        InputError: if the weights, a class, a layer or a channel cannot be used, or there is no run to go on with.
        FloatingPointError: if an image is no longer finite.
    """
    network = load_network(config.weights)
    settings = resolved(replace(config, weights=network.weights), network.image_size)  # resumed with no other
    targets, names = _targets(network, settings)
    n, size = len(targets), settings.size
    with open_run("visualize", settings) as run:
        run.note(network.note)
        sheet = Sheet(np.zeros((n, size, size, 3), np.float32), np.zeros(n, np.float32), np.zeros((), np.int32))
        sheet = run.restore(sheet) if settings.resume else sheet
        sheet = _drawn(run, network, settings, targets, sheet)
        answers = probabilities(network, sheet.images)
        said = answers.argmax(axis=1) if settings.layer else targets
        drawings = tuple(
            Drawing(name, float(value), network.class_names[answer.argmax()], float(answer[k]))
            for name, value, answer, k in zip(names, sheet.values, answers, said, strict=True)
        )
        recognised = 0 if settings.layer else int((answers.argmax(axis=1) == targets).sum())
        for i, name in enumerate(names):
            write_image(run.picture(file_name(i, figures.short_name(name))), sheet.images[i])
        titles = [_title(drawing, settings.layer) for drawing in drawings]
        columns = min(MOST_COLUMNS, max(4, round(n**0.5)))
        pictures = [
            figures.save(
                figures.picture_sheet(sheet.images[part], titles[part], columns=columns), run.picture(f"{name}.png")
            )
            for name, part in _pages(n)
        ]
        result = Result(run.path, network.name, drawings, recognised, tuple(pictures))
        run.finish(result)
    return result


def resolved(config: Config, image_size: int) -> Any:
    """The settings with every None that means a default replaced, after a look at whether they can work.

    Args:
        config: as given.
        image_size: the side of the network's images in pixels.

    Returns:
        What `config.json` holds.

    Raises:
        InputError: if a number is out of range.

    Example:
        >>> resolved(Config(), 224).size, resolved(Config(n_steps=5), 64).size
        (128, 64)
    """
    config = filled(config, LARGE if image_size >= 128 else SMALL | {"size": image_size})
    for flag, least in (("n", 1), ("size", 17), ("n_steps", 1), ("decay", 0)):
        require_number(config, flag, at_least=least)
    for flag in ("learning_rate", "temperature"):
        require_number(config, flag, above=0)
    return config


def _drawn(run: Run, network: Network, settings: Any, targets: Int[np.ndarray, " n"], sheet: Sheet) -> Sheet:
    """The sheet, a batch at a time, with a checkpoint after each."""
    images, values = np.array(sheet.images), np.array(sheet.values)
    keys = example_keys(jax.random.key(settings.seed), len(targets))
    parametrization = _parametrization(settings)
    moments = np.linspace(0, settings.n_steps, PARTS + 1).round().astype(int)
    n_batches = -(-len(targets) // BATCH)
    parts = batches(len(targets)) if n_batches > 1 else [np.arange(len(targets))]  # a few need not be filled up
    with progress(n_batches * settings.n_steps, int(sheet.step)) as report:
        for number, rows in enumerate(parts):
            before = number * settings.n_steps
            if before < int(sheet.step):
                continue
            problem = _problem(network, settings, parametrization, targets[rows])
            pixels = start_from(parametrization, problem, len(rows), key=spread(settings.mesh, keys[rows], len(rows)))
            for done, until in itertools.pairwise(moments):
                if done == until:
                    continue
                pixels, last = logged_steps(run, problem, pixels, before + int(done), before + int(until))
                report(before + int(until), {"objective": float(last["objective"].mean())})
            assert problem.decode is not None
            images[rows] = to_unit(problem.decode(pixels.images))
            values[rows] = evaluate(problem, pixels.images)["objective"]
            sheet = Sheet(images, values, np.asarray(before + settings.n_steps, np.int32))
            run.save(sheet)
    return sheet


def _problem(
    network: Network, settings: Any, parametrization: Parametrization, targets: Int[np.ndarray, " n"]
) -> PixelProblem:
    labels = jnp.asarray(targets, jnp.int32)
    if settings.layer:
        function, objective = network.features_fn, channel(settings.layer, labels)
    else:
        function, objective = network.ascent_fn, log_probability(labels, temperature=settings.temperature)
    transform = ROBUST if network.image_size >= 128 else GENTLE
    return feature_visualization_problem(
        function,
        objective,
        parametrization,
        transform=transform if settings.transform else None,
        learning_rate=settings.learning_rate,
    )


def _parametrization(settings: Any) -> Parametrization:
    shape = (settings.size, settings.size, 3)
    if settings.variables == "fourier":
        return fourier(shape, decay=settings.decay)
    return maco(shape) if settings.variables == "maco" else pixel(shape)


def _targets(network: Network, settings: Any) -> tuple[Int[np.ndarray, " n"], list[str]]:
    """Indices and names of what is drawn."""
    if settings.layer:
        count, names = _channels(network, settings), None
    else:
        count, names = len(network.class_names), network.class_names
    if settings.targets and not names:
        wrong = [words for words in settings.targets if not (words.isdecimal() and int(words) < count)]
        if wrong:
            raise InputError(f"{settings.layer} has channels 0 to {count - 1}: --targets cannot be {wrong[0]}")
        chosen = [int(words) for words in settings.targets]
    elif settings.targets and names:
        chosen = [find_class(names, words) for words in settings.targets]
    elif settings.n is None and not settings.layer and count == 1000:
        chosen = list(FAVOURITES)
    elif settings.n is None and not settings.layer and network.samples == "scenes":
        chosen = list(range(0, 64, 9))
    else:
        chosen = np.linspace(0, count - 1, min(settings.n or 10, count)).round().astype(int).tolist()
    return np.asarray(chosen), [names[k] if names else f"{settings.layer} {k}" for k in chosen]


def _channels(network: Network, settings: Any) -> int:
    image = jax.ShapeDtypeStruct((1, settings.size, settings.size, 3), jnp.float32)
    layers = {
        name: layer for name, layer in jax.eval_shape(network.features_fn, image).items() if len(layer.shape) == 4
    }
    if settings.layer not in layers:
        raise InputError(f'there is no layer "{settings.layer}": --layer takes one of {", ".join(layers)}')
    return layers[settings.layer].shape[-1]


def _pages(n: int) -> list[tuple[str, slice]]:
    """Names of the sheets and what is on each: one, or an atlas of several where there is more than one holds.

    Example:
        >>> _pages(10), [name for name, _ in _pages(201)]
        ([('contact_sheet', slice(0, 100, None))], ['contact_sheet_01', 'contact_sheet_02', 'contact_sheet_03'])
    """
    begins = range(0, n, PER_PAGE)
    names = [f"contact_sheet_{page:02d}" for page in range(1, len(begins) + 1)] if n > PER_PAGE else ["contact_sheet"]
    return [(name, slice(begin, begin + PER_PAGE)) for name, begin in zip(names, begins, strict=True)]


def _title(drawing: Drawing, layer: str | None) -> str:
    if layer:
        return f"{drawing.target}  {drawing.value:.1f}"
    return f"{figures.short_name(drawing.target)}  {figures.percent(drawing.probability)}"


if __name__ == "__main__":
    command(main, Config)

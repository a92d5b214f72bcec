"""Class visualization: the image that a network would call most like a class.

From noise, steps of fixed length climb a class's score less a penalty on the image's square norm, with jitter, clipping
and now and then a slight blur. Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2013,
https://arxiv.org/abs/1312.6034, equation 1; jitter, blur and numbers are those of Stanford's CS231n, assignment 3.

Without flags it draws ten classes with the best network at hand. Expected: the network gives at least nine of the ten
images their class with a probability over 0.9. About a minute and a half on two cores with ImageNet weights, half a
minute with the scenes network. Writes a contact sheet, a film strip of how the first classes came about, and each
image. Ctrl-C leaves a run that --resume goes on with, to the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from experiments import figures
from experiments.classes import find_class
from experiments.command import command
from experiments.film import begin, shoot
from experiments.inputs import file_name, require_number, to_unit
from experiments.networks import Network, load_network
from jaxvision.data import write_image
from jaxvision.pixels import PixelProblem
from jaxvision.training import new_run, resumed_run
from jaxvision.visualization import class_visualization_problem

# flamingo, tarantula, gorilla, snail, peacock, goldfish, monarch, hourglass, strawberry, lemon
IMAGENET_FAVOURITES = (130, 76, 366, 113, 84, 1, 323, 604, 949, 951)
FRAMES = 10  # of the film, after the noise it begins with
FILM_ROWS = 3
FILM_COLUMNS = (0, 1, 2, 4, 7, 10)  # early frames change most


@dataclass(frozen=True)
class Config:
    """The settings of one run."""

    targets: tuple[str, ...] = ()
    """classes to draw, by index or name; none: ten that draw well"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's parameter names"""
    n_steps: int = 100
    """steps (a count)"""
    learning_rate: float | None = None
    """length of a step over a whole image, in normalised units; none: the published 25 at 224 px, else by the side"""
    l2: float = 1e-3
    """weight of the penalty on the square norm"""
    blur_every: int = 10
    """steps between two blurs (a count); 0 for no blur"""
    max_jitter: int | None = None
    """largest shift in pixels; none: the published 16 at 224 px, else by the side"""
    seed: int = 0
    """of the noise and the jitter"""
    resume: bool = False
    """go on with an interrupted run (the newest, or the one of --run-dir) that had the same settings"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/class_visualization-NNN"""


@dataclass(frozen=True)
class Drawing:
    """One class: what it is called and the probability that the network gives its image."""

    target: str
    probability: float


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    drawings: tuple[Drawing, ...]
    convincing: int
    """drawings with a probability over 0.9 (a count)"""
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Draws every class and writes figures and numbers.

    Args:
        config: the settings.

    Returns:
        One drawing per class, and the figures' paths.

    Raises:
        InputError: if the weights or a class cannot be used, or there is no run to go on with.
        FloatingPointError: if an image is no longer finite; the last good checkpoint is kept.
    """
    require_number(config, "n_steps", at_least=0)
    require_number(config, "learning_rate", above=0)
    require_number(config, "l2", at_least=0)
    require_number(config, "blur_every", at_least=0)
    require_number(config, "max_jitter", at_least=0)
    network = load_network(config.weights)
    targets = [find_class(network.class_names, words) for words in config.targets] or _favourites(network)
    names = [network.class_names[target] for target in targets]
    open_run = resumed_run if config.resume else new_run
    with open_run("class_visualization", config, run_dir=config.run_dir) as run:
        run.note(network.note)
        moments = np.unique(np.linspace(0, config.n_steps, FRAMES + 1).round().astype(int))
        problem = _problem(network, targets, config)
        film = begin(
            problem,
            len(targets),
            seed=config.seed,
            side=network.image_size,
            moments=moments,
            n_filmed=FILM_ROWS,
        )
        film = run.restore(film) if config.resume else film
        film = shoot(run, problem, film, moments)
        chances = np.asarray(film.chances)  # (T, N)
        images = to_unit(film.pixels.images)
        for i, name in enumerate(names):
            write_image(run.picture(file_name(i, figures.short_name(name))), images[i])
        columns = [k for k in FILM_COLUMNS if k < len(moments)]
        frames = np.asarray(film.frames, np.float32)[columns] / 255
        steps = moments[columns].tolist()
        strip = figures.film_strip(frames, steps, names[:FILM_ROWS], chances[columns, :FILM_ROWS])
        sheet = figures.class_sheet(images, names, chances[-1], columns=4 if len(names) in (4, 7, 8) else 5)
        pictures = (
            figures.save(sheet, run.picture("contact_sheet.png")),
            figures.save(strip, run.picture("film_strip.png")),
        )
        drawings = tuple(Drawing(name, float(chance)) for name, chance in zip(names, chances[-1], strict=True))
        result = Result(run.path, network.name, drawings, int((chances[-1] > 0.9).sum()), pictures)
        run.finish(result)
    return result


def _problem(network: Network, targets: Sequence[int], config: Config) -> PixelProblem:
    scale = network.image_size / 224  # the published numbers are for 224 px
    return class_visualization_problem(
        network.logits_fn,
        jnp.asarray(targets, jnp.int32),
        l2=config.l2,
        learning_rate=25.0 * scale if config.learning_rate is None else config.learning_rate,
        blur_every=config.blur_every,
        max_jitter=round(16 * scale) if config.max_jitter is None else config.max_jitter,
    )


def _favourites(network: Network) -> list[int]:
    """Classes for a first look: of 64 scenes every shape and every colour once, of others an even choice."""
    n = len(network.class_names)
    if n == 1000:
        return list(IMAGENET_FAVOURITES)
    return list(range(0, 64, 9)) if network.samples == "scenes" else list(range(0, n, max(1, n // 10)))[:10]


if __name__ == "__main__":
    command(main, Config)

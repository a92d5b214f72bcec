"""Class visualization: the image that a network would call most like a class.

From noise, steps of fixed length climb a class's score less a penalty on the image's square norm, with jitter, clipping
and now and then a slight blur. Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2013,
https://arxiv.org/abs/1312.6034, equation 1; jitter, blur and numbers are those of Stanford's CS231n, assignment 3. For
images below 128 px, of which noise makes nothing legible, the log-probability is climbed by blurred steps instead,
coarse shapes first, from eight beginnings for each class, and the likeliest is shown.

Without flags it draws ten classes with the best network at hand (eight of the scenes network's). Expected: the network
gives nine of ten images their class with a probability over 0.9. About 40 seconds on two cores. Writes a contact sheet,
a film strip of how the first classes came about, and each image. Ctrl-C leaves a run that --resume goes on with, to the
same bits.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from experiments import figures
from experiments.classes import find_class
from experiments.coarse_to_fine import coarse_to_fine
from experiments.command import command
from experiments.film import begin, shoot
from experiments.inputs import file_name, require_number, to_unit
from experiments.meshes import spread
from experiments.networks import Network, load_network
from experiments.runs import filled, open_run
from jaxvision.data import write_image
from jaxvision.pixels import PixelProblem
from jaxvision.visualization import class_visualization_problem

# flamingo, tarantula, gorilla, snail, peacock, goldfish, monarch, hourglass, strawberry, lemon
IMAGENET_FAVOURITES = (130, 76, 366, 113, 84, 1, 323, 604, 949, 951)
FAINT = 0.3  # of the noise that coarse shapes begin with: they would not cover a louder one
FRAMES = 10  # of the film, after the noise it begins with
FILM_ROWS = 3
FILM_COLUMNS = (0, 1, 2, 4, 7, 10)  # early frames change most

# As published, for 224 px; and what was found to draw legible shapes with networks for small images.
PUBLISHED = {"n_steps": 100, "learning_rate": 25.0, "l2": 1e-3, "max_jitter": 16, "coarse": False, "tries": 1}
SMALL = {"n_steps": 200, "learning_rate": 20.0, "l2": 0.0, "max_jitter": 2, "coarse": True, "tries": 8}


@dataclass(frozen=True)
class Config:
    """The settings of one run."""

    targets: tuple[str, ...] = ()
    """classes to draw, by index or name; none: ten that draw well"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's parameter names"""
    n_steps: int | None = None
    """steps (a count); none: 100 as published, 200 below 128 px"""
    learning_rate: float | None = None
    """length of a step over a whole image, in normalised units; none: 25 as published, 20 below 128 px"""
    l2: float | None = None
    """weight of the penalty on the square norm; none: 1e-3 as published, 0 below 128 px"""
    blur_every: int = 10
    """steps between two blurs (a count); 0 for no blur"""
    max_jitter: int | None = None
    """largest shift in pixels; none: 16 as published, 2 below 128 px"""
    coarse: bool | None = None
    """coarse shapes first: blurred gradients, and steps that get shorter; none: only below 128 px"""
    tries: int | None = None
    """images begun for each class, of which the likeliest is shown; none: 1, or 8 below 128 px"""
    mesh: str | None = None
    """devices that divide the images among them, such as data=8; none: one device"""
    seed: int = 0
    """of the noise and the jitter"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""
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
    n_steps: int
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
    network = load_network(config.weights)
    settings = resolved(replace(config, weights=network.weights), network.image_size)  # resumed with no other
    targets = [find_class(network.class_names, words) for words in config.targets] or _favourites(network)
    names = [network.class_names[target] for target in targets]
    n_steps, tries = settings.n_steps, settings.tries
    with open_run("class_visualization", settings) as run:
        run.note(network.note)
        moments = np.unique(np.linspace(0, n_steps, FRAMES + 1).round().astype(int))
        problem = drawing_problem(network, np.repeat(targets, tries), settings)
        film = begin(
            problem,
            len(targets) * tries,
            seed=settings.seed,
            side=network.image_size,
            moments=moments,
            n_filmed=FILM_ROWS * tries,
            contrast=FAINT if settings.coarse else 1.0,
        )
        film = run.restore(film) if settings.resume else film
        film = film._replace(pixels=spread(settings.mesh, film.pixels, len(targets) * tries))
        film = shoot(run, problem, film, moments)
        chances = np.asarray(film.chances).reshape(len(moments), -1, tries)  # (T, classes, tries)
        rows = np.arange(len(names)) * tries + chances[-1].argmax(axis=1)  # each class's likeliest
        chances, images = np.asarray(film.chances)[:, rows], to_unit(film.pixels.images[rows])
        for i, name in enumerate(names):
            write_image(run.picture(file_name(i, figures.short_name(name))), images[i])
        columns = [k for k in FILM_COLUMNS if k < len(moments)]
        frames = np.asarray(film.frames, np.float32)[columns][:, rows[:FILM_ROWS]] / 255
        steps = moments[columns].tolist()
        strip = figures.film_strip(frames, steps, names[:FILM_ROWS], chances[columns, :FILM_ROWS])
        sheet = figures.class_sheet(images, names, chances[-1], columns=4 if len(names) in (4, 7, 8) else 5)
        pictures = (
            figures.save(sheet, run.picture("contact_sheet.png")),
            figures.save(strip, run.picture("film_strip.png")),
        )
        drawings = tuple(Drawing(name, float(chance)) for name, chance in zip(names, chances[-1], strict=True))
        convincing = int((chances[-1] > 0.9).sum())
        result = Result(run.path, network.name, drawings, convincing, n_steps, pictures)
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
        >>> resolved(Config(), 224).learning_rate, resolved(Config(n_steps=5), 64).n_steps
        (25.0, 5)
    """
    config = filled(config, PUBLISHED if image_size >= 128 else SMALL)
    for flag in ("n_steps", "l2", "blur_every", "max_jitter"):
        require_number(config, flag, at_least=0)
    require_number(config, "learning_rate", above=0)
    require_number(config, "tries", at_least=1)
    return config


def drawing_problem(network: Network, targets: Int[np.ndarray, " n"], settings: Any) -> PixelProblem:
    """What is optimised for classes, by resolved settings."""
    problem = class_visualization_problem(
        network.ascent_fn,
        jnp.asarray(targets, jnp.int32),
        l2=settings.l2,
        learning_rate=settings.learning_rate,
        blur_every=settings.blur_every,
        max_jitter=settings.max_jitter,
    )
    if not settings.coarse:
        return problem
    return replace(problem, optimizer=coarse_to_fine(settings.learning_rate, max(1, settings.n_steps)))


def _favourites(network: Network) -> list[int]:
    """Classes for a first look: of 64 scenes every shape and every colour once, of others an even choice."""
    n = len(network.class_names)
    if n == 1000:
        return list(IMAGENET_FAVOURITES)
    return list(range(0, 64, 9)) if network.samples == "scenes" else list(range(0, n, max(1, n // 10)))[:10]


if __name__ == "__main__":
    command(main, Config)

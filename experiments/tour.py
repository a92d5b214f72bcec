"""The tour: every experiment, small, and one page that shows what came out.

Runs each experiment in turn with few pictures and few steps and writes `gallery/index.html`, which opens from disk
without network or scripts: picture first, then what it is, the command that made it, and the numbers. It uses
ImageNet's SqueezeNet where JAXVISION_HOME has it or it can be downloaded and converted, otherwise the network that
comes with the project, and says which. Expected: two to three minutes on two cores.
"""

import dataclasses
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax

from experiments import class_visualization, figures, fooling, saliency
from experiments.command import command, command_line
from experiments.gallery import Exhibit, Picture, write_page
from experiments.networks import Network, load_network


@dataclass(frozen=True)
class Config:
    """The settings of one tour."""

    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's parameter names"""
    run_dir: Path = Path("gallery")
    """folder for the page and its pictures; exhibits of an earlier tour there are replaced"""
    seed: int = 0
    """of everything random"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    page: Path
    network: str
    exhibits: tuple[Exhibit, ...]
    seconds: float


@dataclass(frozen=True)
class Visit:
    """What a room is given: the network, a folder of its own below the page's, and the seed."""

    network: Network
    run_dir: Path
    seed: int


def show_saliency(visit: Visit) -> Exhibit:
    """Which pixels decide."""
    config = saliency.Config(weights=visit.network.weights, n_samples=4, seed=visit.seed, run_dir=visit.run_dir)
    result = saliency.main(config)
    seen = [
        (p.image, f"{figures.short_name(p.predicted, 40)}, {figures.percent(p.probability)}")
        for p in result.predictions
    ]
    subjects = ", ".join(f"{name} ({answer})" for name, answer in seen)
    return Exhibit(
        name="saliency",
        title="Which pixels decide?",
        pictures=(
            Picture(
                result.pictures[0],
                f"Photographs, saliency maps and overlays of {subjects}",
                "Top to bottom: what the network was shown, with its answer; how much that answer would change with "
                "each pixel; and the same, smoothed, laid over the picture.",
            ),
        ),
        text=(
            "A classifier's score is a function of the pixels, so it has a derivative: how much would the score of the "
            "class change if this pixel changed a little? The map shows the largest derivative over the three colours. "
            "It was made for one class without any training for places, and yet it is bright where the object is.",
        ),
        command=command_line("saliency", config),
        numbers=tuple(seen),
        paper=(
            "Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, 2013",
            "https://arxiv.org/abs/1312.6034",
        ),
    )


def show_fooling(visit: Visit) -> Exhibit:
    """Which pixels fool."""
    config = fooling.Config(weights=visit.network.weights, n_samples=2, seed=visit.seed, run_dir=visit.run_dir)
    result = fooling.main(config)
    attacks = result.attacks
    reached = sum(a.success for a in attacks)
    largest = max(a.linf for a in attacks)
    pictures = []
    for path, name in zip(result.pictures, dict.fromkeys(a.image for a in attacks), strict=True):
        mine = [a for a in attacks if a.image == name]
        goals = ", ".join(figures.short_name(a.target, 40) for a in mine)
        pictures.append(
            Picture(path, f"{name}, recognised as {mine[0].predicted}, and changed to be taken for {goals}")
        )
    return Exhibit(
        name="fooling",
        title="Which pixels fool?",
        pictures=tuple(pictures),
        text=(
            "The same derivative, followed uphill for another class. After a few steps the network names what it had "
            "found least likely of all, and the picture looks as before. The middle row shows the change, magnified "
            "until it can be seen.",
        ),
        command=command_line("fooling", config),
        numbers=(
            ("targets reached", f"{reached} of {len(attacks)}"),
            ("still fooling as 8-bit files", f"{sum(a.success_8bit for a in attacks)} of {len(attacks)}"),
            ("steps, median", f"{statistics.median(a.steps for a in attacks):g}"),
            ("largest change of any value", f"{255 * largest:.0f} of 255"),
            ("length of a change, median", f"{statistics.median(a.l2 for a in attacks):.2f}"),
        ),
        paper=(
            "Szegedy et al., Intriguing properties of neural networks, 2013",
            "https://arxiv.org/abs/1312.6199",
        ),
    )


def show_class_visualization(visit: Visit) -> Exhibit:
    """Which image excites."""
    config = class_visualization.Config(weights=visit.network.weights, seed=visit.seed, run_dir=visit.run_dir)
    result = class_visualization.main(config)
    names = [figures.short_name(d.target, 40) for d in result.drawings]
    sheet, strip = result.pictures
    return Exhibit(
        name="class_visualization",
        title="What does a class look like?",
        pictures=(
            Picture(
                sheet,
                f"Images made from noise for {', '.join(names)}",
                "The network's probability for the class stands beside its name.",
            ),
            Picture(
                strip,
                f"How the images of {', '.join(names[: class_visualization.FILM_ROWS])} came about, step by step",
                "From noise to the last step; below each frame, the probability of the class.",
            ),
        ),
        text=(
            "No photograph at all: the search begins with noise and climbs the score of a class. A penalty on bright "
            "pixels, random shifts and a slight blur now and then keep it from the finest noise, which would excite "
            "the network just as well and tell us nothing.",
        ),
        command=command_line("class_visualization", config),
        numbers=(
            ("probability over 90 %", f"{result.convincing} of {len(names)} classes"),
            ("probability, median", figures.percent(statistics.median(d.probability for d in result.drawings))),
            ("steps", f"{config.n_steps}"),
        ),
        paper=(
            "Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, 2013",
            "https://arxiv.org/abs/1312.6034",
        ),
    )


# A new experiment is one more line: the folder and anchor of its exhibit, and the function that makes it.
ROOMS: dict[str, Callable[[Visit], Exhibit]] = {
    "saliency": show_saliency,
    "fooling": show_fooling,
    "class_visualization": show_class_visualization,
}


def main(config: Config) -> Result:
    """Visits every room and writes the page, which is there, and grows, from the first room on.

    Args:
        config: the settings.

    Returns:
        The page and its exhibits.

    Raises:
        InputError: if the weights cannot be used or the folder cannot be written.
    """
    begun = time.perf_counter()
    network = load_network(config.weights)
    page, exhibits = config.run_dir / "index.html", []
    for number, (name, show) in enumerate(ROOMS.items(), start=1):
        _say(f"{number} of {len(ROOMS)}: {name}")
        _clear(config.run_dir / name)
        room_begun = time.perf_counter()
        exhibit = show(Visit(network, config.run_dir / name, config.seed))
        took = ("time, with compiling", f"{time.perf_counter() - room_begun:.0f} s")
        exhibits.append(dataclasses.replace(exhibit, numbers=(*exhibit.numbers, took)))
        seconds = time.perf_counter() - begun
        _write(page, network, exhibits, seconds)
    _say(f"Open {page.resolve().as_uri()} in a browser")
    return Result(config.run_dir, page, network.name, tuple(exhibits), seconds)


def _write(page: Path, network: Network, exhibits: Sequence[Exhibit], seconds: float) -> None:
    devices = f"{jax.device_count()} {jax.devices()[0].platform.upper()} device{'s' if jax.device_count() > 1 else ''}"
    lead = (
        "jaxvision looks inside vision networks. A model is a function; everything else takes functions and arrays and "
        "returns arrays: which pixels matter, which pixels fool, which image a class would like best. Each picture on "
        "this page was made by the command below it.",
        f"The network of this page: {network.note}",
    )
    footer = f"Made by python -m experiments.tour in {seconds:.0f} seconds with JAX {jax.__version__} on {devices}."
    write_page(page, "jaxvision", lead, exhibits, footer)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _clear(folder: Path) -> None:
    """Removes an earlier exhibit; a folder that no run has made is left for `new_run` to judge."""
    if (folder / "config.json").is_file():
        shutil.rmtree(folder)


if __name__ == "__main__":
    command(main, Config)

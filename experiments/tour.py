"""The tour: every experiment, small, and one page that shows what came out.

Runs each experiment in turn with few pictures and few steps and writes `gallery/index.html`, which opens from disk
without network or scripts: picture first, then what it is, the command that made it, and the numbers. It uses
ImageNet's SqueezeNet where JAXVISION_HOME has it or it can be downloaded and converted, otherwise the network that
comes with the project, and says which. Expected: a few minutes on two cores.
"""

import dataclasses
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax

from experiments import exhibits, exhibits_learnt, exhibits_looking
from experiments.command import command
from experiments.gallery import Exhibit, write_page
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


# A new experiment is one more line: the folder and anchor of its exhibit, and the function that makes it.
ROOMS: dict[str, Callable[[exhibits.Visit], Exhibit]] = {
    "saliency": exhibits.show_saliency,
    "attribution": exhibits_looking.show_attribution,
    "fooling": exhibits.show_fooling,
    "attack": exhibits_looking.show_attack,
    "class_visualization": exhibits.show_class_visualization,
    "visualize": exhibits_looking.show_visualize,
    "style_transfer": exhibits.show_style_transfer,
    "fast_style": exhibits.show_fast_style,
    "caption": exhibits_learnt.show_caption,
    "gan": exhibits_learnt.show_gan,
    "train_classifier": exhibits_learnt.show_train_classifier,
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
    page, shown = config.run_dir / "index.html", list[Exhibit]()
    for number, (name, show) in enumerate(ROOMS.items(), start=1):
        _say(f"{number} of {len(ROOMS)}: {name}")
        _clear(config.run_dir / name)
        room_begun = time.perf_counter()
        exhibit = show(exhibits.Visit(network, config.run_dir / name, config.seed))
        took = ("time, with compiling", f"{time.perf_counter() - room_begun:.0f} s")
        shown.append(dataclasses.replace(exhibit, numbers=(*exhibit.numbers, took)))
        _write(page, network, shown, time.perf_counter() - begun)
    _say(f"Open {page.resolve().as_uri()} in a browser")
    return Result(config.run_dir, page, network.name, tuple(shown), time.perf_counter() - begun)


def _write(page: Path, network: Network, shown: Sequence[Exhibit], seconds: float) -> None:
    devices = f"{jax.device_count()} {jax.devices()[0].platform.upper()} device{'s' if jax.device_count() > 1 else ''}"
    lead = (
        "jaxvision looks inside vision networks. A model is a function; everything else takes functions and arrays and "
        "returns arrays: which pixels matter, which pixels fool, which image a class would like best, one picture in "
        "the manner of another, what a picture shows, in words, and images of nothing at all. Each picture on this "
        "page was made by the command below it.",
        f"The network of this page: {network.note}",
    )
    footer = f"Made by python -m experiments.tour in {seconds:.0f} seconds with JAX {jax.__version__} on {devices}."
    write_page(page, "jaxvision", lead, shown, footer)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _clear(folder: Path) -> None:
    """Removes an earlier exhibit; a folder that no run has made is left for `new_run` to judge."""
    if (folder / "config.json").is_file():
        shutil.rmtree(folder)


if __name__ == "__main__":
    command(main, Config)

"""Saliency maps: which pixels decide what a network sees.

The map of an image is the largest absolute derivative, over its colour channels, of one class's score with respect to
each pixel: bright where a small change would change the score most. Simonyan, Vedaldi and Zisserman, "Deep inside
convolutional networks", 2013, https://arxiv.org/abs/1312.6034, section 3.

Without flags it looks at sample pictures with the best network at hand. Expected: maps that are bright on the object
and dark elsewhere; with ImageNet weights the cat is an Egyptian cat, and the coffee an espresso whose map lies on the
cup's mouth. About 15 seconds on two cores, most of it compiling. Writes photograph, map and overlay of each image.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import figures
from experiments.classes import find_class
from experiments.command import command
from experiments.inputs import batches, load_inputs, probabilities, require_finite, require_number, top
from experiments.meshes import spread
from experiments.networks import load_network
from jaxvision.attribution import saliency_map
from jaxvision.pixels import gaussian_blur, normalize
from jaxvision.training import new_run, progress

SHEET = 6  # images on one figure


@dataclass(frozen=True)
class Config:
    """The settings of one run."""

    images: tuple[str, ...] = ()
    """files, folders or globs; none: sample photographs, or held-out scenes for the scenes network"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's parameter names"""
    target: str | None = None
    """class whose score is derived, by index or name; none: what the network predicts for each image"""
    n_samples: int = 6
    """how many sample pictures (a count), where no images are given"""
    mesh: str | None = None
    """devices that divide the pictures among them, such as data=8; none: one device"""
    seed: int = 0
    """which held-out scenes are drawn"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/saliency-NNN"""


@dataclass(frozen=True)
class Prediction:
    """One image: what the network says, and the class that its map is of."""

    image: str
    predicted: str
    probability: float
    mapped: str
    mapped_probability: float


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    predictions: tuple[Prediction, ...]
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Maps every image and writes figures and numbers.

    Args:
        config: the settings.

    Returns:
        Predictions, in the order of the images, and the figures' paths.

    Raises:
        InputError: if an image, the weights or the class cannot be used.
    """
    require_number(config, "n_samples", at_least=1)
    network = load_network(config.weights)
    target = None if config.target is None else find_class(network.class_names, config.target)
    inputs = load_inputs(network, config.images, n_samples=config.n_samples, seed=config.seed)
    with new_run("saliency", config, run_dir=config.run_dir) as run:
        run.note(network.note)
        answers = probabilities(network, inputs.images)
        labels = answers.argmax(1) if target is None else np.full(len(answers), target)
        maps = np.empty(inputs.images.shape[:3], np.float32)
        given = lambda rows: (normalize(inputs.images[rows]), labels[rows])  # noqa: E731
        with progress(len(maps)) as report:
            for rows in batches(len(maps)):
                maps[rows] = saliency_map(network.logits_fn, *spread(config.mesh, given(rows), len(rows)))
                report(int(rows.max()) + 1, {})
        require_finite(maps, "the saliency map")
        chances = np.take_along_axis(answers, labels[:, None], axis=1)[:, 0]
        predictions = tuple(
            Prediction(name, *top(network.class_names, answer, k=1)[0], network.class_names[label], float(chance))
            for name, answer, label, chance in zip(inputs.names, answers, labels, chances, strict=True)
        )
        run.log(0, {"probability": answers.max(1), "mapped_probability": chances})
        # Blurred by a sixtieth of the side for the overlay: the eye does the same with the map.
        smoothed = np.asarray(gaussian_blur(maps[..., None], network.image_size / 60))[..., 0]
        pictures = []
        for begin in range(0, len(labels), SHEET):
            part = slice(begin, begin + SHEET)
            sheet = figures.saliency_sheet(
                inputs.images[part], maps[part], smoothed[part], [_caption(p) for p in predictions[part]]
            )
            pictures.append(figures.save(sheet, run.picture(f"saliency_{len(pictures) + 1:02d}.png")))
        result = Result(run.path, network.name, predictions, tuple(pictures))
        run.finish(result)
    return result


def _caption(prediction: Prediction) -> str:
    name, chance = figures.short_name(prediction.mapped), figures.percent(prediction.mapped_probability)
    return f"{name}\n{chance}"


if __name__ == "__main__":
    command(main, Config)

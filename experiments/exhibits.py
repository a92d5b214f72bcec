"""What the tour shows of looking inside and of style: a small run, its pictures, and what to say of them."""

import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import (
    class_visualization,
    fast_style,
    figures,
    fooling,
    saliency,
    style_figures,
    style_transfer,
)
from experiments.command import command_line
from experiments.gallery import Comparison, Exhibit, Picture
from experiments.inputs import load_inputs, to_unit
from experiments.networks import Network
from experiments.style_pictures import normalized
from jaxvision.data import read_image, sample_file, write_image

SCENES_ARE_ROBUST = (
    "With photographs every target is reached. A network that has only ever seen plain shapes holds on to them: some "
    "targets stay out of reach of small steps, as the figures say, and the changes are easier to see.",
)


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
    scenes = visit.network.samples == "scenes"
    config = fooling.Config(
        weights=visit.network.weights, n_samples=3 if scenes else 2, seed=visit.seed, run_dir=visit.run_dir
    )
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
            "found least likely"
            + (" among the shapes of this colour" if scenes else " of all")
            + ", and the picture looks as before. The middle row shows the change, magnified until it can be seen.",
            *SCENES_ARE_ROBUST[: int(scenes)],
        ),
        comparisons=(_before_and_fooled(visit, config, attacks[0]),),
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


def _before_and_fooled(visit: Visit, config: fooling.Config, attack: fooling.Attack) -> Comparison:
    """The first picture, and what it was changed to for its first target."""
    inputs = load_inputs(visit.network, (), n_samples=config.n_samples, seed=config.seed)
    before, after = figures.short_name(attack.predicted, 40), figures.short_name(attack.target, 40)
    return Comparison(
        _beside(visit, inputs.images[0], f"the picture as it was, {before}"),
        Picture(visit.run_dir / "pictures" / "fooled_01.png", f"the changed picture, for {after}"),
        f"Move the slider from {before} to {after}: can you see where the change begins?",
    )


def _beside(visit: Visit, image: np.ndarray, alt: str) -> Picture:
    """An input as a file of the page."""
    path = visit.run_dir / "pictures" / "before.png"
    write_image(path, image)
    return Picture(path, alt)


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
                "The network's probability for the class stands beside its name."
                + (" Of eight tries, the likeliest is shown." if visit.network.samples == "scenes" else ""),
            ),
            Picture(
                strip,
                f"How the images of {', '.join(names[: class_visualization.FILM_ROWS])} came about, step by step",
                "From noise to the last step; below each frame, the probability of the class.",
            ),
        ),
        text=(
            "No photograph at all: the search begins with noise and climbs the score of a class. Random shifts, a "
            "slight blur now and then and "
            + ("steps that begin coarse" if visit.network.samples == "scenes" else "a penalty on bright pixels")
            + " keep it from the finest noise, which would excite the network just as well and tell us nothing.",
        ),
        command=command_line("class_visualization", config),
        numbers=(
            ("probability over 90 %", f"{result.convincing} of {len(names)} classes"),
            ("probability, median", figures.percent(statistics.median(d.probability for d in result.drawings))),
            ("steps", f"{result.n_steps}"),
        ),
        paper=(
            "Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, 2013",
            "https://arxiv.org/abs/1312.6034",
        ),
    )


def show_style_transfer(visit: Visit) -> Exhibit:
    """Content of one picture, manner of another."""
    reads_digits = visit.network.samples == "digits"  # and has no layers to describe a manner by
    config = style_transfer.Config(
        weights="auto" if reads_digits else visit.network.weights, n_steps=300, seed=visit.seed, run_dir=visit.run_dir
    )
    result = style_transfer.main(config)
    _, sheet, strip, _ = result.pictures
    return Exhibit(
        name="style_transfer",
        title="Can it paint?",
        pictures=(
            Picture(
                sheet,
                "A photograph of a cat, a stained tissue under the microscope, and the cat in its manner",
                "Left to right: what is shown, in whose manner, and the result.",
            ),
            Picture(
                strip,
                "How the picture came about, at six moments",
                "A small picture first, then a larger one that goes on from it.",
            ),
        ),
        text=(
            "Deep inside a classifier, features say what is where, and their products, averaged over the picture, say "
            "which features go together and forget where. The pixels are moved until the features are those of the "
            "photograph and the averages those of the other picture.",
        ),
        comparisons=(
            Comparison(
                _beside(visit, to_unit(normalized(read_image(sample_file("cat")), min(result.size)))[0], "a cat"),
                Picture(result.image, "the cat in the manner of the tissue"),
                "Move the slider: what stays of the photograph, and what comes from the other picture?",
            ),
        ),
        command=command_line("style_transfer", config),
        numbers=(
            ("loss, from the first step to the last", f"{result.first['loss']:.3g} to {result.final['loss']:.2g}"),
            ("steps", f"{result.n_steps}"),
            ("pixels", f"{result.size[1]} x {result.size[0]}"),
        ),
        paper=(
            "Gatys, Ecker and Bethge, Image style transfer using convolutional neural networks, 2016",
            "https://www.cv-foundation.org/openaccess/content_cvpr_2016/html/Gatys_Image_Style_Transfer_CVPR_2016_paper.html",
        ),
    )


def show_fast_style(visit: Visit) -> Exhibit:
    """The same in one pass."""
    config = fast_style.Config(run_dir=visit.run_dir)
    result = fast_style.apply(config)
    pictures = [read_image(path) / np.float32(255) for path in (sample_file("cat"), *result.pictures)]
    sheet = figures.save(
        style_figures.pictures_in_a_row(pictures, ["cat", "in one pass"]), visit.run_dir / "pictures" / "sheet.png"
    )
    return Exhibit(
        name="fast_style",
        title="Can it paint at once?",
        pictures=(
            Picture(
                sheet,
                "A photograph of a cat, and the same in the manner of a stained tissue",
                "Every part of the photograph went through the network together; nothing was searched for.",
            ),
        ),
        text=(
            "The painting above took hundreds of steps. Here a small network was trained beforehand, on the same two "
            "measures, to do to any photograph what those steps do to one: it paints in one pass, films too.",
        ),
        command=command_line("fast_style", config),
        numbers=(("the network", result.network), ("images", f"{result.n_frames}")),
        paper=(
            "Johnson, Alahi and Fei-Fei, Perceptual losses for real-time style transfer and super-resolution, 2016",
            "https://arxiv.org/abs/1603.08155",
        ),
    )

"""Fooling images: a photograph changed too little to see, and taken for something else.

From a photograph, steps of fixed length climb the lead of a target class over all others until the network names it,
each image on its own. That such images exist: Szegedy et al., "Intriguing properties of neural networks", 2013,
https://arxiv.org/abs/1312.6199; the rule is that of Stanford's CS231n, assignment 3, with the lead in place of the
target's score alone, which a kindred class may outrun. Images stay within what a file can hold, and each is asked about
once more as the 8-bit picture that is written.

Without flags it fools sample pictures towards the three classes that the network finds least likely. Expected: every
target reached with ImageNet weights, in 10 to 40 of at most 100 steps, and three of four with the scenes network, whose
classes are shapes and colours: there the targets are other shapes of the same colour. About 30 seconds on two cores.
Writes each fooled image, and one figure a photograph: the images, the change magnified, and the network's first five
guesses.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from experiments import figures
from experiments.classes import find_class
from experiments.command import command
from experiments.inputs import file_name, load_inputs, probabilities, require_finite, require_number, to_unit, top
from experiments.meshes import spread
from experiments.networks import Network, load_network
from jaxvision.adversarial import fooling_image
from jaxvision.data import write_image
from jaxvision.pixels import ClipNormalized, margin, normalize
from jaxvision.training import new_run, progress

N_TARGETS = 3  # where none are named


@dataclass(frozen=True)
class Config:
    """The settings of one run."""

    images: tuple[str, ...] = ()
    """files, folders or globs; none: sample photographs, or held-out scenes for the scenes network"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's parameter names"""
    targets: tuple[str, ...] = ()
    """classes to be taken for, by index or name; none: the three least likely (of scenes: of the same colour)"""
    learning_rate: float = 1.0
    """length of a step over a whole image, in normalised units (one is about 0.23 of the range from black to white)"""
    n_steps: int = 100
    """steps at most (a count); each image stops as soon as it fools"""
    n_samples: int = 4
    """how many sample pictures (a count), where no images are given"""
    mesh: str | None = None
    """devices that divide the targets of a picture among them, such as data=8; none: one device"""
    seed: int = 0
    """which held-out scenes are drawn"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/fooling-NNN"""


@dataclass(frozen=True)
class Attack:
    """One image and one target."""

    image: str
    predicted: str
    target: str
    success: bool
    steps: int
    """updates made"""
    probability: float
    """of the target, for the fooled image"""
    l2: float
    """Euclidean length of the change over the whole image, in units of the range [0, 1]"""
    linf: float
    """largest change of one channel of one pixel, in units of the range [0, 1]"""
    success_8bit: bool
    """whether the picture as written, rounded to 8 bits, still fools"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    attacks: tuple[Attack, ...]
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Fools every image towards every target and writes figures and numbers.

    Args:
        config: the settings.

    Returns:
        One attack per image and target, and the figures' paths.

    Raises:
        InputError: if an image, the weights or a class cannot be used.
    """
    require_number(config, "n_samples", at_least=1)
    require_number(config, "n_steps", at_least=0)
    require_number(config, "learning_rate", above=0)
    network = load_network(config.weights)
    named = [find_class(network.class_names, words) for words in config.targets]
    inputs = load_inputs(network, config.images, n_samples=config.n_samples, seed=config.seed)
    with new_run("fooling", config, run_dir=config.run_dir) as run, progress(len(inputs.names)) as report:
        run.note(network.note)
        answers = probabilities(network, inputs.images)
        attacks, pictures = list[Attack](), list[Path]()
        for i, (name, image) in enumerate(zip(*inputs, strict=True)):
            targets = np.asarray(named or far_classes(answers[i], _unseen(network, answers[i])), np.int32)
            fooled, after, found = _fool(network, name, image, answers[i], targets, config)
            for attack, picture in zip(found, fooled, strict=True):
                run.log(len(attacks), {k: np.asarray([getattr(attack, k)]) for k in ("steps", "l2", "linf")})
                attacks.append(attack)
                write_image(run.picture(f"fooled_{len(attacks):02d}.png"), picture)
            sheet = figures.fooling_sheet(
                image,
                fooled,
                guesses=[top(network.class_names, row) for row in (answers[i], *after)],
                targets=[attack.target for attack in found],
                steps=[attack.steps for attack in found],
                successes=[attack.success for attack in found],
            )
            pictures.append(figures.save(sheet, run.picture(file_name(i, name))))
            report(i + 1, {"fooled": sum(attack.success for attack in attacks) / len(attacks)})
        result = Result(run.path, network.name, tuple(attacks), tuple(pictures))
        run.finish(result)
    return result


def _fool(
    network: Network,
    name: str,
    image: Float[np.ndarray, "h w c"],
    answer: Float[np.ndarray, " k"],
    targets: Int[np.ndarray, " t"],
    config: Config,
) -> tuple[Float[np.ndarray, "t h w c"], Float[np.ndarray, "t k"], list[Attack]]:
    """One image towards every target: pictures in [0, 1], what the network says of them, and the account."""
    outcome = fooling_image(
        network.ascent_fn,
        *spread(config.mesh, (normalize(np.repeat(image[None], len(targets), axis=0)), targets), len(targets)),
        learning_rate=config.learning_rate,
        n_steps=config.n_steps,
        score=margin,
        project=ClipNormalized(),
    )
    fooled = to_unit(outcome.images)
    require_finite(fooled, f"the image made from {name}")
    after = probabilities(network, fooled)
    written = probabilities(network, np.round(fooled * 255) / 255).argmax(1)
    attacks = [
        Attack(
            image=name,
            predicted=network.class_names[answer.argmax()],
            target=network.class_names[target],
            success=bool(outcome.success[t]),
            steps=int(outcome.steps[t]),
            probability=float(after[t, target]),
            l2=float(np.linalg.norm(fooled[t] - image)),
            linf=float(np.abs(fooled[t] - image).max()),
            success_8bit=bool(written[t] == target),
        )
        for t, target in enumerate(targets)
    ]
    return fooled, after, attacks


def far_classes(answer: Float[np.ndarray, " k"], among: Bool[np.ndarray, " k"] | None = None) -> Int[np.ndarray, " t"]:
    """The classes that the network finds least likely.

    Args:
        answer: `(K,)`, the probabilities of one image.
        among: `(K,)`, those to choose from; all by default.

    Returns:
        `N_TARGETS` class indices, or as many as there are.

    Example:
        >>> far_classes(np.array([0.1, 0.4, 0.2, 0.3]))
        array([0, 2, 3])
        >>> far_classes(np.array([0.1, 0.4, 0.2, 0.3]), np.array([False, True, True, False]))
        array([2, 1])
    """
    order = np.argsort(answer, kind="stable")
    return (order if among is None else order[among[order]])[:N_TARGETS]


def _unseen(network: Network, answer: Float[np.ndarray, " k"]) -> Bool[np.ndarray, " k"] | None:
    """Of scenes, the other shapes of the same colour: another colour cannot be painted without being seen."""
    if network.samples != "scenes":
        return None
    colours = np.array([name.split()[0] for name in network.class_names])
    here = answer.argmax()
    return (colours == colours[here]) & (np.arange(len(colours)) != here)


if __name__ == "__main__":
    command(main, Config)

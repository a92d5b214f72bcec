"""Attacks: how much a picture must change before a network is wrong about it, by many methods and budgets.

Attacks with a budget (fgsm, mi_fgsm, ni_fgsm, di_fgsm, pgd, apgd, apgd_dlr, apgd_targeted, fab, autoattack; square
without gradients) change each picture by at most eps and look for the greatest loss; those without (deepfool,
carlini_wagner, ddn, fmn) look for the least change, and answer for every budget at once. A network is no more accurate
under attack than the lowest line says; the last row takes, for each picture, whichever attack broke it.

Goodfellow et al., "Explaining and harnessing adversarial examples", https://arxiv.org/abs/1412.6572, 2014; Madry et
al., "Towards deep learning models resistant to adversarial attacks", https://arxiv.org/abs/1706.06083, 2017.

Without flags the scenes network is attacked on held-out scenes; expected: nearly all right without attack, half with 2
of 255 grey levels, a tenth with 4. `--weights mnist` attacks the digits network (needs MNIST in JAXVISION_HOME),
`--weights imagenet --images FOLDER` ImageNet's SqueezeNet on your pictures. About a minute on two cores. Writes
accuracy against budget as a table and a figure, and a sheet of attacked pictures.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from experiments import attack_figures as report
from experiments.attack_methods import ATTACKS, ONLY, QUERIES, AttackName, NormName, Outcome, Problem
from experiments.attack_subjects import Subject, subject
from experiments.command import command
from experiments.figures import percent, save, short_name
from experiments.inputs import require_finite, require_number
from experiments.meshes import spread
from experiments.networks import load_network
from experiments.tables import print_table, write_table
from jaxvision.errors import InputError
from jaxvision.pixels import in_chunks
from jaxvision.signatures import LogitsFn
from jaxvision.training import new_run, progress

SHOWN = 6  # pictures on the sheet


@dataclass(frozen=True)
class Config:
    """The settings of one comparison."""

    images: tuple[str, ...] = ()
    """files, folders or globs; none: held-out scenes or digits, or sample photographs, as the network knows them"""
    weights: str = "scenes"
    """auto, imagenet, scenes, mnist, mnist_robust, or a safetensors file of a SqueezeNet, a VGG or our LeNet"""
    attacks: tuple[AttackName, ...] = ("fgsm", "mi_fgsm", "pgd", "apgd", "square", "deepfool", "ddn", "fmn")
    """which; those that do not know the norm are left out"""
    norm: NormName = "linf"
    """what a budget limits: linf, the largest change of a value; l2, the Euclidean length of the change"""
    eps: tuple[float, ...] = ()
    """budgets in units of the range [0, 1]; none: five that suit the pictures"""
    n_steps: int = 40
    """steps of an attack that takes many (a count); for each of nine targets of apgd_targeted, fab and autoattack"""
    n_samples: int = 64
    """how many sample pictures (a count), where no images are given"""
    mesh: str | None = None
    """devices that divide the pictures among them, such as data=8; none: one device"""
    seed: int = 0
    """which held-out scenes are drawn, and where attacks begin"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/attack-NNN"""


@dataclass(frozen=True)
class Row:
    """One attack."""

    attack: str
    accuracies: tuple[float, ...]
    """share of pictures that are still right: without attack, then at each budget"""
    median_size: float | None
    """of an attack that looks for the least change; infinite where it broke fewer than half"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    norm: str
    eps: tuple[float, ...]
    n_images: int
    rows: tuple[Row, ...]
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Attacks, and writes the table, the curves and the pictures.

    Args:
        config: the settings.

    Returns:
        A row for each attack and one for the worst of all.

    Raises:
        InputError: if a picture, a setting or the network cannot be used.
        FloatingPointError: if an attacked picture is not finite.
    """
    for flag in ("n_steps", "n_samples"):
        require_number(config, flag, at_least=1)
    names = _chosen(config)
    network = load_network(config.weights)
    target = subject(network, config.images, n_samples=config.n_samples, seed=config.seed)
    problem = _problem(config, target)
    eps = tuple(float(e) for e in np.asarray(problem.eps))
    with new_run("attack", config, run_dir=config.run_dir) as run, progress(len(names)) as tell:
        run.note(network.note)
        wrong = _answers(target.logits_fn, problem.images).argmax(1) != target.labels
        outcomes = dict[str, Outcome]()
        for number, name in enumerate(names):
            found = ATTACKS[name](problem)
            require_finite(found.images, f"a picture attacked by {name}")
            outcomes[name] = found._replace(broken=found.broken | wrong[None])
            run.log(number, {"accuracy": 1 - outcomes[name].broken.mean(1)})
            tell(number + 1, {"accuracy": float(1 - outcomes[name].broken[-1].mean())})
        outcomes[report.WORST] = _worst(list(outcomes.values()))
        rows = tuple(
            Row(name, tuple(float(1 - b.mean()) for b in (wrong, *found.broken)), found.median_size)
            for name, found in outcomes.items()
        )
        written = [_written(e, config.norm, target) for e in eps]
        accuracies = {row.attack: row.accuracies for row in rows}
        caption = f"{network.name}; {len(wrong)} {target.truth}; budgets in {config.norm}"
        sizes = {row.attack: _size(row.median_size, config.norm, target) for row in rows}
        lines = report.lines_of(written, accuracies, sizes)
        write_table(run.path / "attack.md", lines, caption)
        print_table(lines, caption)
        pictures = (
            save(report.curves(written, accuracies, f"{network.name}, {config.norm}"), run.picture("accuracy.png")),
            save(
                _sheet(target, outcomes[report.WORST], wrong, network.class_names, written), run.picture("attacked.png")
            ),
        )
        result = Result(run.path, network.name, config.norm, eps, len(wrong), rows, pictures)
        run.finish(result)
    return result


def _chosen(config: Config) -> list[str]:
    if not config.attacks:
        raise InputError(f"--attacks needs at least one of {', '.join(ATTACKS)}")
    if any(not 0 < e < np.inf for e in config.eps) or list(config.eps) != sorted(set(config.eps)):
        raise InputError(f"--eps must be ascending numbers above 0, got {' '.join(map(str, config.eps))}")
    names = [name for name in dict.fromkeys(config.attacks) if ONLY.get(name, config.norm) == config.norm]
    if not names:
        raise InputError(f"{', '.join(config.attacks)}: not for changes in {config.norm}, give another --norm")
    return names


def _problem(config: Config, target: Subject) -> Problem:
    """With usual budgets of l2 as long as a change of a quarter of the linf ones in every value."""
    side = np.sqrt(np.prod(target.images.shape[1:]))
    usual = target.eps if config.norm == "linf" else tuple(float(f"{0.25 * side * e:.2g}") for e in target.eps)
    return Problem(
        target.logits_fn,
        *spread(config.mesh, (jnp.asarray(target.images), jnp.asarray(target.labels)), len(target.labels)),
        jnp.asarray(config.eps or usual, jnp.float32),
        config.norm,
        config.n_steps,
        QUERIES * config.n_steps,
        jax.random.key(config.seed),
    )


def _worst(outcomes: list[Outcome]) -> Outcome:
    """For each picture and budget the first attack that broke it."""
    broken = np.stack([found.broken for found in outcomes])  # (a, e, n)
    first = broken.argmax(0)[None]
    images = np.stack([found.images for found in outcomes])
    chosen = np.take_along_axis(images, first[..., None, None, None], axis=0)[0]
    return Outcome(chosen, np.any(broken, axis=0), None)


@jax.jit
def _logits(logits_fn: LogitsFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return jax.nn.softmax(in_chunks(logits_fn, images))


def _answers(logits_fn: LogitsFn, images: Float[Array, "n h w c"]) -> Float[np.ndarray, "n k"]:
    answers = np.asarray(_logits(logits_fn, images))
    require_finite(answers, "the network's answer")
    return answers


def _written(eps: float, norm: NormName, target: Subject) -> str:
    """A budget as its readers write it: of 8-bit colours in grey levels."""
    return f"{255 * eps:.4g}/255" if norm == "linf" and target.images.shape[-1] == 3 else f"{eps:.4g}"


def _size(median: float | None, norm: NormName, target: Subject) -> str:
    """The same of a median, where an attack looks for the least change."""
    if median is None:
        return ""
    return _written(median, norm, target) if np.isfinite(median) else "none for half"


def _sheet(
    target: Subject,
    worst: Outcome,
    wrong: Bool[np.ndarray, " n"],
    class_names: tuple[str, ...],
    written: list[str],
) -> report.Figure:
    """The first pictures that the network is right about."""
    shown: Int[np.ndarray, " r"] = np.concatenate([np.flatnonzero(~wrong), np.flatnonzero(wrong)])[:SHOWN]
    images = np.stack([target.images[shown], *worst.images[:, shown]], axis=1)  # (r, 1 + e, h, w, c)
    flat = _answers(target.logits_fn, jnp.asarray(images.reshape(-1, *images.shape[2:])))
    answers = flat.reshape(*images.shape[:2], -1)
    words = [[f"{short_name(class_names[a.argmax()], 14)} {percent(a.max())}" for a in row] for row in answers]
    broken = answers.argmax(-1) != target.labels[shown][:, None]
    return report.sheet(images, words, broken, ["no attack", *written])


if __name__ == "__main__":
    command(main, Config)

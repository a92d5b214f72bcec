"""How strong our attacks are: robust accuracy beside torchattacks and Foolbox, at the same number of steps and queries.

The same weights, the same pictures, the same budgets; each side's pictures are judged by the network it attacked, and
checked to lie within the budget. A weaker attack flatters a network, so what counts is who leaves fewer pictures right,
and on which pictures the two differ. Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of
diverse parameter-free attacks", https://arxiv.org/abs/2003.01690, 2020.

Without flags: test digits of MNIST and the network that learned them (MNIST in JAXVISION_HOME). `--weights imagenet
--images FOLDER --labels labels.json` compares on photographs that are classified rightly. Needs PyTorch, torchattacks
and Foolbox (extra `peers`, and pip install --no-deps torchattacks). Expected: the same accuracies but for what another
seed changes, and lower ones where the network is sure (docs/attacks.md). Writes a table for each network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from experiments import runs
from experiments.attack_methods import ATTACKS, Outcome, Problem
from experiments.attack_subjects import Subject, subject
from experiments.command import command
from experiments.inputs import load_inputs, require_number
from experiments.networks import Network, load_network
from experiments.tables import Lines, print_table, write_table
from jaxvision.errors import InputError
from jaxvision.files import parse_json
from jaxvision.pixels import in_chunks
from jaxvision.training import Run, new_run

BudgetAttackName = Literal[
    "fgsm",
    "mi_fgsm",
    "ni_fgsm",
    "di_fgsm",
    "pgd",
    "apgd",
    "apgd_dlr",
    "apgd_targeted",
    "fab",
    "square",
    "autoattack",
]
ALL: tuple[BudgetAttackName, ...] = get_args(BudgetAttackName)
QUICK = ("fgsm", "mi_fgsm", "ni_fgsm", "di_fgsm", "pgd")  # one chain of steps each, and so for more pictures
SHORT = ("mi_fgsm", "ni_fgsm", "di_fgsm", "apgd_targeted", "fab", "autoattack")  # a quarter of the steps
SLACK = 0.003  # of accuracy, within which two attacks are called equally strong
ROUNDING = 1e-6  # of float32
WHAT = (
    "pictures that stay right, in percent, at each budget, after our attack and after theirs; alone: pictures that "
    "ours alone fools the network about : that theirs alone does; budget: steps, where it says so for each of nine "
    "targets, and queries (q)"
)

# What suits the pictures: digits are a thousand times cheaper than photographs.
DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {"n_samples": 512, "n_searched": 128, "n_steps": 40, "n_queries": 300, "eps": (0.1, 0.2, 0.3)},
    "photographs": {
        "n_samples": 16,
        "n_searched": 16,
        "n_steps": 20,
        "n_queries": 50,
        "eps": (1 / 255, 2 / 255, 4 / 255),
    },
}


@dataclass(frozen=True)
class Config:
    """The settings of one comparison."""

    weights: tuple[str, ...] = ("mnist",)
    """networks: mnist, mnist_robust, imagenet, scenes, or safetensors files of a SqueezeNet or this project's LeNet"""
    images: tuple[str, ...] = ()
    """files, folders or globs of photographs; none: test digits, held-out scenes, or sample photographs"""
    labels: Path | None = None
    """JSON, file names of the photographs to their classes; none: what the network takes them for is right"""
    attacks: tuple[BudgetAttackName, ...] = ALL
    """which"""
    eps: tuple[float, ...] = ()
    """budgets in units of the range [0, 1]; none: 0.1, 0.2, 0.3 for digits, 1/255, 2/255, 4/255 otherwise"""
    n_samples: int | None = None
    """pictures at most (a count), of fgsm, mi_fgsm, ni_fgsm, di_fgsm and pgd; none: 512 digits, 16 photographs"""
    n_searched: int | None = None
    """pictures at most (a count), the first of these, of the other attacks; none: 128 digits, 16 photographs"""
    n_steps: int | None = None
    """of pgd, apgd and apgd_dlr; a quarter of mi_, ni_ and di_fgsm, and for each target; none: 40, of photographs 20"""
    n_queries: int | None = None
    """passes forward of square, alone and in autoattack (a count); none: 300, of photographs 50"""
    seed: int = 0
    """of what is random, on both sides"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/attack_strength-NNN"""


@dataclass(frozen=True)
class Row:
    """One attack of ours beside one of theirs."""

    network: str
    attack: str
    package: str
    n_images: int
    n_steps: int
    n_queries: int
    eps: tuple[float, ...]
    ours: tuple[float, ...]
    """share of pictures that are right under attack, at each budget"""
    theirs: tuple[float, ...]
    only_ours: tuple[int, ...]
    """pictures that our attack alone fools the network about, at each budget"""
    only_theirs: tuple[int, ...]


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    rows: tuple[Row, ...]
    above: int
    """comparisons, of a row and a budget, in which our attack leaves more than 0.3 points more right"""
    n_comparisons: int


def main(config: Config) -> Result:
    """Attacks by both sides, and writes a table for each network.

    Args:
        config: the settings.

    Returns:
        A row for each attack and package beside ours.

    Raises:
        InputError: if a setting, a picture or a network cannot be used, or a package is not installed.
        FloatingPointError: if an attack went beyond its budget.
    """
    for flag in ("n_samples", "n_searched", "n_steps", "n_queries"):
        require_number(config, flag, at_least=1)
    if any(not 0 < e < np.inf for e in config.eps) or list(config.eps) != sorted(set(config.eps)):
        raise InputError(f"--eps must be ascending numbers above 0, got {' '.join(map(str, config.eps))}")
    if not config.weights or not config.attacks:
        raise InputError("--weights and --attacks need at least one name each")
    if find_spec("torch") is None:
        raise InputError('this comparison needs PyTorch: pip install "jaxvision[peers]"')
    networks = [load_network(weights) for weights in dict.fromkeys(config.weights)]
    rows = list[Row]()
    with new_run("attack_strength", config, run_dir=config.run_dir) as run:
        for number, network in enumerate(networks, 1):
            found = compared(config, network, run)
            lines, caption = table(found), f"{found[0].network}: {WHAT}. {versions()}"
            write_table(run.path / f"{number}.md", lines, caption)
            print_table(lines, caption)
            rows += found
        above = sum(a > b + SLACK for row in rows for a, b in zip(row.ours, row.theirs, strict=True))
        result = Result(run.path, tuple(rows), above, sum(len(row.ours) for row in rows))
        run.note(f"ours leaves over 0.3 points more right in {above} of {result.n_comparisons} comparisons")
        run.finish(result)
    return result


def compared(config: Config, network: Network, run: Run) -> list[Row]:
    """Every attack by both sides on one network."""
    settings: Any = runs.filled(config, DEFAULTS["digits" if network.samples == "digits" else "photographs"])
    target = pictures(config, network, settings.n_samples)
    run.note(f"{network.note} {len(target.images)} {target.truth}.")
    theirs = twin_attacks(network, target)
    rows = list[Row]()
    for name in config.attacks:
        n = len(target.images) if name in QUICK else min(settings.n_searched, len(target.images))
        problem = Problem(
            target.logits_fn,
            jnp.asarray(target.images[:n]),
            jnp.asarray(target.labels[:n]),
            jnp.asarray(settings.eps, jnp.float32),
            "linf",
            1 if name == "fgsm" else max(settings.n_steps // 4, 1) if name in SHORT else settings.n_steps,
            settings.n_queries,
            jax.random.key(config.seed),
        )
        outcome = ATTACKS[name](problem)
        wrong = np.asarray(in_chunks(target.logits_fn, problem.images)).argmax(1) != target.labels[:n]
        ours = Outcome(outcome.images, outcome.broken | wrong[None], None)
        for package, found in theirs(name, problem, config.seed):
            require_within_budget(f"our {name}", problem, ours)
            require_within_budget(f"{name} of {package}", problem, found)
            rows.append(row_of(network.name, name, package, problem, ours.broken, found.broken))
            run.note(f"{name}, {package}: {shares(rows[-1].ours)} % right, theirs {shares(rows[-1].theirs)} %")
    return rows


def twin_attacks(network: Network, target: Subject) -> Callable[[str, Problem, int], list[tuple[str, Outcome]]]:
    """`(attack, problem, seed) -> [(package, outcome), ...]`, of those packages that have the attack.

    Raises:
        FloatingPointError: if the network in PyTorch says something else of the first picture.
    """
    from experiments import peers_strength as peers  # noqa: PLC0415 - PyTorch is an extra

    net, first = peers.twin(network), target.images[:1]
    said, says = np.asarray(target.logits_fn(jnp.asarray(first))), peers.logits(net, first)
    if not np.allclose(said, says, rtol=1e-3, atol=1e-3 * np.abs(said).max()):
        raise FloatingPointError(f"{network.name} is not the same network in PyTorch: {says} for {said}")

    def attacked(name: str, problem: Problem, seed: int) -> list[tuple[str, Outcome]]:
        images, labels = np.asarray(problem.images), np.asarray(problem.labels)
        budgets = [peers.Budget(float(e), problem.n_steps, problem.n_queries, seed) for e in np.asarray(problem.eps)]
        found = list[tuple[str, Outcome]]()
        for package, of in peers.PACKAGES.items():
            attacks = [of(name, net, budget) for budget in budgets]
            ends = [peers.attacked(net, attack, images, labels, seed) for attack in attacks if attack is not None]
            if ends:
                changed, broken = (np.stack(x) for x in zip(*ends, strict=True))
                found.append((package, Outcome(changed, broken, None)))
        return found

    return attacked


def pictures(config: Config, network: Network, n: int) -> Subject:
    """What is attacked; photographs with labels are those that the network is right about.

    Raises:
        InputError: if the labels cannot be read, a photograph has none, or the network is right about none.
    """
    if config.labels is None:
        target = subject(network, config.images, n_samples=n, seed=config.seed)
        return target._replace(images=target.images[:n], labels=target.labels[:n])
    if not config.images:
        raise InputError("--labels are of photographs: give them with --images")
    classes = read_labels(config.labels)
    target = subject(network, config.images, n_samples=n, seed=config.seed)
    names = load_inputs(network, config.images, n_samples=n, seed=config.seed).names
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise InputError(f"--labels {config.labels} has no class of {', '.join(unknown[:3])}: add it, or leave it out")
    labels = np.asarray([classes[name] for name in names], np.int32)
    right = np.flatnonzero(labels == target.labels)[:n]  # the subject's labels are the network's own answers
    if not len(right):
        raise InputError(f"{network.name} is right about none of {len(names)} photographs: are the labels its classes?")
    return target._replace(images=target.images[right], labels=labels[right], truth="photographs classified rightly")


def read_labels(path: Path) -> dict[str, int]:
    """What `--labels` names: JSON, the class of each photograph.

    Returns:
        Classes by the photographs' names without suffix.

    Raises:
        InputError: if the file cannot be read or is something else.
    """
    like = "must be JSON like {'cat.jpg': 281}"
    try:
        content = parse_json(path.read_bytes(), f"--labels {path}", like)
    except OSError as error:
        raise InputError(f"--labels {path} cannot be read ({error.strerror or error}): it {like}") from error
    whole = isinstance(content, dict) and all(type(label) is int for label in content.values())
    if not whole or any(not 0 <= label < 2**31 for label in content.values()):
        raise InputError(f"--labels {path} {like}: give the number of a class for each name")
    return {Path(file).stem: label for file, label in content.items()}


def require_within_budget(what: str, problem: Problem, outcome: Outcome) -> None:
    """Refuses pictures that an attack had no right to.

    Raises:
        FloatingPointError: if a value changed by more than the budget, or is beyond [0, 1].
    """
    changes = np.abs(outcome.images - np.asarray(problem.images)[None]).max(axis=(1, 2, 3, 4))
    allowed = np.asarray(problem.eps) + ROUNDING
    if not (changes <= allowed).all() or not (np.abs(outcome.images - 0.5) <= 0.5 + ROUNDING).all():
        raise FloatingPointError(f"{what} went beyond its budget: changes up to {changes} for {problem.eps}")


def row_of(
    network: str,
    attack: str,
    package: str,
    problem: Problem,
    ours: Bool[np.ndarray, "e n"],
    theirs: Bool[np.ndarray, "e n"],
) -> Row:
    """Counts of which pictures are broken by whom."""
    n_queries = problem.n_queries if attack in ("square", "autoattack") else 0
    return Row(
        network=network,
        attack=attack,
        package=package,
        n_images=ours.shape[1],
        n_steps=problem.n_steps,
        n_queries=n_queries,
        eps=tuple(np.asarray(problem.eps).tolist()),
        ours=tuple((1 - ours.mean(1)).tolist()),
        theirs=tuple((1 - theirs.mean(1)).tolist()),
        only_ours=tuple((ours & ~theirs).sum(1).tolist()),
        only_theirs=tuple((theirs & ~ours).sum(1).tolist()),
    )


def table(rows: list[Row]) -> Lines:
    """A line for each attack and package, three columns for each budget."""
    scale = 255 if rows[0].eps[0] < 1 / 64 else 1
    names = [f"{scale * e:.3g}{'/255' if scale > 1 else ''}" for e in rows[0].eps]
    head = ["attack", "beside", "pictures", "budget"]
    lines = [(*head, *(f"{name}: {what}" for name in names for what in ("ours", "theirs", "alone")))]
    for row in rows:
        targets = "9 x " if row.attack in ("apgd_targeted", "fab", "autoattack") else ""
        spent = [f"{targets}{row.n_steps}"] * (row.attack != "square") + [f"{row.n_queries} q"] * (row.n_queries > 0)
        cells = [
            (f"{100 * a:.1f}", f"{100 * b:.1f}", f"{only_a} : {only_b}")
            for a, b, only_a, only_b in zip(row.ours, row.theirs, row.only_ours, row.only_theirs, strict=True)
        ]
        lines.append(
            (row.attack, row.package, str(row.n_images), ", ".join(spent), *(x for cell in cells for x in cell))
        )
    return lines


def shares(values: tuple[float, ...]) -> str:
    """Shares in percent."""
    return ", ".join(f"{100 * value:.1f}" for value in values)


def versions() -> str:
    """What was compared with what."""
    packages = ("jax", "torch", "torchattacks", "foolbox")
    return ", ".join(f"{name} {metadata.version(name)}" for name in packages if find_spec(name) is not None)


if __name__ == "__main__":
    command(main, Config)

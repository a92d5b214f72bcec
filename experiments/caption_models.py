"""Compares captioners on hard scenes: who tells the truth, and who looks at what it names.

Each captioner is trained on the same scenes with several seeds: a plain LSTM that sees the mean of SceneNet's cells
("plain"), one that sees the objects that SceneNet finds ("plain, objects", the features of `experiments.caption`), and
those that attend to the cells. Judged are greedy captions of held-out scenes: the share of the stated colours, shapes,
counts and relations that are true, CIDEr-D, and the pointing game. Times of a training step are measured in turns, so
that whatever else the machine does slows all of them alike. Writes models.md, a table, and models.json.
"""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import caption, caption_data, caption_losses, caption_settings, caption_training, optimizers, runs
from experiments.caption_data import Data
from experiments.caption_pointing import pointing_game
from experiments.caption_scores import STATED, judged
from experiments.captioners import new_captioner
from experiments.command import command, command_line
from experiments.inputs import require_number
from jaxvision.captioning import caption_loss
from jaxvision.data.scenes import GRID
from jaxvision.errors import InputError
from jaxvision.files import atomic_write
from jaxvision.metrics.captions import evaluate
from jaxvision.training import Run, new_run

GUIDED = ", guided"
ATTENTIVE = ("attention", "adaptive", "top_down", "transformer")
NAMES = ("plain", "plain, objects", *ATTENTIVE, *(name + GUIDED for name in ATTENTIVE))
POINTING = ("shape_words", "color_words", "shape_boxes", "color_boxes")
T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t, two-sided, by the number of seeds
SHARED = ("n_train", "n_held_out", "steps", "batch_size", "learning_rate", "hidden_size", "embed_size")
ROUNDS = 15  # of timing


@dataclass(frozen=True)
class Config:
    """The settings of the comparison."""

    models: tuple[str, ...] = NAMES
    """which of plain, "plain, objects", attention, adaptive, top_down, transformer, and "NAME, guided" of the last four
    with guided attention; the first is what the others are held against"""
    seeds: int = 3
    """trainings of each, with seeds 0, 1, ...; 2 to 5"""
    n_train: int = 3000
    """hard scenes to learn from, five captions each"""
    n_held_out: int = 500
    """hard scenes to be judged by"""
    steps: int = 1500
    """updates of each training"""
    batch_size: int = 64
    """captions in an update"""
    learning_rate: float = 3e-3
    """peak, after the warm-up"""
    hidden_size: int = 128
    """of states, of a transformer between the two weights that end a layer"""
    embed_size: int = 64
    """of a word's vector, of attention's keys, of a transformer's rows"""
    guide_attention: float = 1.0
    """of those that are guided: weight of the loss that tells them where the named object is"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/caption_models-NNN"""


class Trial(NamedTuple):
    """One training, judged; shares in [0, 1]."""

    model: str
    seed: int
    parameters: int
    loss: float | None
    """nats per caption, last tenth of the training"""
    claims: float
    """stated colours, shapes, counts and relations that are true"""
    captions: float
    """captions true throughout"""
    cider_d: float
    shape_words: float | None
    """pointing game; none of a captioner that does not attend"""
    color_words: float | None
    chance: float | None
    shape_boxes: float | None
    """pointing game, on the box around the object"""
    color_boxes: float | None
    chance_boxes: float | None


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    trials: tuple[Trial, ...]
    step_seconds: dict[str, float]
    """median time of a training step, measured in turns"""
    table: str


def main(config: Config) -> Result:
    """Trains all, judges all, writes the table.

    Raises:
        InputError: if settings are out of range or files cannot be read or written.
    """
    for name in (*SHARED, "guide_attention"):
        require_number(config, name, above=0)
    if config.seeds not in T_95:
        raise InputError(f"--seeds must be 2 to 5, for an interval, got {config.seeds}")
    if not config.models or not set(config.models) <= set(NAMES):
        raise InputError(f"--models must be some of {', '.join(NAMES)}, got {' '.join(config.models) or 'none'}")
    with new_run("caption_models", config, run_dir=config.run_dir) as run:
        seen = _seen(tuple(dict.fromkeys(config.models)), config)
        trials: list[Trial] = []
        for seed in range(config.seeds):
            for name, data in seen.items():
                trials.append(_trial(name, seed, data, config, run))
                run.note(f"{name}, seed {seed}: {100 * trials[-1].claims:.1f} % of the claims are true")
                _write(run.picture("models.json"), json.dumps([trial._asdict() for trial in trials], indent=1))
        seconds = step_seconds({name: _step(name, data, config) for name, data in seen.items()})
        table = f"`{command_line('caption_models', config)}`\n\n{rows(trials, seconds)}"
        _write(run.picture("models.md"), table)
        print(table)
        result = Result(run.path, tuple(trials), seconds, table)
        run.finish(result)
    return result


def rows(trials: Sequence[Trial], seconds: dict[str, float]) -> str:
    """The table: means over seeds with their 95 % intervals by Student's t, and what each has more than the first."""
    names = list(dict.fromkeys(trial.model for trial in trials))
    of = {name: [trial for trial in trials if trial.model == name] for name in names}
    lines = [
        "| captioner | parameters | claims true, % | more than the first, % | captions true, % | CIDEr-D "
        "| on the shape named, % | on the colour named, % | in the shape's box, % | in the colour's box, % | step |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        more = [100 * (a.claims - b.claims) for a, b in zip(of[name], of[names[0]], strict=True)]
        values = [
            name,
            f"{of[name][0].parameters:,}",
            _interval([100 * trial.claims for trial in of[name]]),
            "" if name == names[0] else _interval(more),
            _interval([100 * trial.captions for trial in of[name]]),
            _interval([trial.cider_d for trial in of[name]], digits=2),
            *(_shares(of[name], which) for which in POINTING),
            f"{seconds[name] / seconds[names[0]]:.2f}",
        ]
        lines.append(f"| {' | '.join(values)} |")
    return "\n".join(lines)


def _interval(values: Sequence[float], *, digits: int = 1) -> str:
    half = T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):.{digits}f} ± {half:.{digits}f}"


def _shares(trials: Sequence[Trial], which: str) -> str:
    values = [getattr(trial, which) for trial in trials]
    return "" if None in values else _interval([100 * value for value in values])


def _seen(names: Sequence[str], config: Config) -> dict[str, Data]:
    """The data as each captioner sees it."""
    sizes = (config.n_train, config.n_held_out, caption_settings.MAX_LENGTH["scenes"])
    guided = caption_data.scenes(*sizes, grid=True, hard=True, named=any(name.endswith(GUIDED) for name in names))
    cells = dataclasses.replace(guided, train=dataclasses.replace(guided.train, named=None))
    train, held_out = (
        dataclasses.replace(split, features=split.features.mean(axis=1, dtype=np.float32))
        for split in (cells.train, cells.held_out)
    )
    seen = {name: guided if name.endswith(GUIDED) else cells for name in names}
    seen["plain"] = dataclasses.replace(cells, train=train, held_out=held_out)
    if "plain, objects" in names:
        seen["plain, objects"] = caption_data.scenes(*sizes, hard=True)
    return {name: seen[name] for name in names}


def _settings(name: str, seed: int, config: Config, run_dir: Path | None) -> Any:
    model: Any = name.split(",")[0]
    weight = config.guide_attention if name.endswith(GUIDED) else 0.0
    few = {field: getattr(config, field) for field in SHARED}
    return caption.resolved(
        caption.Config(
            model=model,
            seed=seed,
            hard=True,
            guide_attention=weight,
            run_dir=run_dir,
            checkpoint_every=config.steps,
            **few,
        )
    )


def _trial(name: str, seed: int, data: Data, config: Config, run: Run) -> Trial:
    settings = _settings(name, seed, config, run.path / f"{name.replace(', ', '_')}-{seed}")
    with runs.open_run("caption", settings) as own:
        trained = caption_training.train(settings, data, own)
    captioner, shown, scenes = trained.captioner, data.held_out, data.scenes
    assert scenes is not None
    said = captioner.captions(shown.features, "greedy")
    truth = judged({"greedy": said}, scenes)["greedy"]
    points, boxes = None, None
    if shown.features.ndim == 3:
        maps = captioner.maps(shown.features, said)
        points, boxes = (pointing_game(said, maps, scenes, GRID, boxes=of_boxes) for of_boxes in (False, True))
    return Trial(
        model=name,
        seed=seed,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(captioner.model)),
        loss=trained.loss,
        claims=truth.share(STATED),
        captions=truth.captions,
        cider_d=evaluate(said, shown.references, tokenize=data.tokenize).corpus.cider_d,
        shape_words=points["shape"].hits if points else None,
        color_words=points["color"].hits if points else None,
        chance=points["shape"].chance if points else None,
        shape_boxes=boxes["shape"].hits if boxes else None,
        color_boxes=boxes["color"].hits if boxes else None,
        chance_boxes=boxes["shape"].chance if boxes else None,
    )


def _step(name: str, data: Data, config: Config) -> Callable[[], Any]:
    """A training step, compiled: loss, gradients, the optimiser's update."""
    features = jnp.asarray(data.train.features[: config.batch_size], jnp.float32)
    tokens = jnp.asarray(data.train.tokens[: config.batch_size])
    settings = _settings(name, 0, config, None)
    model = new_captioner(settings, jax.random.key(0), features.shape[-1], len(data.vocabulary))
    rate = optimizers.warm_cosine(config.learning_rate, config.steps, 0.05)
    optimizer = optimizers.adamw(rate, weight_decay=1e-4, clip=caption_losses.CLIP)
    state = optimizer.init(model)

    @jax.jit
    def step(model: Any, state: Any) -> Any:
        gradient = jax.grad(caption_loss)(model, features, tokens)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, after = optimizer.update(gradient, state, model)
        return jax.tree.map(jnp.add, model, updates), after

    return lambda: jax.block_until_ready(step(model, state))


def step_seconds(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The median time of each call, in turns, after one that compiles.

    Example:
        >>> sorted(step_seconds({"a": lambda: None, "b": lambda: None}))
        ['a', 'b']
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if number:
                taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _write(path: Path, text: str) -> None:
    with atomic_write(path, text=True) as stream:
        stream.write(text + "\n")


if __name__ == "__main__":
    command(main, Config)

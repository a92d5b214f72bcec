"""Measures self-critical training: what it gains over the cross-entropy model, and what a step of it costs.

From one captioner, with several seeds, as many steps again are taken twice: of cross-entropy, and of self-critical
training, from the same data with the same rate. Judged on held-out scenes are greedy captions and those of a beam
search. Steps are timed in turns, so that whatever else the machine does slows all of them alike. Writes rewards.md,
tables, and rewards.json.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments import caption, caption_data, caption_losses, caption_training, runs
from experiments.caption_data import Data
from experiments.caption_losses import SELF_CRITICAL
from experiments.caption_models import T_95, step_seconds
from experiments.caption_scores import STATED, judged
from experiments.captioner_files import EMBEDDED, TrainedCaptioner, load_captioner
from experiments.command import command, command_line
from experiments.inputs import require_number
from jaxvision.captioning import cider_reward, self_critical_loss
from jaxvision.errors import InputError
from jaxvision.files import atomic_write
from jaxvision.metrics.captions import evaluate
from jaxvision.training import Run, gradient_step, new_run, start


@dataclass(frozen=True)
class Config:
    """The settings of the measurement."""

    captioner: Path = EMBEDDED
    """where both go on from: a plain captioner of scenes with 256 states, a file of experiments.caption --export"""
    seeds: int = 3
    """trainings of each kind, with seeds 0, 1, ...; 2 to 5"""
    n_train: int = 4000
    """scenes to learn from"""
    n_held_out: int = 1000
    """scenes to be judged by"""
    steps: int = 300
    """of each training"""
    batch_size: int = 128
    """captions in a step, written or drawn"""
    learning_rate: float = 2e-4
    """peak, of both kinds"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/caption_rewards-NNN"""


class Trial(NamedTuple):
    """One captioner on held-out scenes."""

    kind: str
    seed: int
    greedy: float
    """CIDEr-D"""
    beam: float
    """CIDEr-D"""
    claims: float
    """share of the stated colours, shapes, counts and relations that are true, of greedy captions"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    trials: tuple[Trial, ...]
    step_seconds: dict[str, float]
    """median time of a training step, measured in turns"""
    table: str


def main(config: Config) -> Result:
    """Trains all, judges all, writes the tables.

    Raises:
        InputError: if settings are out of range or files cannot be read or written.
    """
    for name in ("n_train", "n_held_out", "steps", "batch_size", "learning_rate"):
        require_number(config, name, above=0)
    if config.seeds not in T_95:
        raise InputError(f"--seeds must be 2 to 5, for an interval, got {config.seeds}")
    with new_run("caption_rewards", config, run_dir=config.run_dir) as run:
        before = load_captioner(config.captioner)
        data = caption_data.scenes(config.n_train, config.n_held_out, before.max_length)
        trials = [_judged("before", 0, before, data)]
        for seed in range(config.seeds):
            for kind in ("cross-entropy", "self-critical"):
                trials.append(_trial(kind, seed, data, config, run))
                run.note(f"{kind}, seed {seed}: CIDEr-D {trials[-1].greedy:.3f}, before {trials[0].greedy:.3f}")
                _write(run.picture("rewards.json"), json.dumps([trial._asdict() for trial in trials], indent=1))
        seconds = step_seconds(steps(before.model, data, config.batch_size))
        table = f"`{command_line('caption_rewards', config)}`\n\n{rows(trials)}\n\n{costs(seconds)}"
        _write(run.picture("rewards.md"), table)
        print(table)
        result = Result(run.path, tuple(trials), seconds, table)
        run.finish(result)
    return result


def rows(trials: Sequence[Trial]) -> str:
    """The table: means over seeds with their 95 % intervals by Student's t, and what each has more than `before`."""
    lines = [
        "| captioner | CIDEr-D, greedy | more than before | CIDEr-D, beam | claims true, % |",
        "|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(trial.kind for trial in trials):
        of = [trial for trial in trials if trial.kind == kind]
        more = "" if kind == "before" else _interval([trial.greedy - trials[0].greedy for trial in of], 3)
        values = [_interval([trial.greedy for trial in of], 3), more, _interval([trial.beam for trial in of], 3)]
        lines.append(f"| {kind} | {' | '.join(values)} | {_interval([100 * trial.claims for trial in of], 1)} |")
    return "\n".join(lines)


def costs(seconds: dict[str, float]) -> str:
    """The table: each step's time as a multiple of the first's."""
    first = next(iter(seconds.values()))
    lines = ["| step | times cross-entropy |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value / first:.2f} |" for name, value in seconds.items())])


def steps(model: Any, data: Data, batch_size: int) -> dict[str, Callable[[], Any]]:
    """A step of each kind, compiled: drawing and reward, loss, gradients, the optimiser's update.

    Args:
        model: the captioner, of features as they are.
        data: what it learns.
        batch_size: captions in a step; of the second step, also images.
    """
    settings, key = _settings("self-critical", 0, Config(), None, length=data.train.tokens.shape[1]), jax.random.key(0)
    optimizer = caption_losses.optimizer(settings, Config().steps, settings.learning_rate)
    features = jnp.asarray(data.train.features)
    written = caption_losses.written(features, data.train, key, batch_size=batch_size, n_steps=1)(jnp.int32(0))
    five = caption_losses.judged(features, data.train, key, batch_size=batch_size)(jnp.int32(0))
    n_images = batch_size * caption_losses.NUM_SAMPLES
    one_each = caption_losses.judged(features, data.train, key, batch_size=n_images)(jnp.int32(0))

    def beside_greedy(model: Any, batch: caption_losses.Judged, key: Any) -> Any:
        reward = cider_reward(batch.weights, batch.references, batch.lengths)
        loss, _ = self_critical_loss(model, batch.features, key, reward, max_length=settings.max_length - 1)
        return loss, {}

    kinds = {
        f"cross-entropy, {batch_size} captions": (caption_losses.cross_entropy(settings), written),
        f"self-critical, one caption of {batch_size} images and a greedy one": (beside_greedy, one_each),
        f"self-critical, {batch_size // 5 * 5} captions, five an image": (caption_losses.self_critical(settings), five),
    }

    def call(loss_fn: Any, batch: Any) -> Callable[[], Any]:
        step_fn, state = jax.jit(gradient_step(loss_fn, optimizer)), start(model, optimizer, key=key)
        return lambda: jax.block_until_ready(step_fn(state, batch))

    return {name: call(*kind) for name, kind in kinds.items()}


def _settings(kind: str, seed: int, config: Config, run_dir: Path | None, *, length: int) -> Any:
    few: dict[str, Any] = {"n_train": config.n_train, "batch_size": config.batch_size, "seed": seed, "run_dir": run_dir}
    few |= {"max_length": length, "start_from": config.captioner, "checkpoint_every": config.steps}
    if kind == "self-critical":
        few |= {"steps": 0, "self_critical": config.steps, "learning_rate": config.learning_rate / SELF_CRITICAL}
    else:
        few |= {"steps": config.steps, "learning_rate": config.learning_rate}
    return caption.resolved(caption.Config(**few))


def _trial(kind: str, seed: int, data: Data, config: Config, run: Run) -> Trial:
    length = data.train.tokens.shape[1]
    settings = _settings(kind, seed, config, run.path / f"{kind}-{seed}", length=length)
    with runs.open_run("caption", settings) as own:
        trained = caption_training.train(settings, data, own)
    return _judged(kind, seed, trained.captioner, data)


def _judged(kind: str, seed: int, captioner: TrainedCaptioner, data: Data) -> Trial:
    assert data.scenes is not None
    features, references = data.held_out.features, data.held_out.references
    said = {decoder: captioner.captions(features, decoder) for decoder in ("greedy", "beam")}
    scores = {name: evaluate(captions, references, tokenize=data.tokenize) for name, captions in said.items()}
    claims = judged({"greedy": said["greedy"]}, data.scenes)["greedy"].share(STATED)
    return Trial(kind, seed, scores["greedy"].corpus.cider_d, scores["beam"].corpus.cider_d, claims)


def _interval(values: Sequence[float], digits: int) -> str:
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {T_95[len(values)] * statistics.stdev(values) / len(values) ** 0.5:.{digits}f}"


def _write(path: Path, text: str) -> None:
    with atomic_write(path, text=True) as stream:
        stream.write(text + "\n")


if __name__ == "__main__":
    command(main, Config)

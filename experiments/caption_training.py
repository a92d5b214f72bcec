"""Training a captioner on features that are kept on the device, and its card."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from experiments import caption_losses, cards, meshes, runs
from experiments.caption_data import Data, Split
from experiments.caption_losses import Judged, Written
from experiments.captioner_files import TrainedCaptioner, load_captioner
from experiments.captioners import OfRawCells, moments, new_captioner, with_raw_input, with_scaled_input
from experiments.command import command_line
from experiments.meshes import DIVIDED, WHOLE
from jaxvision.errors import InputError
from jaxvision.files import atomic_write, parse_json
from jaxvision.metrics.captions import evaluate
from jaxvision.training import Run, TrainState, averaged, gradient_step, start

BY_HEART = 50  # captions of the assignment's sanity run
N_LOOKED_AT = 200  # held-out pictures captioned at every checkpoint
_MEND = "take the line out, or the whole file"


class Trained(NamedTuple):
    """What a training gives."""

    captioner: TrainedCaptioner
    loss: float | None  # mean over the last tenth of the cross-entropy steps, nats per caption
    reward: float | None  # mean CIDEr-D of captions drawn in the last tenth of the self-critical steps
    validation: list[dict[str, Any]]  # of each checkpoint
    seconds: float


def train(config: Any, data: Data, run: Run) -> Trained:
    """Trains until `config.steps` by what people wrote, then `config.self_critical` steps by CIDEr-D.

    At every checkpoint held-out pictures are looked at.

    Args:
        config: the resolved settings of `experiments.caption`.
        data: what to learn.
        run: where metrics and checkpoints go; with `config.resume` the run to go on with.
    """
    key = jax.random.key(config.seed)
    model, mean, scale = _beginning(config, key, data)
    features = ((data.train.features - mean) / scale).astype(data.train.features.dtype)
    log = run.path / "validation.jsonl"

    def finished(state: TrainState) -> TrainedCaptioner:
        model = averaged(state.optimizer_state) if config.ema_decay else state.model
        return TrainedCaptioner(with_scaled_input(model, mean, scale), data.vocabulary, data.encoder, config.max_length)

    def look(state: TrainState) -> float:
        step = int(state.step)
        rows = [row for row in _rows(log) if row["step"] < step]  # of a run that was left later than it goes on, too
        rows.append({"step": step, **looked_at(finished(state), data)})
        with atomic_write(log, text=True) as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
        return rows[-1]["cider_d"]  # the checkpoint with the best captions is kept

    first, then = config.steps, config.steps + config.self_critical
    optimizer = caption_losses.optimizer(config, max(first, 1), config.learning_rate)
    state, seconds = start(model, optimizer, key=key), 0.0
    state = meshes.restored(run, state, meshes.layout(config)) if config.resume else state
    go_on = partial(_trained, config, run, after_checkpoint=None if config.overfit else look)
    if int(state.step) < first:
        batches = caption_losses.written(features, data.train, key, batch_size=config.batch_size, n_steps=first)
        step_fn = gradient_step(caption_losses.cross_entropy(config), optimizer)
        where = None if data.train.named is None else DIVIDED
        state, seconds = go_on(state, step_fn, batches, first, Written(DIVIDED, DIVIDED, WHOLE, where))
    if int(state.step) < then:
        optimizer = caption_losses.optimizer(
            config, config.self_critical, config.learning_rate * caption_losses.SELF_CRITICAL
        )
        if int(state.step) == first:  # the second phase begins with the model that an export would have had
            model = averaged(state.optimizer_state) if config.ema_decay else state.model
            state = start(model, optimizer, key=key)._replace(step=state.step)
        batches = caption_losses.judged(features, data.train, key, batch_size=config.batch_size)
        step_fn = gradient_step(caption_losses.self_critical(config), optimizer)
        state, more = go_on(state, step_fn, batches, then, Judged(DIVIDED, DIVIDED, DIVIDED, WHOLE))
        seconds += more
    rows = run.metrics()
    return Trained(finished(state), _last(rows, "loss"), _last(rows, "reward"), _rows(log), seconds)


def looked_at(captioner: TrainedCaptioner, data: Data) -> dict[str, Any]:
    """How a captioner does on some held-out pictures: the loss of their captions, scores of its own, three of them."""
    few = _first(data.held_out, N_LOOKED_AT)
    loss = caption_losses.held_out_loss(captioner.model, *map(jnp.asarray, (few.features, few.tokens, few.pictures)))
    said = captioner.captions(few.features, "greedy")
    corpus = evaluate(said, few.references, tokenize=data.tokenize).corpus
    return {"loss": float(loss), "bleu_4": corpus.bleu_4, "cider_d": corpus.cider_d, "said": said[:3]}


def write_card(settings: Any, config: Any, data: Data, captioner: TrainedCaptioner, result: Any) -> Path:
    """The card of a captioner, beside its file."""
    n_parameters = sum(leaf.size for leaf in jax.tree.leaves(captioner.model))
    rows = {
        "command": f"`{command_line('caption', config)}`",
        "network": f"{_kind(settings)}, {n_parameters:,} parameters, {len(captioner.vocabulary)} words; float16",
        "features": captioner.encoder.preprocessing,
        "data": data.note,
        "training": f"{settings.steps} steps of {settings.batch_size} captions, AdamW with peak rate "
        f"{settings.learning_rate:g}, 5 % warm-up then cosine decay to zero, gradients clipped to norm "
        f"{caption_losses.CLIP:g}, seed {settings.seed}",
    }
    if result.loss is not None:
        rows |= {"loss": f"{result.loss:.3f} nats per caption, last tenth of the training"}
    if result.reward is not None:
        rows |= {
            "self-critical": f"{settings.self_critical} steps of {settings.batch_size} captions drawn, with peak rate "
            f"{settings.learning_rate * caption_losses.SELF_CRITICAL:g}; CIDEr-D {result.reward:.3f} of captions that "
            "were drawn, last tenth of the training"
        }
    if result.scores is not None:
        rows |= {"scores": "<br>".join(result.scores.lines())}
    return cards.table(settings.export, f"Captioner of {settings.dataset}", rows, seconds=result.seconds, same="scores")


def _kind(settings: Any) -> str:
    """The network in words."""
    if settings.model == "plain":
        return f"{settings.cell}, {settings.hidden_size} states"
    if settings.model == "transformer":
        return f"Transformer decoder, {settings.num_layers} layers of size {settings.embed_size}"
    kind = {"attention": "soft", "adaptive": "adaptive", "top_down": "top-down"}[settings.model]
    return f"{kind} attention, {settings.hidden_size} states"


def _trained(
    config: Any,
    run: Run,
    state: TrainState,
    step_fn: Any,
    batches: Any,
    n_steps: int,
    lies: Any,
    *,
    after_checkpoint: Callable[[TrainState], float | None] | None,
) -> tuple[TrainState, float]:
    """One phase, of a state that was restored already; `lies` says how its batches are divided."""
    return runs.trained(
        replace(config, resume=False),
        run,
        state,
        step_fn,
        batches,
        n_steps=n_steps,
        steps_per_dispatch=min(10, n_steps),
        after_checkpoint=after_checkpoint,
        layout=meshes.layout(config, lies),
    )


def _beginning(config: Any, key: Key[Array, ""], data: Data) -> tuple[Any, np.ndarray, np.ndarray]:
    """A new captioner, or that of `config.start_from`, of scaled features, and their mean and scale."""
    mean, scale = moments(data.train.features)
    new = new_captioner(config, key, data.train.features.shape[-1], len(data.vocabulary))
    if config.start_from is None:
        return new, mean, scale
    found = load_captioner(config.start_from)
    if isinstance(found.model, OfRawCells):
        model, mean, scale = found.model.model, np.asarray(found.model.mean), np.asarray(found.model.scale)
    else:
        model = with_raw_input(found.model, mean, scale)
    same = jax.tree.map(jnp.shape, model) == jax.tree.map(jnp.shape, new) and found.vocabulary == data.vocabulary
    if not same or (found.encoder.name, found.encoder.side) != (data.encoder.name, data.encoder.side):
        raise InputError(
            f"{config.start_from} holds a captioner of another kind, size, vocabulary or encoder than the settings: "
            "give the flags that it was trained with"
        )
    return model, mean, scale


def _last(rows: list[dict[str, Any]], name: str) -> float | None:
    """The mean of a metric over the last tenth of the steps of its phase."""
    values = [row[name] for row in rows if name in row and ("reward" in row) == (name == "reward")]
    return float(np.mean(values[-max(1, len(values) // 10) :])) if values else None


def _first(split: Split, n: int) -> Split:
    of_first = split.pictures < n
    return Split(split.features[:n], split.tokens[of_first], split.pictures[of_first], split.references[:n], None)


def _rows(log: Path) -> list[dict[str, Any]]:
    """The looks so far; the file is the reader's, who may have changed it."""
    lines = log.read_bytes().splitlines() if log.exists() else []
    rows = [parse_json(line, f"line {number} of {log}", _MEND) for number, line in enumerate(lines, 1)]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            raise InputError(f"line {number} of {log} is no look at held-out pictures: {_MEND}")
    return rows

"""Training a captioner on features that are kept on the device, and its card."""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key

from experiments import cards, optimizers, runs
from experiments.caption_data import Data, Split
from experiments.captioner_files import TrainedCaptioner
from experiments.captioners import moments, new_captioner, with_scaled_input
from experiments.command import command_line
from jaxvision.captioning import CaptionModel, caption_loss
from jaxvision.files import atomic_write
from jaxvision.metrics.captions import evaluate
from jaxvision.training import Run, TrainState, gradient_step, shuffled, start

BY_HEART = 50  # captions of the assignment's sanity run
N_LOOKED_AT = 200  # held-out pictures captioned at every checkpoint
CLIP = 5.0  # of the gradient's global norm, as in the field


class Trained(NamedTuple):
    """What a training gives."""

    captioner: TrainedCaptioner
    loss: float  # mean over the last tenth of the steps, nats per caption
    validation: list[dict[str, Any]]  # of each checkpoint
    seconds: float


def train(config: Any, data: Data, run: Run) -> Trained:
    """Trains until `config.steps`, with a look at held-out pictures at every checkpoint.

    Args:
        config: the resolved settings of `experiments.caption`.
        data: what to learn.
        run: where metrics and checkpoints go; with `config.resume` the run to go on with.
    """
    mean, scale = moments(data.train.features)
    features = ((data.train.features - mean) / scale).astype(data.train.features.dtype)
    key = jax.random.key(config.seed)
    model = new_captioner(config, key, features.shape[-1], len(data.vocabulary))
    rate = optimizers.warm_cosine(config.learning_rate, config.steps, 0.05)
    optimizer = optimizers.adamw(rate, weight_decay=0.0 if config.overfit else 1e-4, clip=CLIP)
    state = start(model, optimizer, key=key)
    arrays = (features, data.train.tokens, data.train.pictures)
    batches = Partial(partial(_batch, batch_size=config.batch_size), *map(jnp.asarray, arrays), key)

    def finished(model: CaptionModel) -> TrainedCaptioner:
        return TrainedCaptioner(with_scaled_input(model, mean, scale), data.vocabulary, data.encoder, config.max_length)

    log = run.path / "validation.jsonl"

    def look(state: TrainState) -> None:
        step = int(state.step)
        rows = [row for row in _rows(log) if row["step"] < step]  # of a run that was left later than it goes on, too
        rows.append({"step": step, **looked_at(finished(state.model), data)})
        with atomic_write(log, text=True) as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)

    state, seconds = runs.trained(
        config,
        run,
        state,
        gradient_step(_loss, optimizer),
        batches,
        n_steps=config.steps,
        steps_per_dispatch=min(10, config.steps),
        after_checkpoint=None if config.overfit else look,
    )
    losses = [row["loss"] for row in run.metrics()][-max(1, config.steps // 10) :]
    return Trained(finished(state.model), float(np.mean(losses)), _rows(log), seconds)


def looked_at(captioner: TrainedCaptioner, data: Data) -> dict[str, Any]:
    """How a captioner does on some held-out pictures: the loss of their captions, scores of its own, three of them."""
    few = _first(data.held_out, N_LOOKED_AT)
    loss = _loss_of(captioner.model, *map(jnp.asarray, (few.features, few.tokens, few.pictures)))
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
        f"{settings.learning_rate:g}, 5 % warm-up then cosine decay to zero, gradients clipped to norm {CLIP:g}, "
        f"seed {settings.seed}",
        "loss": f"{result.loss:.3f} nats per caption, last tenth of the training",
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
    kind = "soft attention" if settings.model == "attention" else "top-down attention"
    return f"{kind}, {settings.hidden_size} states"


def _loss(model: CaptionModel, batch: tuple[Array, Array], key: Key[Array, ""]) -> tuple[Array, dict[str, Array]]:
    features, tokens = batch
    loss = caption_loss(model, features, tokens)
    n_words = jnp.mean(jnp.sum(tokens[:, 1:] != 0, axis=1).astype(jnp.float32))
    return loss, {"per_word": loss / n_words}


def _batch(
    features: Float[Array, "m *d"],
    tokens: Int[Array, "k t"],
    pictures: Int[Array, " k"],
    key: Key[Array, ""],
    step: Int[Array, ""],
    *,
    batch_size: int,
) -> tuple[Array, Array]:
    rows = shuffled(key, step, batch_size=batch_size, n_examples=tokens.shape[0])
    return features[pictures[rows]].astype(jnp.float32), tokens[rows]


@jax.jit
def _loss_of(model: CaptionModel, features: Array, tokens: Array, pictures: Array) -> Array:
    return caption_loss(model, features[pictures].astype(jnp.float32), tokens)


def _first(split: Split, n: int) -> Split:
    of_first = split.pictures < n
    return Split(split.features[:n], split.tokens[of_first], split.pictures[of_first], split.references[:n], None)


def _rows(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []

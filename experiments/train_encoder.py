"""Trains the captioner's eyes: a small network that says what stands where in a procedural scene.

SceneNet answers for each of 8 x 8 cells: is an object's centre here, and what are its shape, colour, texture and size;
and for the background. The scenes are endless, rendered inside the compiled program and never repeated; AdamW, warm-up
and cosine decay. Redmon et al., "You only look once", 2015, https://arxiv.org/abs/1506.02640, for the grid.

Without flags it trains the network that comes with this project (its card: checkpoints/scenenet.md), 54 minutes on one
core. Ctrl-C leaves a run that `--resume` goes on with, to the same bits. Writes the curve of the training, what is
right on held-out scenes, and with --export the network.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key

from experiments import cards, figures, meshes, optimizers, runs, training_figures
from experiments.command import command, command_line
from experiments.inputs import require_number
from jaxvision import weights
from jaxvision.backbones import scenenet, state_dict
from jaxvision.data import render_scene, sample_scene, split_key
from jaxvision.data.scenes import N_SCORES, PART_SIZES, Parts, scene_parts, split_scores
from jaxvision.errors import InputError
from jaxvision.training import gradient_step, is_first, start

SIZE = 64  # pixels
HELD_OUT_BATCH = 100
Batch = tuple[Float[Array, "n h w 3"], Parts]


@dataclass(frozen=True)
class Config:
    """The settings of one training."""

    steps: int = 7000
    """updates"""
    batch_size: int = 64
    """scenes in an update"""
    learning_rate: float = 2e-3
    """peak, after the warm-up"""
    weight_decay: float = 1e-4
    """on kernels only, multiplied with the rate"""
    n_held_out: int = 2000
    """held-out scenes for the scores; a multiple of 100"""
    seed: int = 0
    """of weights and scenes"""
    checkpoint_every: int = 250
    """steps between checkpoints"""
    async_checkpoints: bool = False
    """take steps while a checkpoint is being written; a kill in that moment loses more than the interval"""
    export: Path | None = None
    """also write the trained network to this safetensors file, and a card beside it (.md)"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/train_encoder-NNN"""
    mesh: str | None = None
    """devices that divide the work, such as data=8 (parts of a batch) or data=4,model=2 (large weights, too); none: one
    device, with --hosts all devices"""
    hosts: str | None = None
    """processes that train together: auto (Slurm, Open MPI, GKE, TPU pods) or ADDRESS:PORT,COUNT,INDEX; all with the
    same --run-dir"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""


@dataclass(frozen=True)
class Result:
    """What came out; shares of held-out scenes or objects that were named rightly."""

    run_dir: Path
    recall: float
    """objects whose cell was found"""
    precision: float
    """cells said to have an object that have one"""
    shape: float
    color: float
    texture: float
    size: float
    background: float
    seconds: float
    """wall time of the training, compilation included; of a resumed run, since it was resumed"""


def main(config: Config) -> Result:
    """Trains, scores on held-out scenes, draws, and exports where asked to.

    Raises:
        InputError: if a setting is out of range or files cannot be read or written.
        FloatingPointError: if the loss stops being a number.
    """
    for name in ("steps", "batch_size", "learning_rate", "checkpoint_every", "n_held_out"):
        require_number(config, name, above=0)
    if config.n_held_out % HELD_OUT_BATCH:
        raise InputError(f"--n-held-out must be a multiple of {HELD_OUT_BATCH}, got {config.n_held_out}")
    rate = optimizers.warm_cosine(config.learning_rate, config.steps, 0.05)
    optimizer = optimizers.adamw(rate, weight_decay=config.weight_decay, clip=1.0)
    key = jax.random.key(config.seed)
    state = start(scenenet(n_scores=N_SCORES, key=key), optimizer, key=key)
    batches = Partial(partial(_scenes, batch_size=config.batch_size), split_key(config.seed, "train"))
    with runs.open_run("train_encoder", config) as run:
        state, seconds = runs.trained(
            config,
            run,
            state,
            gradient_step(parts_loss, optimizer),
            batches,
            n_steps=config.steps,
            steps_per_dispatch=1,
            layout=meshes.layout(config),
        )
        figures.save(training_figures.curve(run.metrics(), names=("loss", "right")), run.picture("training.png"))
        found = evaluate(state.model, config.n_held_out)
        result = Result(run_dir=run.path, **found, seconds=seconds)
        run.finish(result)
        said = ", ".join(f"{name} {100 * share:.1f} %" for name, share in found.items())
        run.note(f"of {config.n_held_out} held-out scenes: {said}")
    if config.export is not None and is_first():
        export(config, found, state_dict(state.model), seconds)
    return result


def parts_loss(model: Any, batch: Batch, key: Key[Array, ""]) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Cross-entropy of all that is asked, summed over a scene's cells and averaged over scenes.

    Args:
        model: `images -> (scores (n, 8, 8, 27), activations)`.
        batch: images in [0, 1] and their labels.
        key: unused.

    Returns:
        The loss in nats, and {"right": share of the objects whose shape and colour are both named rightly}.
    """
    images, parts = batch
    scores = split_scores(model(images)[0])
    there = parts.there.astype(jnp.float32)  # (n, 8, 8)
    losses = optax.sigmoid_binary_cross_entropy(scores["there"][..., 0], there)
    for index, name in enumerate(PART_SIZES):
        of_cell = optax.softmax_cross_entropy_with_integer_labels(scores[name], parts.of_object[..., index])
        losses += of_cell * there
    ground = jnp.broadcast_to(parts.background[:, None, None], there.shape)
    background = optax.softmax_cross_entropy_with_integer_labels(scores["background"], ground)
    loss = jnp.mean(jnp.sum(losses, axis=(1, 2)) + jnp.mean(background, axis=(1, 2)))
    right = (_right(scores, parts, "shape") & _right(scores, parts, "color")).astype(jnp.float32)
    return loss, {"right": jnp.sum(right * there) / jnp.sum(there)}


def evaluate(model: Any, n: int) -> dict[str, float]:
    """Shares that are right on held-out scenes.

    Args:
        model: as in `parts_loss`.
        n: how many scenes.

    Returns:
        By name, as in `Result`.
    """
    counts = [jax.device_get(_counts(model, split_key(0, "test"), jnp.int32(i))) for i in range(n // HELD_OUT_BATCH)]
    total = {name: sum(float(c[name]) for c in counts) for name in counts[0]}
    shares = {"recall": total["found"] / total["there"], "precision": total["found"] / max(total["said"], 1.0)}
    return (
        shares | {name: total[name] / total["there"] for name in PART_SIZES} | {"background": total["background"] / n}
    )


@jax.jit
def _counts(model: Any, key: Key[Array, ""], index: Int[Array, ""]) -> dict[str, Array]:
    images, parts = _scenes(key, index, batch_size=HELD_OUT_BATCH)
    scores = split_scores(model(images)[0])
    said = scores["there"][..., 0] > 0
    ground = jnp.argmax(jnp.mean(jax.nn.log_softmax(scores["background"]), axis=(1, 2)), axis=-1)
    counts = {"there": parts.there, "said": said, "found": said & parts.there, "background": ground == parts.background}
    counts |= {name: _right(scores, parts, name) & parts.there for name in PART_SIZES}
    return {name: jnp.sum(which.astype(jnp.float32)) for name, which in counts.items()}


def _right(scores: dict[str, Array], parts: Parts, name: str) -> Array:
    return jnp.argmax(scores[name], axis=-1) == parts.of_object[..., list(PART_SIZES).index(name)]


def _scenes(key: Key[Array, ""], index: Int[Array, ""], *, batch_size: int) -> Batch:
    """Batch `index` of a split: scenes `index * batch_size` and following."""

    def one(number: Int[Array, ""]) -> tuple[Float[Array, "h w 3"], Parts]:
        scene = sample_scene(jax.random.fold_in(key, number))
        return render_scene(scene, SIZE)[0], scene_parts(scene)

    return jax.vmap(one)(index * batch_size + jnp.arange(batch_size, dtype=jnp.int32))


def export(config: Any, found: dict[str, float], tensors: dict[str, np.ndarray], seconds: float) -> None:
    """Writes the network to `config.export`, in half precision, and its card beside it."""
    half = {name: value.astype(np.float16) for name, value in tensors.items()}
    weights.save(config.export, half, {"network": "scenenet"})
    n_parameters = sum(tensor.size for tensor in tensors.values())
    rows = {
        "command": f"`{command_line('train_encoder', config)}`",
        "network": f"SceneNet, {n_parameters:,} parameters; float16",
        "images": f"NHWC, {SIZE} x {SIZE}, RGB in [0, 1]",
        "answers": f"{N_SCORES} scores for each of 8 x 8 cells: object, shape, colour, texture, size, background",
        "data": f"procedural scenes, rendered while training and never repeated (split `train`, seed {config.seed}); "
        f"scored on {config.n_held_out} scenes of the split `test`, seed 0",
        "training": f"{config.steps} steps of {config.batch_size} scenes, AdamW with peak rate "
        f"{config.learning_rate:g} and weight decay {config.weight_decay:g}, 5 % warm-up then cosine decay to zero, "
        f"gradients clipped to norm 1, seed {config.seed}",
        **{name: f"{100 * share:.2f} %" for name, share in found.items()},
    }
    cards.table(config.export, "SceneNet on scenes", rows, seconds=seconds, same="score")


if __name__ == "__main__":
    command(main, Config)

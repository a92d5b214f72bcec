"""Trains a classifier from scratch: SqueezeNet 1.1 on procedural scenes, or a LeNet on MNIST.

The scenes are endless: every batch is rendered inside the compiled program from the number of its step, no scene is
seen twice, and the score is on scenes of another split. MNIST is read once, and its digits are shifted, turned and
scaled a little each time they are shown. Warm-up and cosine decay, clipped gradients, no BatchNorm; Muon for
SqueezeNet's convolutions, AdamW for LeNet. Iandola et al., "SqueezeNet", 2016, https://arxiv.org/abs/1602.07360; LeCun
et al., "Gradient-based learning applied to document recognition", 1998.

Without flags it trains the scenes network that comes with this project (its card: checkpoints/squeezenet_scenes.md).
Ctrl-C leaves a run that `--resume` goes on with, to the same bits. Writes the curve of the training, the mistakes on
held-out images, metrics for TensorBoard, and with --export the network.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from experiments import cards, figures, optimizers, tasks, training_figures
from experiments.command import command
from jaxvision import weights
from jaxvision.backbones import SqueezeNet, lenet, load_state_dict, squeezenet1_1, state_dict
from jaxvision.errors import InputError
from jaxvision.pixels import normalize
from jaxvision.training import FREE, Score, classification_loss, fit, gradient_step, new_run, resumed_run, score, start

# What the cards were trained with.
DEFAULTS: dict[str, dict[str, Any]] = {
    "scenes": {
        "network": "squeezenet",
        "optimizer": "muon",
        "steps": 10000,
        "batch_size": 48,
        "learning_rate": 4e-3,
        "n_held_out": 5000,
    },
    "mnist": {
        "network": "lenet",
        "optimizer": "adamw",
        "steps": 10000,
        "batch_size": 100,
        "learning_rate": 2e-3,
        "n_held_out": 10000,
    },
}

UNITS = {
    "squeezenet": "NHWC, RGB in [0, 1], then `jaxvision.pixels.normalize` (ImageNet mean and deviation)",
    "lenet": "NHWC, 28 x 28 x 1, grey values in [0, 1] as they are, the digit bright on black",
}
OPTIMIZERS = {"muon": "Muon (NAdam at a quarter of the rate for biases)", "adamw": "AdamW"}


@dataclass(frozen=True)
class Config:
    """The settings of one training."""

    dataset: Literal["scenes", "mnist"] = "scenes"
    """what to learn; MNIST is read from JAXVISION_HOME/mnist or downloaded"""
    network: Literal["squeezenet", "lenet"] | None = None
    """none: SqueezeNet 1.1 for scenes (64 px), LeNet for MNIST (28 px)"""
    optimizer: Literal["muon", "adamw"] | None = None
    """none: Muon for scenes, AdamW for MNIST"""
    steps: int | None = None
    """updates; none: 10000"""
    batch_size: int | None = None
    """images in an update; none: 48 for scenes, 100 for MNIST"""
    learning_rate: float | None = None
    """peak, after the warm-up; none: 4e-3 for scenes, 2e-3 for MNIST"""
    weight_decay: float = 1e-4
    """on kernels only, multiplied with the rate"""
    warmup: float = 0.05
    """share of the steps in which the rate rises from zero"""
    clip: float = 1.0
    """largest global norm of a gradient"""
    n_held_out: int | None = None
    """held-out images for the score; none: 5000 scenes, all 10000 test digits"""
    seed: int = 0
    """of weights, scenes, order and augmentation"""
    steps_per_dispatch: int = 50
    """updates in one call of the device; Ctrl-C is heard between calls"""
    checkpoint_every: int = 500
    """steps between checkpoints"""
    export: Path | None = None
    """also write the trained network to this safetensors file, and a card beside it (.md)"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/train_classifier-NNN"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    accuracy: float
    """share of held-out images whose likeliest class is the right one"""
    n_held_out: int
    loss: float
    """mean cross-entropy on them, nats"""
    n_parameters: int
    seconds: float
    """wall time of the training, compilation included; of a resumed run, since it was resumed"""


def main(config: Config) -> Result:
    """Trains, scores on held-out images, draws, and exports where asked to.

    Args:
        config: the settings.

    Returns:
        The score and where everything lies.

    Raises:
        InputError: if the settings contradict each other or files cannot be read or written.
        FloatingPointError: if the loss stops being a number.
    """
    config = resolved(config)
    n_steps, batch_size, n_held_out = (int(n or 0) for n in (config.steps, config.batch_size, config.n_held_out))
    build, prepare = (squeezenet1_1, squeezenet_input) if config.network == "squeezenet" else (lenet, lenet_input)
    task = (tasks.scenes if config.dataset == "scenes" else tasks.digits)(batch_size, config.seed)
    rate = optimizers.warm_cosine(config.learning_rate or 0.0, n_steps, config.warmup)
    make = optimizers.muon_of_convolutions if config.optimizer == "muon" else optimizers.adamw
    optimizer = make(rate, weight_decay=config.weight_decay, clip=config.clip)
    model = build(num_classes=len(task.class_names), key=jax.random.key(config.seed))
    model = woken(model) if isinstance(model, SqueezeNet) else model
    state = start(model, optimizer, key=jax.random.key(config.seed))
    open_run = partial(resumed_run, free=(*FREE, "export")) if config.resume else new_run
    with open_run("train_classifier", config, run_dir=config.run_dir) as run:
        state = run.restore(state) if config.resume else state
        began = time.monotonic()
        state = fit(
            gradient_step(classification_loss, optimizer),
            state,
            Partial(partial(prepared, prepare), task.train),
            n_steps=n_steps,
            steps_per_dispatch=config.steps_per_dispatch,
            run=run,
            checkpoint_every=config.checkpoint_every,
        )
        seconds = time.monotonic() - began
        held_out = Partial(partial(prepared, prepare), task.held_out)
        found = score(state.model, held_out, n_batches=n_held_out // tasks.HELD_OUT_BATCH)
        figures.save(training_figures.curve(run.metrics()), run.picture("training.png"))
        figures.save(training_figures.mistakes(task, found), run.picture("mistakes.png"))
        tensors = state_dict(state.model)
        result = Result(
            run_dir=run.path,
            accuracy=found.accuracy,
            loss=float(found.losses.mean()),
            n_held_out=n_held_out,
            n_parameters=sum(tensor.size for tensor in tensors.values()),
            seconds=seconds,
        )
        run.finish(result)
        run.note(f"{100 * found.accuracy:.2f} % of {n_held_out} held-out images are classified rightly")
    if config.export is not None:
        export(config, result, found, task, tensors)
    return result


def export(config: Config, result: Result, found: Score, task: tasks.Task, tensors: dict[str, np.ndarray]) -> None:
    """Writes the network to `config.export` and its card beside it."""
    file = config.export
    assert file is not None
    weights.save(file, tensors, {"network": str(config.network), "dataset": config.dataset})
    name = {"squeezenet": "SqueezeNet 1.1", "lenet": "LeNet"}[str(config.network)]
    # The command that a reader types: defaults are not spelt out, so the settings as they were before `resolved`.
    short = {k: v for k, v in vars(config).items() if v != DEFAULTS[config.dataset].get(k, object())}
    cards.write(
        file,
        command=cards.command_line("experiments.train_classifier", Config(**short)),
        title=f"{name} on {config.dataset}",
        network=name,
        units=UNITS[str(config.network)],
        training=f"{config.steps} steps of {config.batch_size} images, {OPTIMIZERS[str(config.optimizer)]} "
        f"with peak rate {config.learning_rate:g} "
        f"and weight decay {config.weight_decay:g}, {100 * config.warmup:g} % warm-up then cosine decay to zero, "
        f"gradients clipped to norm {config.clip:g}, seed {config.seed}",
        task=task,
        found=found,
        n_parameters=result.n_parameters,
        seconds=result.seconds,
    )


def resolved(config: Config) -> Config:
    """The settings with every None that means a default replaced, after a look at whether they can work.

    Args:
        config: as given on the command line.

    Returns:
        What `config.json` holds.

    Raises:
        InputError: if the network cannot read the data, or a number is out of range.

    Example:
        >>> resolved(Config(dataset="mnist")).network
        'lenet'
    """
    given = {name: value for name, value in vars(config).items() if value is not None}
    config = replace(config, **(DEFAULTS[config.dataset] | given))
    if config.network == "lenet" and config.dataset == "scenes":
        raise InputError("LeNet reads grey digits of 28 px, not scenes: choose --network squeezenet or --dataset mnist")
    for name in ("steps", "batch_size", "steps_per_dispatch", "checkpoint_every", "learning_rate", "clip"):
        if not getattr(config, name) > 0:
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} must be above 0, got {getattr(config, name)}")
    whole, most = tasks.HELD_OUT_BATCH, 10_000 if config.dataset == "mnist" else 1_000_000
    if config.n_held_out is None or config.n_held_out % whole or not 0 < config.n_held_out <= most:
        raise InputError(f"--n-held-out must be a multiple of {whole} up to {most}, got {config.n_held_out}")
    return config


def woken(model: SqueezeNet) -> SqueezeNet:
    """The network with a last layer whose ReLU lets every class through at first.

    SqueezeNet ends in a ReLU: with random weights and no bias half of the scores begin at zero, where there is no
    gradient, and the loss lingers for a thousand steps. Small weights (torchvision's deviation, 0.01) around a bias of
    one begin with all classes alike and awake.
    """
    tensors = state_dict(model)
    kernel = tensors["classifier.1.weight"]
    small = {"classifier.1.weight": 0.01 / kernel.std() * kernel}
    return load_state_dict(model, tensors | small | {"classifier.1.bias": np.ones_like(tensors["classifier.1.bias"])})


def squeezenet_input(images: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 3"]:
    """Images in [0, 1] as SqueezeNet wants them: ImageNet-normalised; grey ones in three channels, twice as large."""
    if images.shape[-1] == 1:
        images = jnp.repeat(jnp.repeat(jnp.repeat(images, 2, axis=1), 2, axis=2), 3, axis=3)
    return normalize(images)


def lenet_input(images: Float[Array, "n h w 1"]) -> Float[Array, "n h w 1"]:
    """LeNet reads grey values in [0, 1] as they are."""
    return images


def prepared(prepare: Callable, batches: Callable, index: Int[Array, ""]) -> tasks.Batch:
    """A batch whose images are in the network's units."""
    images, labels = batches(index)
    return prepare(images), labels


if __name__ == "__main__":
    command(main, Config)

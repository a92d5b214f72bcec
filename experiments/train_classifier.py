"""Trains a classifier from scratch: SqueezeNet 1.1 on procedural scenes, or a LeNet on MNIST.

The scenes are endless: every batch is rendered inside the compiled program from the number of its step, no scene is
seen twice, and the score is on scenes of another split. MNIST is read once, and its digits are shifted, turned and
scaled a little each time they are shown. Warm-up and cosine decay, clipped gradients, no BatchNorm; Muon for
SqueezeNet's convolutions, AdamW for LeNet. Iandola et al., "SqueezeNet", 2016, https://arxiv.org/abs/1602.07360; LeCun
et al., "Gradient-based learning applied to document recognition", 1998.

`--adversarial` trains on images that are attacked first: pgd, as Madry et al., 2017, https://arxiv.org/abs/1706.06083;
fast, by one step, as Wong, Rice and Kolter, 2020, https://arxiv.org/abs/2001.03994. The score under attack is told, and
is to be looked at: fast training can end with a network that withstands its own one step alone ("catastrophic
overfitting"). 5000 fast steps on MNIST did: right about 92 % of training digits under that step, about 0.9 % of test
digits under PGD; 1800 steps of pgd keep 81 % (its card: checkpoints/lenet_mnist_robust.md).

Without flags it trains the scenes network that comes with this project (its card: checkpoints/squeezenet_scenes.md), 35
minutes on two cores. Ctrl-C leaves a run that `--resume` goes on with, to the same bits. Writes the curve of the
training, the mistakes on held-out images, metrics for TensorBoard, and with --export the network.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key

from experiments import cards, figures, meshes, optimizers, robust, runs, tasks, training_figures
from experiments.command import command, command_line
from experiments.inputs import require_number
from experiments.meshes import DIVIDED, WHOLE
from jaxvision import weights
from jaxvision.backbones import SqueezeNet, lenet, load_state_dict, squeezenet1_1, state_dict
from jaxvision.errors import InputError
from jaxvision.pixels import normalize
from jaxvision.signatures import ImagesFn
from jaxvision.training import Score, classification_loss, gradient_step, is_first, score, start

# What the cards were trained with.
DEFAULTS: dict[str, dict[str, Any]] = {
    "scenes": {
        "network": "squeezenet",
        "optimizer": "muon",
        "batch_size": 48,
        "learning_rate": 4e-3,
        "n_held_out": 5000,
        "eps": 8 / 255,
    },
    "mnist": {
        "network": "lenet",
        "optimizer": "adamw",
        "batch_size": 100,
        "learning_rate": 2e-3,
        "n_held_out": 10000,
        "eps": 0.3,
    },
}

# What a card says of a network: its name, and what images it wants.
NETWORKS = {
    "squeezenet": (
        "SqueezeNet 1.1",
        "NHWC, RGB in [0, 1], then `jaxvision.pixels.normalize` (ImageNet mean and deviation)",
    ),
    "lenet": ("LeNet", "NHWC, 28 x 28 x 1, grey values in [0, 1] as they are, the digit bright on black"),
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
    adversarial: Literal["none", "fast", "pgd"] = "none"
    """attack every batch before it is learned from: fast by one step, pgd by seven"""
    eps: float | None = None
    """largest change of a value by these attacks, in units of [0, 1], reached after half of the steps; none: 8/255 for
    scenes, 0.3 for MNIST"""
    seed: int = 0
    """of weights, scenes, order and augmentation"""
    steps_per_dispatch: int = 50
    """updates in one call of the device; Ctrl-C is heard between calls"""
    checkpoint_every: int = 500
    """steps between checkpoints"""
    async_checkpoints: bool = False
    """take steps while a checkpoint is being written; a kill in that moment loses more than the interval"""
    export: Path | None = None
    """also write the trained network to this safetensors file, and a card beside it (.md)"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/train_classifier-NNN"""
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
    robust_accuracy: float | None
    """share of the first 1000 held-out images that stay right under 40 steps of PGD; none without --adversarial"""


def main(config: Config) -> Result:
    """Trains, scores on held-out images, draws, and exports where asked to.

    Raises:
        InputError: if the settings contradict each other or files cannot be read or written.
        FloatingPointError: if the loss stops being a number.
    """
    settings = resolved(config)
    build, prepare = (woken_squeezenet, squeezenet_input) if settings.network == "squeezenet" else (lenet, jnp.asarray)
    task = (tasks.scenes if settings.dataset == "scenes" else tasks.digits)(settings.batch_size, settings.seed)
    rate = optimizers.warm_cosine(settings.learning_rate, settings.steps, settings.warmup)
    make = optimizers.muon_of_convolutions if settings.optimizer == "muon" else optimizers.adamw
    optimizer = make(rate, weight_decay=settings.weight_decay, clip=settings.clip)
    key = jax.random.key(settings.seed)
    state = start(build(num_classes=len(task.class_names), key=key), optimizer, key=key)
    attacked = settings.adversarial != "none"
    with runs.open_run("train_classifier", settings) as run:
        state, seconds = runs.trained(
            settings,
            run,
            state,
            gradient_step(robust.loss(settings, prepare) if attacked else classification_loss, optimizer),
            robust.batches(settings, task.train) if attacked else Partial(partial(prepared, prepare), task.train),
            n_steps=settings.steps,
            steps_per_dispatch=settings.steps_per_dispatch,
            layout=meshes.layout(settings, (DIVIDED, DIVIDED, WHOLE) if attacked else DIVIDED),
        )
        held_out = Partial(partial(prepared, prepare), task.held_out)
        found = score(state.model, held_out, n_batches=settings.n_held_out // tasks.HELD_OUT_BATCH)
        stays = robust.accuracy(settings, prepare, state.model, task) if attacked else None
        figures.save(training_figures.curve(run.metrics()), run.picture("training.png"))
        figures.save(training_figures.mistakes(task, found), run.picture("mistakes.png"))
        tensors = state_dict(state.model)
        result = Result(
            run_dir=run.path,
            accuracy=found.accuracy,
            loss=float(found.losses.mean()),
            n_held_out=settings.n_held_out,
            n_parameters=sum(tensor.size for tensor in tensors.values()),
            seconds=seconds,
            robust_accuracy=stays,
        )
        run.finish(result)
        run.note(f"{100 * found.accuracy:.2f} % of {settings.n_held_out} held-out images are classified rightly")
        if stays is not None:
            attacked_images = f"of the first {robust.n_images(settings)} stay so under PGD with eps {settings.eps:g}"
            run.note(f"{100 * stays:.1f} % {attacked_images}")
    if settings.export is not None and is_first():
        weights.save(settings.export, tensors, {"network": settings.network, "dataset": settings.dataset})
        write_card(settings, config, task, found, result)
    return result


def write_card(config: Any, given: Config, task: tasks.Task, found: Score, result: Result) -> None:
    """Writes the card of `config.export` beside it."""
    name, units = NETWORKS[config.network]
    wrong = Counter(
        f"{task.class_names[label]} taken for {task.class_names[said]}"
        for label, said in zip(found.labels, found.predictions, strict=True)
        if label != said
    )
    n, right = len(found.labels), len(found.labels) - wrong.total()
    cards.table(
        config.export,
        f"{name} on {config.dataset}",
        {
            "command": f"`{command_line('train_classifier', given)}`",
            "network": f"{name}, {result.n_parameters:,} parameters; torchvision's names, float32",
            "images": units,
            "classes": f"{len(task.class_names)}: {', '.join(task.class_names[:3])}, ... {task.class_names[-1]}",
            "data": task.data,
            "training": f"{config.steps} steps of {config.batch_size} images, {OPTIMIZERS[config.optimizer]} with peak "
            f"rate {config.learning_rate:g} and weight decay {config.weight_decay:g}, {100 * config.warmup:g} % "
            f"warm-up then cosine decay to zero, gradients clipped to norm {config.clip:g}, seed {config.seed}",
            **under_attack(config, result),
            "accuracy": f"**{100 * found.accuracy:.2f} %** ({right} of {n} held-out images; 95 % interval "
            f"± {100 * found.margin:.2f})",
            "loss": f"{result.loss:.4f} nats",
            "commonest mistakes": "; ".join(f"{what} ({count})" for what, count in wrong.most_common(5)) or "none",
        },
        seconds=result.seconds,
        same="score",
    )


def under_attack(config: Any, result: Result) -> dict[str, str]:
    """Lines of the card of a network that was trained on attacked images."""
    if result.robust_accuracy is None:
        return {}
    n_steps, share = robust.STEPS[config.adversarial], 100 * result.robust_accuracy
    return {
        "attacked in training": f"{n_steps} step(s) of PGD within {config.eps:g} of [0, 1], from a random start; "
        f"{config.eps:g} is reached after half of the steps",
        "accuracy under attack": f"**{share:.1f} %** of the first {robust.n_images(config)} held-out images under PGD "
        f"with {robust.N_STEPS} steps within {config.eps:g}",
    }


def resolved(config: Config) -> Any:
    """A `Config` with every None that means a default replaced (hence Any), after a look at whether it can work.

    Raises:
        InputError: if the network cannot read the data, or a number is out of range.

    Example:
        >>> resolved(Config(dataset="mnist")).network
        'lenet'
    """
    settings: Any = runs.filled(config, {"steps": 10_000} | DEFAULTS[config.dataset])
    if settings.network == "lenet" and settings.dataset == "scenes":
        raise InputError("LeNet reads grey digits of 28 px, not scenes: choose --network squeezenet or --dataset mnist")
    for name in ("steps", "batch_size", "steps_per_dispatch", "checkpoint_every", "learning_rate", "clip", "eps"):
        require_number(settings, name, above=0)
    if config.eps is not None and config.adversarial == "none":
        raise InputError(f"--eps {config.eps:g} is of attacks: add --adversarial fast or --adversarial pgd")
    if not 0 <= settings.warmup < 1:
        raise InputError(f"--warmup must be 0 or more and below 1, a share of the steps, got {settings.warmup}")
    whole, most = tasks.HELD_OUT_BATCH, 10_000 if settings.dataset == "mnist" else 1_000_000
    if settings.n_held_out % whole or not 0 < settings.n_held_out <= most:
        raise InputError(f"--n-held-out must be a multiple of {whole} up to {most}, got {settings.n_held_out}")
    return settings


def woken_squeezenet(num_classes: int, key: Key[Array, ""]) -> SqueezeNet:
    """SqueezeNet 1.1 with a last layer whose ReLU lets every class through at first.

    SqueezeNet ends in a ReLU: with random weights and no bias half of the scores begin at zero, where there is no
    gradient, and the loss lingers for a thousand steps. Small weights (torchvision's deviation, 0.01) around a bias of
    one begin with all classes alike and awake.
    """
    model = squeezenet1_1(num_classes=num_classes, key=key)
    tensors = state_dict(model)
    kernel = tensors["classifier.1.weight"]
    small = {"classifier.1.weight": 0.01 / kernel.std() * kernel}
    return load_state_dict(model, tensors | small | {"classifier.1.bias": np.ones_like(tensors["classifier.1.bias"])})


def squeezenet_input(images: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 3"]:
    """Images in [0, 1] as SqueezeNet wants them: ImageNet-normalised; grey ones in three channels, twice as large."""
    if images.shape[-1] == 1:
        images = jnp.repeat(jnp.repeat(jnp.repeat(images, 2, axis=1), 2, axis=2), 3, axis=3)
    return normalize(images)


def prepared(prepare: ImagesFn, batches: Callable[[Int[Array, ""]], tasks.Batch], index: Int[Array, ""]) -> tasks.Batch:
    """A batch whose images are in the network's units."""
    images, labels = batches(index)
    return prepare(images), labels


if __name__ == "__main__":
    command(main, Config)

"""Trains a generator of small images against a critic: ten objectives, three pairs of networks, many seeds at once.

A generator turns random numbers into images, a critic scores images, and each is trained against the other
(Goodfellow et al., "Generative adversarial nets", 2014, https://arxiv.org/abs/1406.2661; CS231n's assignment 3, whose
networks, rates and noise are the defaults). `--replicas 5` trains five seeds in one program and reports intervals;
`--replicas 3 --gp-weight 1 10 100` (or --learning-rate) compares settings instead, from the same seed.

Without flags it trains the small networks on scikit-learn's digits, a look that needs no files; `--dataset mnist
--network dcgan` is the real thing. Colour, CIFAR-10 or a folder of one's own pictures, takes `--network resnet`.
Samples from fixed latents are drawn at every checkpoint; at the end come a sheet, a walk through the latents (GIF), the
losses and a table: Frechet distance, KID, precision, recall and coverage in the features of a network that comes with
the project, each beside what real images get, and whether images were learned by heart. `--draw 64` draws with a
trained generator and trains nothing. Ctrl-C leaves a run that `--resume` goes on with, to the same bits.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments import cards, figures, gan_data, gan_features, gan_figures, gan_scores, gan_training, runs
from experiments.command import command, command_line
from experiments.gan_scores import Judge, Scores
from experiments.generator_files import EMBEDDED, TrainedGenerator, load_generator, save_generator
from jaxvision.errors import InputError
from jaxvision.training import Run, is_first

N_SHOWN = 128  # images on the sheet

# What each pair is trained with; for the updates in one call see `training.fit`.
DEFAULTS = {
    "mlp": {"steps": 10_000, "steps_per_dispatch": 50},
    "dcgan": {"steps": 3_000, "steps_per_dispatch": 1},
    "resnet": {"steps": 3_000, "steps_per_dispatch": 1},
}


@dataclass(frozen=True)
class Config:
    """The settings of one training."""

    objective: Literal[
        "nonsaturating", "minimax", "lsgan", "hinge", "ragan", "wgan", "wgan_gp", "wgan_lp", "dragan", "r1"
    ] = "nonsaturating"
    """what the two play for; hinge is with spectral normalisation, wgan with clipped weights"""
    network: Literal["mlp", "dcgan", "resnet"] = "mlp"
    """the pair: the assignment's fully connected or DCGAN, for 28 px grey alone, or residual"""
    dataset: Literal["digits", "mnist", "fashion_mnist", "cifar10", "folder"] = "digits"
    """what to draw: scikit-learn's small digits; a set below JAXVISION_HOME, or downloaded; or --images"""
    images: Path | None = None
    """for --dataset folder: where the pictures are, at least 100, also in folders below; cut square, 32 px"""
    replicas: int = 1
    """trainings at once, with the seeds seed, seed + 1, ..."""
    steps: int | None = None
    """updates of the generator; none: 10000 (mlp), 3000 (dcgan, resnet)"""
    batch_size: int = 128
    """images in an update"""
    latent_dim: int = 96
    """numbers that an image begins with, uniform in [-1, 1)"""
    learning_rate: tuple[float, ...] = ()
    """of Adam, for both networks, of all replicas or of each; none: 1e-3, for hinge and wgan 2e-4"""
    beta1: float | None = None
    """of Adam; none: 0.5, for wgan 0"""
    beta2: float | None = None
    """of Adam; none: 0.999, for wgan_gp and wgan_lp 0.9"""
    n_critic: int | None = None
    """updates of the critic in a step; none: 1, for hinge 2, for wgan 5"""
    penalty: Literal["gradient", "one_sided", "dragan", "r1", "r2"] | None = None
    """of the critic's slope; none: the objective's own, if it has one"""
    gp_weight: tuple[float, ...] = ()
    """of the penalty, of all replicas or of each; none: 10, for r1 and r2 5"""
    ema_decay: float = 0.999
    """of the generator's average, which is the one that draws"""
    n_samples: int = 10_000
    """samples for the table; at least 100, no more than there are held-out images"""
    draw: int = 0
    """images to draw with a trained generator; nothing is trained"""
    generator: Path = EMBEDDED
    """for --draw: a file that --export wrote"""
    seed: int = 0
    """of weights, order and latents"""
    steps_per_dispatch: int | None = None
    """updates in one call of the device; Ctrl-C is heard between calls; none: 50 (mlp), 1 (dcgan, resnet)"""
    checkpoint_every: int = 500
    """steps between checkpoints, each with a sheet of samples"""
    async_checkpoints: bool = False
    """take steps while a checkpoint is being written; a kill in that moment loses more than the interval"""
    export: Path | None = None
    """also write the generator of the first replica to this safetensors file, and a card beside it (.md)"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/gan-NNN"""
    mesh: str | None = None
    """devices that divide the work, such as data=8 (parts of a batch) or data=4,model=2 (large weights, too); none: one
    device, with --hosts all devices"""
    hosts: str | None = None
    """processes that train together: auto (Slurm, Open MPI, GKE, TPU pods) or ADDRESS:PORT,COUNT,INDEX; all with the
    same --run-dir"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""

    @property
    def resumable(self) -> bool:
        """Whether an interrupted run can go on: a training can, drawing begins anew."""
        return not self.draw


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    pictures: tuple[Path, ...]
    """the sheet, the walk, and the losses where there was a training"""
    scores: tuple[Scores, ...] = ()
    """of each replica"""
    floor: Scores | None = None
    """of training images in place of samples"""
    shares: tuple[float, ...] = ()
    """of the digits, as LeNet names the samples of the first replica; of other images none"""
    seconds: float | None = None
    """wall time of the training, compilation and sheets included; of a resumed run, since it was resumed"""


def main(config: Config) -> Result:
    """Trains, draws and scores, or draws with a generator that is trained already.

    Raises:
        InputError: if the settings contradict each other or files cannot be read or written.
        FloatingPointError: if a loss stops being a number; the sentence names the last good checkpoint.
    """
    if config.draw:
        return draw_only(config)
    settings = resolved(config)
    images = gan_data.load(settings.dataset, settings.images)
    features = gan_features.features_of(settings.dataset)
    judge = Judge(images, settings.n_samples, features.look)
    with runs.open_run("gan", settings) as run:
        generators, seconds = gan_training.train(settings, images, run, partial(_sheets, settings, run))
        drawn = [_samples(settings, model, judge.n, index) for index, model in enumerate(generators)]
        scores = tuple(judge.score(samples) for samples in drawn)
        pictures = _pictures(settings, run, generators[0])
        losses = figures.save(gan_figures.losses(run.metrics(), settings.replicas), run.picture("losses.png"))
        swept = gan_training.swept(settings)
        for setting, one in zip(swept, scores, strict=False):
            _tell(run, gan_scores.summary([one], judge.floor), judge.n, f"{features.note}; {setting}")
        rows = gan_scores.summary(list(scores[:1] if swept else scores), judge.floor)
        if not swept:
            _tell(run, rows, judge.n, features.note)
        result = Result(
            run_dir=run.path,
            pictures=(*pictures, losses),
            scores=scores,
            floor=judge.floor,
            shares=scores[0].shares,
            seconds=seconds,
        )
        run.finish(result)
    if settings.export is not None and is_first():
        first = TrainedGenerator(generators[0], settings.network, settings.latent_dim, images.shape, settings.dataset)
        save_generator(settings.export, first, {"objective": settings.objective})
        _write_card(settings, config, rows, features.note, seconds)
    return result


def draw_only(config: Config) -> Result:
    """A sheet and a walk of a trained generator."""
    if config.resume or config.export or config.mesh:
        raise InputError("--draw trains nothing: leave --resume, --export and --mesh out")
    if config.draw < 0:
        raise InputError(f"--draw must be above 0, got {config.draw}")
    trained = load_generator(config.generator)
    config = dataclasses.replace(
        config,
        network=trained.network,
        latent_dim=trained.latent_dim,
        dataset=trained.dataset or config.dataset,
    )
    with runs.open_run("gan", config) as run:
        pictures = _pictures(config, run, trained.model, config.draw)
        shares = ()
        if trained.dataset in gan_data.DIGITS:
            look = gan_features.features_of(trained.dataset).look
            shares = gan_scores.shares(look(_samples(config, trained.model, max(config.draw, 1000)))[1])
        result = Result(run_dir=run.path, pictures=pictures, shares=shares)
        run.finish(result)
    return result


def resolved(config: Config) -> Any:
    """A `Config` with every None that means a default replaced (hence Any), after a look at whether it can work.

    Raises:
        InputError: if a number is out of range, or settings contradict each other.

    Example:
        >>> resolved(Config(objective="wgan_gp", network="dcgan")).gp_weight
        (10.0,)
    """
    if config.generator != EMBEDDED:
        raise InputError("--generator is of --draw: leave it out in training")
    defaults = gan_training.defaults(config.objective, config.penalty)
    if config.gp_weight and defaults["penalty"] is None:
        raise InputError(
            f"--gp-weight is of no use to {config.objective}, which has no penalty: leave it out, or choose a --penalty"
        )
    if (config.images is None) == (config.dataset == "folder"):
        raise InputError("--dataset folder and --images FOLDER belong together: give both, or neither")
    gan_training.require_shape(config.network, gan_data.SHAPES[config.dataset])
    settings = runs.filled(config, DEFAULTS[config.network] | defaults)
    counts = ("steps", "batch_size", "latent_dim", "replicas", "n_critic", "steps_per_dispatch", "checkpoint_every")
    others = {"n_samples": 100, "gp_weight": 0, "beta1": 0, "beta2": 0, "ema_decay": 0, "learning_rate": 0}
    for name, bound in (dict.fromkeys(counts, 1) | others).items():
        value = getattr(settings, name)
        below_one = name in ("beta1", "beta2", "ema_decay")
        for number in value if isinstance(value, tuple) else (value,):
            if not np.isfinite(number) or number < bound or (below_one and number >= 1):
                end = " and below 1" if below_one else ""
                raise InputError(f"--{name.replace('_', '-')} must be {bound} or more{end}, got {number}")
        if isinstance(value, tuple) and len(value) not in (1, settings.replicas):
            raise InputError(
                f"--{name.replace('_', '-')} must be one number, or one for each of --replicas {settings.replicas}, "
                f"got {len(value)}"
            )
    return settings


def _samples(config: Config, model: Any, n: int, replica: int = 0) -> np.ndarray:
    # Latents of their own: those of the sheets are looked at, those of the table counted.
    return gan_scores.samples(model, n, latent_dim=config.latent_dim, seed=config.seed + replica)


def _sheets(config: Config, run: Run, step: int, generators: tuple[Any, ...]) -> None:
    """A row or more of each replica, from the same latents at every checkpoint."""
    rows = max(16, N_SHOWN // len(generators) // 16 * 16)
    images = [_samples(config, model, rows) for model in generators]
    gan_figures.write_sheet(run.picture(f"samples-{step:06d}.png"), np.concatenate(images))


def _pictures(config: Config, run: Run, model: Any, n: int = N_SHOWN) -> tuple[Path, Path]:
    sheet = gan_figures.write_sheet(run.picture("samples.png"), _samples(config, model, n), 16)
    walk = run.picture("walk.gif")
    return sheet, gan_figures.write_walk(walk, model, latent_dim=config.latent_dim, seed=config.seed)


def _tell(run: Run, rows: list[tuple[str, str, str]], n: int, note: str) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    run.note(f"{'of ' + str(n) + ' images':<{widths[0]}}  {'generated':<{widths[1]}}  real")
    for name, mean, floor in rows:
        run.note(f"{name:<{widths[0]}}  {mean:<{widths[1]}}  {floor}")
    run.note(f"in {note}")


def _write_card(settings: Any, config: Config, rows: list[tuple[str, str, str]], note: str, seconds: float) -> None:
    shape = gan_data.SHAPES[settings.dataset]
    look = "RGB" if shape == gan_data.COLOUR else "ink bright" if settings.dataset in gan_data.DIGITS else "ground dark"
    penalty = f", penalty {settings.penalty} {settings.gp_weight[0]:g}" if settings.penalty else ""
    cards.table(
        settings.export,
        f"{settings.network.upper()} generator on {settings.dataset}, {settings.objective}",
        {
            "command": f"`{command_line('gan', config)}`",
            "latents": f"{settings.latent_dim}, uniform in [-1, 1)",
            "images": f"`(N, {', '.join(map(str, shape))})`, in [-1, 1], {look}",
            "training": f"{settings.steps} steps of {settings.batch_size} images, {settings.n_critic} critic updates "
            f"each, Adam {settings.learning_rate[0]:g} ({settings.beta1:g}, {settings.beta2:g}){penalty}, average of "
            f"the weights with {settings.ema_decay:g}, seed {settings.seed}",
            "weights": "one byte each, a scale for each output; scored before that rounding",
            "scores": f"in {note}",
            **{name: f"{mean} (real images: {floor})" for name, mean, floor in rows},
        },
        seconds=seconds,
        same="images",
    )


if __name__ == "__main__":
    command(main, Config)

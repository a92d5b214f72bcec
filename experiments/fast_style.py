"""Style transfer in one pass: a network that is trained once and then paints every photograph, or a video, at once.

--mode apply (the default) sends --content, an image, a folder or a video, through the network of --network: without
flags a photograph of a cat through the one that comes with this project (its card:
checkpoints/transformer_tissue.md). --mode train makes such a network: for one style by --method transformer, or by
--method adain a decoder that takes any style picture when it is applied.

Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", 2016,
https://arxiv.org/abs/1603.08155; Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance
normalization", 2017, https://arxiv.org/abs/1703.06868. Expected: 13 frames of 256 x 256 pixels a second on two cores;
nine minutes for the training. Ctrl-C leaves a training that --resume goes on with, to the same bits.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments import cards, crops, fast_style_figures, fast_style_training, optimizers, videos
from experiments.command import command, command_line
from experiments.fast_style_apply import Styled, is_video, style_images, style_video
from experiments.fast_style_settings import Config, check
from experiments.figures import save
from experiments.networks import load_network
from experiments.style_figures import contact_sheet
from experiments.stylizer_files import EMBEDDED, Stylizer, load_stylizer, rounded, save_stylizer
from jaxvision import style
from jaxvision.backbones import state_dict
from jaxvision.data import PATTERNS, find_images, read_image, resize_image, sample_file
from jaxvision.errors import InputError
from jaxvision.pixels import normalize
from jaxvision.training import FREE, fit, gradient_step, new_run, resumed_run, start

SHOWN = 4  # photographs of a sample sheet
CONTENT_WEIGHTS = {"transformer": 5.0, "adain": 1.0}
STATISTICS = {"gram": style.GRAM, "moments": style.MOMENTS, "wasserstein": style.WASSERSTEIN, "sliced": style.SLICED}


@dataclass(frozen=True)
class Applied:
    """What came out of `--mode apply`."""

    run_dir: Path
    network: str
    pictures: tuple[Path, ...]
    """the images, or the video"""
    n_frames: int
    """images or frames"""
    frames_per_second: float
    """without the first of each size, whose program is compiled; 0 where each was the first"""


@dataclass(frozen=True)
class Trained:
    """What came out of `--mode train`."""

    run_dir: Path
    network: Path
    """the file, for `--network`"""
    judge: str
    loss: dict[str, float]
    """the weighted terms, means over the last tenth of the steps"""
    n_parameters: int
    seconds: float
    """wall time of the training, compilation included; of a resumed run, since it was resumed"""
    pictures: tuple[Path, ...]


def main(config: Config) -> Applied | Trained:
    """Applies a network or trains one.

    Args:
        config: the settings.

    Returns:
        The pictures, or the network.

    Raises:
        InputError: if an image, a video, a network or a setting cannot be used. Of a video or a folder that is damaged
            in part, what could be read is written first.
        FloatingPointError: if the loss stops being a number.
    """
    check(config)
    return apply(config) if config.mode == "apply" else train(config)


def apply(config: Config) -> Applied:
    """Sends content through a network.

    Args:
        config: the settings.

    Returns:
        What was written, and how fast.

    Raises:
        InputError: if something cannot be read or written.
    """
    content = config.content or str(sample_file("cat"))
    stylizer = load_stylizer(config.network or EMBEDDED, config.weights)
    if stylizer.encoder is None and config.style:
        raise InputError(
            f"{stylizer.note}, has its own: leave --style out, or give a decoder that was trained by --method adain"
        )
    picture = None if stylizer.encoder is None else _normalized(_one_picture(config.style), config.style_size)
    function = stylizer.function(picture, config.alpha)
    # Looked at beforehand: nothing is written for a run that cannot begin.
    clip = videos.open_clip(Path(content)) if is_video(content) else None
    if clip is None:
        find_images(content)
    with new_run("fast_style", config, run_dir=config.run_dir) as run:
        run.note(f"The network: {stylizer.note}.")
        sizes = {"size": config.size, "min_side": stylizer.min_side}
        if clip is None:
            found = style_images(run, function, content, **sizes)
        else:
            found = style_video(run, function, clip, share=config.share, **sizes)
        result = Applied(run.path, stylizer.note, found.paths, found.n_frames, found.rate)
        run.finish(result)
        run.note(said(found))
    if found.complaint:
        raise InputError(found.complaint)
    return result


def said(found: Styled) -> str:
    """One sentence on what was styled.

    Example:
        >>> said(Styled((Path("a.mp4"),), 48, 12.34, ""))
        'a.mp4: 48 frames, 12.3 a second'
    """
    rate = f", {found.rate:.1f} a second" if found.rate else ""
    if found.paths[0].suffix == ".mp4":
        return f"{found.paths[0]}: {found.n_frames} frames{rate}"
    where = found.paths[0] if found.n_frames == 1 else found.paths[0].parent
    return f"{where}: {found.n_frames} image{'s' if found.n_frames > 1 else ''}{rate}"


def train(config: Config) -> Trained:
    """Trains a network, draws samples on the way, and exports it.

    Args:
        config: the settings.

    Returns:
        The network's file, its losses and figures.

    Raises:
        InputError: if pictures or settings cannot be used.
        FloatingPointError: if the loss stops being a number.
    """
    network = load_network(config.weights)
    side = config.size or 128
    files, what = crops.photographs(config.photos)
    photographs = crops.squares(files, 2 * side)
    task, style_names = _task(config, network, jnp.asarray(photographs), side)
    rate = optimizers.warm_cosine(config.learning_rate, config.n_steps, 0.05)
    optimizer = optimizers.adamw(rate, weight_decay=0.0, clip=config.clip)
    state = start(task.model, optimizer, key=jax.random.key(config.seed))
    style_picture = _normalized(style_names[0], config.style_size)
    shown = photographs[:SHOWN]

    def stylizer_of(model) -> Stylizer:
        return Stylizer(model, None if task.layer is None else network, task.layer or "", "in training")

    def draw(model) -> list[Float[np.ndarray, "h w 3"]]:
        return list(fast_style_figures.styled(stylizer_of(model).function(style_picture), shown))

    open_run = partial(resumed_run, free=(*FREE, "export")) if config.resume else new_run
    with open_run("fast_style", config, run_dir=config.run_dir) as run:
        run.note(network.note)
        state = run.restore(state) if config.resume else state

        def sample(state) -> None:
            figure = contact_sheet([draw(state.model)], [f.stem for f in files[:SHOWN]])
            save(figure, run.picture(f"progress/step_{int(state.step):05d}.png"))

        began = time.monotonic()
        state = fit(
            gradient_step(task.loss_fn, optimizer),
            state,
            task.batch_fn,
            n_steps=config.n_steps,
            steps_per_dispatch=1,
            run=run,
            checkpoint_every=config.checkpoint_every,
            after_checkpoint=sample,
        )
        seconds = time.monotonic() - began
        trained = rounded(stylizer_of(state.model))
        file = run.path / f"{config.method}.safetensors"
        save_stylizer(file, trained)
        rows = [list(shown / np.float32(255)), draw(trained.model)]
        titles = [f"{f.stem} as {style_names[0].stem}" for f in files[:SHOWN]]
        pictures = (
            save(contact_sheet(rows, titles), run.picture("sheet.png")),
            save(fast_style_figures.training_losses(run.metrics()), run.picture("losses.png")),
        )
        last = run.metrics()[-max(1, config.n_steps // 10) :]
        names = [name for name in last[0] if name not in ("step", "gradient_norm")]
        result = Trained(
            run_dir=run.path,
            network=file,
            judge=network.name,
            loss={name: float(np.mean([row[name] for row in last])) for name in names},
            n_parameters=sum(tensor.size for tensor in state_dict(trained.model).values()),
            seconds=seconds,
            pictures=pictures,
        )
        run.finish(result)
        run.note(f"Use it: python -m experiments.fast_style --network {config.export or file}")
    if config.export is not None:
        save_stylizer(config.export, trained)
        _card(config, result, style_names, what)
    return result


def _task(config, network, photographs, side):
    """The training, and the files of its styles."""
    content_weight = config.content_weight or CONTENT_WEIGHTS[config.method]
    weights = (content_weight, config.style_weight, config.tv_weight)
    settings = {"weights": weights, "batch_size": config.batch_size, "side": side, "seed": config.seed}
    if config.method == "transformer":
        files = [_one_picture(config.style)]
        picture = _normalized(files[0], config.style_size)
        shape, statistic = (config.width, config.n_blocks), STATISTICS[config.statistic]
        return fast_style_training.one_style(
            network, photographs, picture, statistic=statistic, shape=shape, **settings
        ), files
    files = find_images(config.style) if config.style else [sample_file(name) for name in PATTERNS]
    pictures = jnp.asarray(crops.squares(files, max(side, config.style_size)))
    return fast_style_training.any_style(network, photographs, pictures, **settings), files


def _one_picture(named: str | None) -> Path:
    files = find_images(named) if named else [sample_file("tissue")]
    if len(files) > 1:
        raise InputError(f"--style {named} is {len(files)} images where one is wanted: name one of them")
    return files[0]


def _normalized(file: Path, side: int) -> Float[Array, "1 h w 3"]:
    return normalize(resize_image(read_image(file), side, crop=False)[None].astype(np.float32) / 255)


def _card(config: Config, result: Trained, styles: list[Path], what: str) -> None:
    assert config.export is not None
    one = config.method == "transformer"
    architecture = (
        f"Johnson's transformer network, width {config.width}, {config.n_blocks} residual blocks"
        if one
        else "decoder of adaptive instance normalisation"
    )
    judged = "ImageNet's weights are needed to train it, not to use it" if "ImageNet" in result.judge else ""
    cards.table(
        config.export,
        f"{'One style in one pass' if one else 'Any style in one pass'}: {', '.join(path.stem for path in styles[:3])}",
        {
            "command": f"`{command_line('fast_style', config)}`",
            "network": f"{architecture}, {result.n_parameters:,} parameters, float16",
            "images": "NHWC, RGB in [0, 1], then `jaxvision.pixels.normalize`; any size from 8 x 8 pixels",
            "style": ", ".join(path.name for path in styles),
            "data": f"{what}, random crops of {config.size or 128} pixels",
            "judged by": f"{result.judge}" + (f"; {judged}" if judged else ""),
            "training": f"{config.n_steps} steps of {config.batch_size} crops, Adam with peak rate "
            f"{config.learning_rate:g}, 5 % warm-up then cosine decay to zero, gradients clipped to norm "
            f"{config.clip:g}, seed {config.seed}",
            "loss, last tenth": ", ".join(f"{name} {value:.3f}" for name, value in result.loss.items()),
        },
        seconds=result.seconds,
        same="losses",
    )


if __name__ == "__main__":
    command(main, Config)

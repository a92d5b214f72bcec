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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from experiments import cards, crops, meshes, optimizers, runs, videos
from experiments.command import command, command_line
from experiments.fast_style_apply import Styled, is_video, style_images, style_video, styled
from experiments.fast_style_settings import Config, resolved
from experiments.fast_style_training import Task, any_style, one_style
from experiments.figures import save
from experiments.networks import Network, load_network
from experiments.style_figures import contact_sheet, loss_curves
from experiments.style_pictures import content_file, normalized
from experiments.stylizer_files import EMBEDDED, load_stylizer, rounded, save_stylizer
from jaxvision.backbones import state_dict
from jaxvision.data import PATTERNS, find_images, read_image, sample_file
from jaxvision.errors import InputError
from jaxvision.training import TrainState, gradient_step, is_first, new_run, start

SHOWN = 4  # photographs of a sample sheet


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
    config = resolved(config)
    content = str(content_file(config.content))
    stylizer = load_stylizer(config.network or EMBEDDED, config.weights)
    if stylizer.encoder is None and config.style:
        raise InputError(
            f"{stylizer.note}, has its own: leave --style out, or give a decoder that was trained by --method adain"
        )
    picture = None
    if stylizer.encoder is not None:
        picture = normalized(read_image(one_picture(config.style)), config.style_size)
    function = stylizer.function(picture, config.alpha)
    # Looked at beforehand: nothing is written for a run that cannot begin.
    clip = videos.open_clip(Path(content)) if is_video(content) else None
    if clip is None:
        find_images(content)
    with new_run("fast_style", config, run_dir=config.run_dir) as run:
        run.note(f"The network: {stylizer.note}.")
        size, least = config.size, stylizer.min_side
        if clip is None:
            found = style_images(run, function, content, size=size, min_side=least)
        else:
            found = style_video(run, function, clip, size=size, min_side=least, share=config.share)
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
    settings = resolved(config)
    network = load_network(settings.weights)
    settings = replace(settings, weights=network.weights)  # a run that is resumed must not choose another
    files, what = crops.photographs(settings.photos)
    photographs = crops.squares(files, 2 * settings.size)
    task, styles = task_of(settings, network, photographs)
    rate = optimizers.warm_cosine(settings.learning_rate, settings.n_steps, 0.05)
    optimizer = optimizers.adamw(rate, weight_decay=0.0, clip=settings.clip)
    state = start(task.stylizer.model, optimizer, key=jax.random.key(settings.seed))
    with runs.open_run("fast_style", settings) as run:
        run.note(network.note)
        shown = photographs[:SHOWN]
        picture = normalized(read_image(styles[0]), settings.style_size)
        titles = [f"{file.stem} as {styles[0].stem}" for file in files[:SHOWN]]

        def draw(model: Any) -> list[Float[np.ndarray, "h w 3"]]:
            function = replace(task.stylizer, model=model).function(picture)
            return [styled(function, photograph) / np.float32(255) for photograph in shown]

        def sample(state: TrainState) -> None:
            save(contact_sheet([draw(state.model)], titles), run.picture(f"progress/step_{int(state.step):05d}.png"))

        state, seconds = runs.trained(
            settings,
            run,
            state,
            gradient_step(task.loss_fn, optimizer),
            task.batch_fn,
            n_steps=settings.n_steps,
            steps_per_dispatch=1,
            after_checkpoint=sample,
            layout=meshes.layout(settings, task.divides),
        )
        stylizer = rounded(replace(task.stylizer, model=state.model))
        save_stylizer(run.path / f"{settings.method}.safetensors", stylizer)
        sheet = contact_sheet([list(shown / np.float32(255)), draw(stylizer.model)], titles)
        last = run.metrics()[-max(1, settings.n_steps // 10) :]
        terms = [name for name in last[0] if name not in ("step", "gradient_norm")]
        result = Trained(
            run_dir=run.path,
            network=run.path / f"{settings.method}.safetensors",
            judge=network.name,
            loss={name: float(np.mean([row[name] for row in last])) for name in terms},
            n_parameters=sum(tensor.size for tensor in state_dict(stylizer.model).values()),
            seconds=seconds,
            pictures=(
                save(sheet, run.picture("sheet.png")),
                save(loss_curves(run.metrics(), smooth=True), run.picture("losses.png")),
            ),
        )
        run.finish(result)
        run.note(f"Use it: python -m experiments.fast_style --network {settings.export or result.network}")
    if settings.export is not None and is_first():
        save_stylizer(settings.export, stylizer)
        write_card(settings, config, result, styles, what)
    return result


def task_of(config: Any, network: Network, photographs: UInt8[np.ndarray, "m s s 3"]) -> tuple[Task, list[Path]]:
    """The training of resolved settings, and the files of its styles."""
    if config.method == "transformer":
        styles = [one_picture(config.style)]
        picture = normalized(read_image(styles[0]), config.style_size)
        return one_style(config, network, jnp.asarray(photographs), picture), styles
    styles = find_images(config.style) if config.style else [sample_file(name) for name in PATTERNS]
    pictures = crops.squares(styles, max(config.size, config.style_size))
    return any_style(config, network, jnp.asarray(photographs), jnp.asarray(pictures)), styles


def one_picture(named: str | None) -> Path:
    """The file that `--style` names where it can only be one; none: a sample picture of a stained tissue."""
    files = find_images(named) if named else [sample_file("tissue")]
    if len(files) > 1:
        raise InputError(f"--style {named} is {len(files)} images where one is wanted: name one of them")
    return files[0]


def write_card(config: Any, given: Config, result: Trained, styles: Sequence[Path], what: str) -> None:
    """Writes the card of `config.export` beside it."""
    kind, architecture = "Any style", "decoder of adaptive instance normalisation"
    if config.method == "transformer":
        kind = "One style"
        architecture = f"Johnson's transformer network, width {config.width}, {config.n_blocks} residual blocks"
    needed = "; ImageNet's weights are needed to train it, not to use it" if "ImageNet" in result.judge else ""
    cards.table(
        config.export,
        f"{kind} in one pass: {', '.join(path.stem for path in styles[:3])}",
        {
            "command": f"`{command_line('fast_style', given)}`",
            "network": f"{architecture}, {result.n_parameters:,} parameters, float16",
            "images": "NHWC, RGB in [0, 1], then `jaxvision.pixels.normalize`; any size from 8 x 8 pixels",
            "style": ", ".join(path.name for path in styles),
            "data": f"{what}, random crops of {config.size} pixels",
            "judged by": f"{result.judge}{needed}",
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

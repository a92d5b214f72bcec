"""Style transfer: the content of one picture in the manner of others.

An image is optimised until a network's features are those of the content, and their statistics those of the styles.
Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016; from coarse to fine and
with regions as Gatys et al., "Controlling perceptual factors", 2017, https://arxiv.org/abs/1611.07865.

Without flags a cat is painted in the colours of a stained tissue, with the best network at hand. A texture alone is
--content-weight 0 --init style; what the features keep of the content is --style-weights 0 --init noise. --preset takes
the numbers of Stanford's CS231n for that painting, which you give as --styles. Expected: within 400 steps the style
terms fall to a thirtieth. About 40 seconds on two cores. Writes the image (with the content's EXIF and colour profile),
progress, a film strip, the sheet and the losses. Ctrl-C or worse leaves a run that --resume goes on with, to the same
bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments import runs, style_figures
from experiments.command import command
from experiments.figures import save
from experiments.inputs import to_unit
from experiments.networks import load_network
from experiments.painting import Subject, paint
from experiments.style_memory import ALWAYS_FITS, Memory, memory_needed, memory_there, require_memory
from experiments.style_pictures import Picture, content_file, normalized, style_files
from experiments.style_settings import Config, course_of, resolved, sizes_of, style_side
from experiments.style_stages import Course
from jaxvision import style
from jaxvision.data import read_image, read_metadata, write_image
from jaxvision.errors import InputError
from jaxvision.pixels import resize
from jaxvision.training import Run, named_mesh

FILM = 6  # pictures of a film strip


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    image: Path
    size: tuple[int, int]
    """height and width in pixels"""
    n_steps: int
    first: dict[str, float]
    """the weighted loss and its terms at the first step"""
    final: dict[str, float]
    """the same at the result, before any colour is put back"""
    pictures: tuple[Path, ...]


def main(config: Config) -> Result:
    """Paints, and writes the image, figures and numbers.

    Args:
        config: the settings.

    Returns:
        The image's path, losses and figures.

    Raises:
        InputError: if an image, a mask, a weight or the network cannot be used, or there is no run to go on with.
        FloatingPointError: if the image is no longer finite; the last good checkpoint is kept.
    """
    if config.dry_run:
        raise InputError("--dry-run paints nothing: from Python, estimate(config) says what a run needs")
    settings = resolved(config)
    network = load_network(settings.weights)
    settings = replace(settings, weights=network.weights)  # a run that is resumed must not choose another
    content_path, style_paths = content_file(settings.content), style_files(settings.styles)
    content, styles = read_image(content_path), [read_image(path) for path in style_paths]
    course, sizes = course_of(settings, network), sizes_of(settings, content, styles)
    if sum(h * w for h, w in sizes) > ALWAYS_FITS:
        require_memory(memory_needed(course, *sizes), settings.size, memory_there(n_devices(settings)))
    subject = prepare(settings, course, content, styles)
    with runs.open_run("style_transfer", settings) as run:
        run.note(network.note)
        painting, final = paint(run, subject, resume=settings.resume)
        images = to_unit(style.average(painting.pixels))
        if settings.preserve_color:
            images = np.asarray(style.keep_chroma(images, to_unit(subject.content)))
        path = run.picture("stylised.png")
        write_image(path, images[0], metadata=read_metadata(content_path))
        metrics = run.metrics()
        result = Result(
            run_dir=run.path,
            network=network.name,
            image=path,
            size=(images.shape[1], images.shape[2]),
            n_steps=int(painting.done),
            first={name: value for name, value in metrics[0].items() if name != "step"},
            final=final,
            pictures=(path, *draw(run, subject, images[0], content_path, style_paths)),
        )
        run.finish(result)
    return result


def estimate(config: Config) -> Memory:
    """What `main(config)` would need of memory, without painting.

    Args:
        config: the settings.

    Returns:
        The bytes of its largest program.

    Raises:
        InputError: if an image or the network cannot be used.
    """
    settings = resolved(config)
    content, styles = (
        read_image(content_file(config.content)),
        [read_image(path) for path in style_files(config.styles)],
    )
    return memory_needed(course_of(settings, load_network(config.weights)), *sizes_of(settings, content, styles))


def prepare(config: Any, course: Course, whole: Picture, pictures: Sequence[Picture]) -> Subject:
    """Brings all pictures to the run's sizes.

    Args:
        config: the settings, resolved.
        course: of `course_of`.
        whole: the content as it was read.
        pictures: the styles as they were read.

    Raises:
        InputError: if a mask cannot be read or has another size than the content.
    """
    content = normalized(whole, config.size)
    styles = [normalized(picture, style_side(config)) for picture in pictures]
    if config.match_color:
        styles = [style.match_color(picture, content) for picture in styles]
    regions = [_region(Path(path), whole.shape[:2], (content.shape[1], content.shape[2])) for path in config.masks]
    noise = jax.random.normal(jax.random.key(config.seed), content.shape)
    begin = {"content": content, "noise": noise, "style": style.match_color(noise, styles[0])}[config.init]
    if config.preset:
        begin = jnp.clip(begin, -style.CLAMP, style.CLAMP)
    mesh = None if config.mesh is None else named_mesh(config.mesh, axes=(style.SPACE,))
    return Subject(course, content, styles, regions or [None] * len(styles), begin, mesh)


def n_devices(config: Any) -> int:
    """Among how many the rows are divided."""
    return 1 if config.mesh is None else named_mesh(config.mesh, axes=(style.SPACE,)).size


def draw(
    run: Run, subject: Subject, image: Float[np.ndarray, "h w 3"], content: Path, styles: list[Path]
) -> list[Path]:
    """The sheet, the film strip and the losses.

    Returns:
        Their paths.
    """
    given = [to_unit(subject.content)[0], *(to_unit(picture)[0] for picture in subject.styles)]
    names = [content.stem, *(path.stem for path in styles)]
    sheet = style_figures.pictures_in_a_row([*given, image], [*names, "result"])
    frames = sorted((run.path / "pictures" / "progress").glob("step_*.png"))
    shown = [frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, FILM).round().astype(int))]
    strip = style_figures.pictures_in_a_row(
        [read_image(path) / np.float32(255) for path in shown],
        [f"step {int(path.stem.split('_')[1])}" for path in shown],
        height=1.3,
    )
    losses = style_figures.loss_curves(run.metrics(), [stage.end for stage in subject.stages])
    return [
        save(figure, run.picture(f"{name}.png"))
        for name, figure in (("sheet", sheet), ("film_strip", strip), ("losses", losses))
    ]


def _region(path: Path, whole: tuple[int, int], size: tuple[int, int]) -> Float[Array, "1 h w"]:
    """A mask at the content's size, white for 1."""
    mask = read_image(path)
    if mask.shape[:2] != whole:
        raise InputError(
            f"{path} is {mask.shape[1]} x {mask.shape[0]} pixels and the content {whole[1]} x {whole[0]}: "
            "a mask must have the content's size"
        )
    grey = jnp.asarray(mask.astype(np.float32).mean(axis=-1) / 255)[None, ..., None]
    return resize(grey, size)[..., 0]


def at_terminal(config: Config) -> Result | Memory:
    """`main`, or with --dry-run only what it would need."""
    if not config.dry_run:
        return main(config)
    needed, there = estimate(config), memory_there()
    print(
        f"{needed.total / 2**20:,.0f} MiB: {needed.arrays / 2**20:,.0f} for pictures, targets and optimiser, "
        f"{needed.temporary / 2**20:,.0f} for features and their derivatives"
        + ("" if there is None else f"; {there / 2**20:,.0f} MiB are there")
    )
    return needed


if __name__ == "__main__":
    command(at_terminal, Config)

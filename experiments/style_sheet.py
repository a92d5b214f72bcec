"""A contact sheet of style transfers: every style with every content weight and beginning, in one compiled program.

To find the weight that suits a picture before `experiments.style_transfer` paints it large. Rows are styles, each with
the picture it comes from; columns are content weights, from the freest to the most faithful. --seeds begins at noise
instead of the content, with a row for each seed. Every image is optimised on its own, as alone: weights, styles and
beginnings are arrays `(N, ...)` handed to one `style.transfer`.

Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, figure 4. Without flags
three sample pictures and three weights; about 2 minutes on two cores. Writes the sheet and its images.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.command import command
from experiments.figures import save
from experiments.film import logged_steps
from experiments.inputs import require_number, to_unit
from experiments.meshes import spread
from experiments.networks import load_network
from experiments.style_figures import contact_sheet
from experiments.style_pictures import Picture, content_file, normalized, style_files
from experiments.style_stages import one_stage, suited_layers
from jaxvision import style
from jaxvision.data import read_image, write_image
from jaxvision.errors import InputError
from jaxvision.pixels import start
from jaxvision.training import new_run, progress

MIN_SIDE = 32
STEPS_A_PART = 25  # between lines of progress


@dataclass(frozen=True)
class Config:
    """The settings of one sheet."""

    content: str | None = None
    """image file; none: a sample photograph of a cat"""
    styles: tuple[str, ...] = ()
    """image files, of which the central part of the content's shape is taken; none: three sample pictures"""
    content_weights: tuple[float, ...] = (0.1, 1.0, 10.0)
    """a column for each"""
    seeds: tuple[int, ...] = ()
    """of the noise to begin with, a row for each style and seed; none: begin at the content"""
    size: int = 160
    """short side of an image in pixels"""
    n_steps: int = 200
    """steps of every image (a count)"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's names of SqueezeNet or VGG"""
    mesh: str | None = None
    """devices that divide the images among them, such as data=8; none: one device"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/style_sheet-NNN"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    network: str
    sheet: Path
    n_images: int
    final: tuple[float, ...]
    """the loss of each image, row by row"""


def main(config: Config) -> Result:
    """Paints the sheet.

    Args:
        config: the settings.

    Returns:
        The sheet's path and the losses.

    Raises:
        InputError: if a picture, a setting or the network cannot be used.
        FloatingPointError: if an image is no longer finite.
    """
    check(config)
    network = load_network(config.weights)
    paths = style_files(config.styles, 3)
    content = normalized(read_image(content_file(config.content)), config.size)
    manners = [_cut(read_image(path), content.shape[1:3]) for path in paths]
    starts = laid_out(content, jnp.concatenate(manners), jnp.asarray(config.content_weights), config.seeds)
    contents, styles, weights, begin = spread(config.mesh, starts, len(starts[0]))
    content_layers, style_layers = suited_layers(network)
    problem = one_stage(
        network,
        contents,
        [styles],
        statistic=style.GRAM,
        content_layers=content_layers,
        style_layers=style_layers,
        content_weight=weights,
    )
    with new_run("style_sheet", config, run_dir=config.run_dir) as run:
        run.note(network.note)
        state, last = start(problem, begin), dict[str, np.ndarray]()
        with progress(config.n_steps) as report:
            for done in range(0, config.n_steps, STEPS_A_PART):
                until = min(done + STEPS_A_PART, config.n_steps)
                state, last = logged_steps(run, problem, state, done, until)
                report(until, {"loss": float(last["loss"].mean())})
        images = to_unit(style.average(state))
        rows = images.reshape(-1, len(config.content_weights), *images.shape[1:])
        for row, number in np.ndindex(rows.shape[:2]):
            write_image(run.picture(f"images/{row + 1}_{number + 1}.png"), rows[row, number])
        names = [path.stem.replace("_", " ") for path in paths]
        seeds = [f"\nseed {seed}" for seed in config.seeds] or [""]
        labels = [name + seed for name in names for seed in seeds]
        shown = [[to_unit(manners[k // len(seeds)])[0], *row] for k, row in enumerate(rows)]
        titles = ["style", *(f"content weight {weight:g}" for weight in config.content_weights)]
        sheet = save(contact_sheet(shown, titles, labels), run.picture("sheet.png"))
        result = Result(run.path, network.name, sheet, len(images), tuple(last["loss"].tolist()))
        run.finish(result)
    return result


def laid_out(
    content: Float[Array, "1 h w 3"],
    styles: Float[Array, "s h w 3"],
    weights: Float[Array, " k"],
    seeds: tuple[int, ...],
) -> tuple[Array, Array, Array, Array]:
    """Everything the images of a sheet start from, in the order of its rows: styles, then seeds, then weights.

    Args:
        content: `(1, H, W, 3)`.
        styles: `(S, H, W, 3)`.
        weights: `(K,)`, of the content.
        seeds: R of them; none begins at the content.

    Returns:
        Contents, styles, weights and beginnings; N = S R K of each.

    Example:
        >>> contents, styles, weights, begin = laid_out(
        ...     jnp.zeros((1, 2, 2, 3)), jnp.ones((2, 2, 2, 3)), jnp.array([1.0, 4.0]), (0, 1, 2)
        ... )
        >>> len(contents), weights[:4]
        (12, Array([1., 4., 1., 4.], dtype=float32))
    """
    begins = [jax.random.normal(jax.random.key(seed), content.shape) for seed in seeds] or [content]
    s, r, k = (rows.ravel() for rows in jnp.indices((len(styles), len(begins), len(weights))))
    return jnp.repeat(content, len(s), axis=0), styles[s], weights[k], jnp.concatenate(begins)[r]


def check(config: Config) -> None:
    """Refuses settings that cannot work.

    Raises:
        InputError: one sentence that names the flag.
    """
    for flag, least in (("n_steps", 1), ("size", MIN_SIDE)):
        require_number(config, flag, at_least=least)
    if not config.content_weights or not all(weight >= 0 for weight in config.content_weights):
        given = " ".join(map(str, config.content_weights)) or "none"
        raise InputError(f"--content-weights must be one or more of at least 0, got {given}")


def _cut(picture: Picture, size: tuple[int, ...]) -> Float[Array, "1 h w 3"]:
    """The central part of a picture in the shape of the content, at its size: all styles of a batch have one shape."""
    height, width = picture.shape[:2]
    aspect = size[1] / size[0]
    h, w = min(height, round(width / aspect)), min(width, round(height * aspect))
    top, left = (height - h) // 2, (width - w) // 2
    return normalized(picture[top : top + h, left : left + w], min(size))[:, : size[0], : size[1]]


if __name__ == "__main__":
    command(main, Config)

"""A contact sheet of style transfers: every style with every content weight and beginning, in one compiled program.

To find the weight that suits a picture before `experiments.style_transfer` paints it large. Rows are styles, each with
the picture it comes from; columns are content weights, from the freest to the most faithful. --seeds begins at noise
instead of the content, with a row for each seed. Every image is optimised on its own, as alone: weights, styles and
beginnings are arrays `(N, ...)` handed to one `style.transfer`.

Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, figure 4. Without flags
three sample pictures and three weights; about two minutes on two cores. Writes the sheet and its images.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.command import command
from experiments.figures import save
from experiments.inputs import require_finite, require_number, to_unit
from experiments.networks import load_network
from experiments.style_figures import contact_sheet
from experiments.style_stages import RATES, TV_WEIGHT, suited_layers
from jaxvision import style
from jaxvision.data import PATTERNS, read_image, resize_image, sample_file, write_image
from jaxvision.errors import InputError
from jaxvision.pixels import ClipNormalized, advance, normalize, start
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
    """of every image (a count)"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's names of SqueezeNet or VGG"""
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
    paths = [Path(path) for path in config.styles] or [sample_file(name) for name in list(PATTERNS)[:3]]
    photograph = read_image(Path(config.content) if config.content else sample_file("cat"))
    content = normalize(resize_image(photograph, config.size, crop=False)[None].astype(np.float32) / 255)
    manners = [_cut(read_image(path), content.shape[1:3]) for path in paths]
    with new_run("style_sheet", config, run_dir=config.run_dir) as run:
        run.note(network.note)
        batch = laid_out(content, jnp.concatenate(manners), jnp.asarray(config.content_weights), config.seeds)
        contents, styles, weights, begin = batch
        content_layers, style_layers = suited_layers(network)
        targets = style.style_targets(
            network.painting_fn,
            contents,
            [styles],
            content_layers=content_layers,
            style_layers=style_layers,
            content_weight=weights,
            tv_weight=TV_WEIGHT,
            relative=True,
        )
        problem = style.style_problem(network.painting_fn, targets, style.adam(RATES["adam"]), project=ClipNormalized())
        state, done = start(problem, begin), 0
        with progress(config.n_steps, 0) as report:
            while done < config.n_steps:
                following = min(done + STEPS_A_PART, config.n_steps)
                state, trace = advance(problem, state, n_steps=following - done)
                run.log(done, {"loss": np.asarray(trace["loss"]).mean(axis=1)})
                done = following
                report(done, {"loss": float(trace["loss"][-1].mean())})
        require_finite(np.asarray(state.images), "an image of the sheet")
        images = to_unit(style.average(state))
        n_columns = len(config.content_weights)
        rows = images.reshape(-1, n_columns, *images.shape[1:])
        for row, number in np.ndindex(rows.shape[:2]):
            write_image(run.picture(f"images/{row + 1}_{number + 1}.png"), rows[row, number])
        n_seeds = len(config.seeds) or 1
        shown = [[to_unit(manners[row // n_seeds])[0], *images] for row, images in enumerate(rows)]
        titles = ["style", *(f"content weight {weight:g}" for weight in config.content_weights)]
        labels = [
            path.stem.replace("_", " ") + (f"\nseed {seed}" if seed is not None else "")
            for path in paths
            for seed in config.seeds or (None,)
        ]
        sheet = save(contact_sheet(shown, titles, labels), run.picture("sheet.png"))
        result = Result(run.path, network.name, sheet, len(images), tuple(trace["loss"][-1].tolist()))
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
        Contents, styles and beginnings `(N, H, W, 3)` and weights `(N,)`: contents, styles, weights, beginnings.

    Example:
        >>> contents, styles, weights, begin = laid_out(
        ...     jnp.zeros((1, 2, 2, 3)), jnp.ones((2, 2, 2, 3)), jnp.array([1.0, 4.0]), (0, 1, 2)
        ... )
        >>> len(contents), weights[:4]
        (12, Array([1., 4., 1., 4.], dtype=float32))
    """
    n_seeds = len(seeds) or 1
    begins = [jax.random.normal(jax.random.key(seed), content.shape) for seed in seeds] or [content]
    n = styles.shape[0] * n_seeds * weights.shape[0]
    return (
        jnp.repeat(content, n, axis=0),
        jnp.repeat(styles, n_seeds * weights.shape[0], axis=0),
        jnp.tile(weights, styles.shape[0] * n_seeds),
        jnp.tile(jnp.repeat(jnp.concatenate(begins), weights.shape[0], axis=0), (styles.shape[0], 1, 1, 1)),
    )


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


def _cut(picture: np.ndarray, size: tuple[int, ...]) -> Float[Array, "1 h w 3"]:
    """The central part of a picture in the shape of the content, at its size: all styles of a batch have one shape."""
    height, width = picture.shape[:2]
    aspect = size[1] / size[0]
    h, w = min(height, round(width / aspect)), min(width, round(height * aspect))
    top, left = (height - h) // 2, (width - w) // 2
    part = resize_image(picture[top : top + h, left : left + w], min(size), crop=False)
    return normalize(part[None, : size[0], : size[1]].astype(np.float32) / 255)


if __name__ == "__main__":
    command(main, Config)

"""What a generator draws, as a sheet and as a walk, and how its training went."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from experiments import figures
from experiments.gan_data import unsigned
from jaxvision import gan
from jaxvision.files import atomic_write

GAP = 2  # pixels between images
SCALE = 2  # a pixel of an image on the sheet
PAPER = 90  # grey between the images
WALKERS, STOPS, FRAMES = 40, 4, 12  # of a walk: images side by side, latents on each way, frames from one to the next


def tiled(images: UInt8[np.ndarray, "n h w c"], columns: int) -> Image.Image:
    """Images in rows, enlarged, on grey.

    Args:
        images: 0 to 255, grey or RGB.
        columns: images in a row.

    Example:
        >>> tiled(np.zeros((3, 28, 28, 1), np.uint8), 2).size
        (114, 114)
    """
    n, h, w, channels = images.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (SCALE * h + GAP) - GAP, columns * (SCALE * w + GAP) - GAP, channels), PAPER, np.uint8)
    for index, image in enumerate(images.repeat(SCALE, axis=1).repeat(SCALE, axis=2)):
        top, left = (place * (SCALE * side + GAP) for place, side in zip(divmod(index, columns), (h, w), strict=True))
        sheet[top : top + SCALE * h, left : left + SCALE * w] = image
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)


def write_sheet(path: Path, images: UInt8[np.ndarray, "n h w c"], columns: int = 16) -> Path:
    """Writes images in rows as PNG, whole or not at all."""
    with atomic_write(path) as stream:
        tiled(images, columns).save(stream, "png")
    return path


def write_walk(path: Path, generator: Any, *, latent_dim: int, seed: int) -> Path:
    """Writes images that turn into each other and back to the first, as a GIF.

    Each goes round its own polygon of latents, along straight lines, slower near the corners.
    """
    corners = gan.uniform_latents(jax.random.key(seed), WALKERS * STOPS, latent_dim).reshape(WALKERS, STOPS, latent_dim)
    share = (1 - jnp.cos(jnp.linspace(0, jnp.pi, FRAMES, endpoint=False))) / 2  # slow, fast, slow
    draw = jax.jit(lambda generator, latents: unsigned(generator(latents)))
    frames = []
    for stop in range(STOPS):
        here, there = corners[:, stop], corners[:, (stop + 1) % STOPS]
        for moment in share:
            frames.append(tiled(np.asarray(draw(generator, (1 - moment) * here + moment * there)), 10))
    frames = frames if frames[0].mode == "L" else _paletted(frames, FRAMES)
    with atomic_write(path) as stream:
        frames[0].save(stream, "gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    return path


def _paletted(frames: list[Image.Image], every: int) -> list[Image.Image]:
    """Frames in one palette of 256 colours, so that none flickers.

    Pillow by itself would cut at medians, which dulls the bright colours that are rare.
    """
    some = Image.fromarray(np.concatenate([np.asarray(frame) for frame in frames[::every]]))
    palette = some.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    return [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]


@rc_context(figures.STYLE)
def losses(metrics: list[dict[str, int | float]], n_replicas: int) -> Figure:
    """Losses and mean scores of both networks over the training; a line for each replica, smoothed over 2 %."""
    figure = Figure(figsize=(7.0, 2.6), layout="constrained")
    panels: Sequence[tuple[str, dict[str, str]]] = (
        ("losses", {"critic_loss": "critic", "generator_loss": "generator"}),
        ("mean scores of the critic", {"real": "real images", "fake": "generated"}),
    )
    for axis, (title, lines) in zip(figure.subplots(1, 2), panels, strict=True):
        for (name, named), colour in zip(lines.items(), (figures.BLUE, figures.ORANGE), strict=True):
            for index in range(n_replicas):
                label = None if index else named
                axis.plot(*figures.smoothed(metrics, f"{index}/{name}"), color=colour, lw=1, label=label)
        axis.set(title=title, xlabel="step")
        axis.legend(frameon=False)
    return figure

"""The pictures that a style experiment is given, and what a network sees of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Array, Float, UInt8

from jaxvision.data import PATTERNS, resize_image, sample_file
from jaxvision.pixels import normalize

Picture = UInt8[np.ndarray, "h w 3"]


def content_file(named: str | None) -> Path:
    """The file a `--content` flag names; none: a sample photograph of a cat."""
    return Path(named) if named else sample_file("cat")


def style_files(named: Sequence[str], n_samples: int = 1) -> list[Path]:
    """The files a `--styles` flag names; none: so many sample pictures, the first of a stained tissue."""
    return [Path(path) for path in named] or [sample_file(name) for name in list(PATTERNS)[:n_samples]]


def normalized(picture: Picture, side: int, *, crop: bool = False) -> Float[Array, "1 h2 w2 3"]:
    """A picture with a short side of so many pixels, or cropped its middle square of them, ImageNet-normalised."""
    return normalize(resize_image(picture, side, crop=crop)[None].astype(np.float32) / 255)

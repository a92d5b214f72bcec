"""The settings of a style transfer, what they are where left open, and the layers, weights and sizes they mean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import jax
import numpy as np
from jaxtyping import UInt8

from experiments.inputs import require_number
from experiments.networks import Network
from experiments.style_stages import (
    MIN_SIDE,
    PRESET_LAYERS,
    PRESET_STEPS,
    PRESETS,
    RATES,
    TV_WEIGHT,
    Course,
    coarse_to_fine,
    published,
    suited_layers,
)
from jaxvision import style
from jaxvision.data import resized_size
from jaxvision.errors import InputError

SIZE = 256
STEPS = 400
Picture = UInt8[np.ndarray, "h w 3"]
STATISTICS = {
    "gram": style.GRAM,
    "moments": style.MOMENTS,
    "wasserstein": style.WASSERSTEIN,
    "sliced": style.SLICED,
    "histogram": style.HISTOGRAM,
}


@dataclass(frozen=True)
class Config:
    """The settings of one run."""

    content: str | None = None
    """image file; none: a sample photograph of a cat"""
    styles: tuple[str, ...] = ()
    """image files; none: a sample picture of a stained tissue"""
    style_weights: tuple[float, ...] = ()
    """one for each style; none: 1 for each"""
    masks: tuple[str, ...] = ()
    """image files of the content's size, one for each style, white where it shall show; none: everywhere"""
    preset: Literal["composition_vii", "the_scream", "starry_night"] | None = None
    """the course's numbers for one painting: size, weights and schedule"""
    size: int | None = None
    """short side of the result in pixels; none: 256, or the preset's 192"""
    style_scale: float = 1.0
    """size of the styles, as a multiple of the content's"""
    n_scales: int = 2
    """sizes from coarse to fine (a count), each twice the area of the one before"""
    n_steps: int | None = None
    """steps over all sizes (a count); none: 400, or the preset's 200"""
    content_weight: float = 1.0
    """of the content; 0 for a texture"""
    tv_weight: float = TV_WEIGHT
    """of the total variation: larger is smoother"""
    statistic: Literal["gram", "moments", "wasserstein", "sliced", "histogram"] = "gram"
    """what of the styles is matched"""
    optimizer: Literal["adam", "lbfgs"] = "adam"
    """what moves the pixels"""
    learning_rate: float | None = None
    """none: 0.06 for adam (normalised units), 1 for lbfgs"""
    init: Literal["content", "noise", "style"] = "content"
    """where to begin; style: noise with the first style's colours"""
    preserve_color: bool = False
    """the content's hues, the result's brightness"""
    match_color: bool = False
    """give the styles the content's mean and spread of colours before they are used"""
    weights: str = "auto"
    """auto, imagenet, scenes, or a safetensors file with torchvision's names of SqueezeNet or VGG"""
    devices: int = 1
    """of how many the image's rows are divided among (a count)"""
    seed: int = 0
    """of the noise"""
    resume: bool = False
    """go on with an interrupted run (the newest, or the one of --run-dir) that had the same settings"""
    dry_run: bool = False
    """only say how much memory the run would need"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/style_transfer-NNN"""


def course_of(config: Config, network: Network) -> Course:
    """Layers, weights and stages: the preset's, or those that suit the network."""
    preset = PRESETS[config.preset] if config.preset else None
    size, n_steps = int(config.size or 0), int(config.n_steps or 0)
    if preset:
        layers = ({"features.3": 1.0}, dict(zip(PRESET_LAYERS, preset.style_weights, strict=True)))
        stages = published(size, n_steps)
    else:
        layers = suited_layers(network)
        stages = coarse_to_fine(size, config.n_scales, n_steps, config.optimizer, config.learning_rate)
    return Course(
        features_fn=network.features_fn if preset else network.painting_fn,
        stages=stages,
        targets={
            "content_layers": layers[0],
            "style_layers": layers[1],
            "content_weight": config.content_weight * (preset.content_weight if preset else 1.0),
            "style_weights": config.style_weights,
            "tv_weight": preset.tv_weight if preset else config.tv_weight,
            "statistic": STATISTICS[config.statistic],
            "relative": preset is None,
        },
        normalize=preset is None,
    )


def sizes_of(config: Config, content: Picture, styles: Sequence[Picture]) -> list[tuple[int, int]]:
    """Heights and widths of the content and each style in the run's last stage."""
    sides = [int(config.size or 0), *[style_side(config)] * len(styles)]
    return [resized_size(picture.shape[:2], side) for picture, side in zip([content, *styles], sides, strict=True)]


def style_side(config: Config) -> int:
    """The short side of the styles in pixels."""
    if config.preset:
        return PRESETS[config.preset].style_size
    return max(MIN_SIDE, round(config.style_scale * int(config.size or 0)))


def resolved(config: Config) -> Config:
    """The settings with what was left open filled in.

    Raises:
        InputError: one sentence that names the flag which is out of range or does not match the others.
    """
    for flag, least in (
        ("content_weight", 0),
        ("tv_weight", 0),
        ("n_steps", 1),
        ("n_scales", 1),
        ("size", MIN_SIDE),
        ("devices", 1),
    ):
        require_number(config, flag, at_least=least)
    for flag in ("style_scale", "learning_rate"):
        require_number(config, flag, above=0)
    if config.devices > len(jax.devices()):
        raise InputError(
            f"--devices {config.devices} is more than the {len(jax.devices())} here: a CPU is several with "
            "JAX_NUM_CPU_DEVICES"
        )
    n_styles = len(config.styles) or 1
    for flag, values in (("style-weights", config.style_weights), ("masks", config.masks)):
        if values and len(values) != n_styles:
            raise InputError(f"--{flag} must be one for each of {n_styles} styles, got {len(values)}")
    if not all(weight >= 0 for weight in config.style_weights):
        raise InputError(f"--style-weights must be at least 0, got {' '.join(map(str, config.style_weights))}")
    preset = PRESETS[config.preset] if config.preset else None
    size = config.size or (preset.size if preset else SIZE)
    smallest = coarse_to_fine(size, config.n_scales, 1, "adam", None)[0].side
    if smallest < MIN_SIDE:
        raise InputError(
            f"--n-scales {config.n_scales} begins with a short side of {smallest} pixels, at least {MIN_SIDE} are "
            "needed: take fewer scales or a larger --size"
        )
    return replace(
        config,
        size=size,
        n_steps=config.n_steps or (PRESET_STEPS if preset else STEPS),
        learning_rate=config.learning_rate or (None if preset else RATES[config.optimizer]),
        style_weights=config.style_weights or (1.0,) * n_styles,
    )

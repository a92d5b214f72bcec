"""The settings of a style transfer, what they are where left open, and the layers, weights and sizes they mean."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from experiments import runs
from experiments.inputs import require_number
from experiments.networks import Network
from experiments.style_pictures import Picture
from experiments.style_stages import (
    MIN_SIDE,
    PRESET_LAYERS,
    PRESET_STEPS,
    PRESETS,
    RATES,
    STATISTICS,
    TV_WEIGHT,
    Course,
    growing,
    published,
    suited_layers,
)
from jaxvision.data import resized_size
from jaxvision.errors import InputError

PRESETS_OWN = ("style_scale", "n_scales", "tv_weight", "optimizer", "learning_rate")  # settings that a preset replaces


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
    statistic: Literal["gram", "moments", "central", "wasserstein", "sliced", "histogram"] = "gram"
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
    mesh: str | None = None
    """devices that divide the image's rows among them, such as space=4; none: one device"""
    seed: int = 0
    """of the noise"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""
    dry_run: bool = False
    """only say how much memory the run would need"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/style_transfer-NNN"""


def resolved(config: Config) -> Any:
    """The settings with what was left open filled in.

    Args:
        config: as given on the command line.

    Returns:
        A `Config`, what `config.json` holds; Any, because of its fields only the rate of a preset may be None.

    Raises:
        InputError: one sentence that names the flag which is out of range or does not match the others.
    """
    for flag in ("content_weight", "tv_weight"):
        require_number(config, flag, at_least=0)
    for flag, least in (("n_steps", 1), ("n_scales", 1), ("size", MIN_SIDE)):
        require_number(config, flag, at_least=least)
    for flag in ("style_scale", "learning_rate"):
        require_number(config, flag, above=0)
    n_styles = len(config.styles) or 1
    for flag, values in (("style-weights", config.style_weights), ("masks", config.masks)):
        if values and len(values) != n_styles:
            raise InputError(f"--{flag} must be one for each of {n_styles} styles, got {len(values)}")
    if not all(weight >= 0 for weight in config.style_weights):
        raise InputError(f"--style-weights must be at least 0, got {' '.join(map(str, config.style_weights))}")
    defaults = {"size": 256, "n_steps": 400, "learning_rate": RATES[config.optimizer]}
    if config.preset:
        fixed = {field.name: field.default for field in fields(config) if field.name in PRESETS_OWN}
        for flag in [name for name, default in fixed.items() if getattr(config, name) != default]:
            raise InputError(f"--{flag.replace('_', '-')} is the preset's own: leave it out, or --preset")
        defaults = {"size": PRESETS[config.preset].size, "n_steps": PRESET_STEPS}
    settings: Any = runs.filled(config, defaults | {"style_weights": (1.0,) * n_styles})
    smallest = growing(settings.size, config.n_scales, 1, "adam", RATES["adam"])[0].side
    if smallest < MIN_SIDE:
        raise InputError(
            f"--n-scales {config.n_scales} begins with a short side of {smallest} pixels, at least {MIN_SIDE} are "
            "needed: take fewer scales or a larger --size"
        )
    return settings


def course_of(config: Any, network: Network) -> Course:
    """Layers, weights and stages of resolved settings: the preset's, or those that suit the network."""
    if config.preset:
        preset = PRESETS[config.preset]
        layers = ({"features.3": 1.0}, dict(zip(PRESET_LAYERS, preset.style_weights, strict=True)))
        content_weight, tv_weight = config.content_weight * preset.content_weight, preset.tv_weight
        features_fn, stages = network.features_fn, published(config.size, config.n_steps)
    else:
        layers = suited_layers(network)
        content_weight, tv_weight = config.content_weight, config.tv_weight
        features_fn = network.painting_fn
        stages = growing(config.size, config.n_scales, config.n_steps, config.optimizer, config.learning_rate)
    targets = {
        "content_layers": layers[0],
        "style_layers": layers[1],
        "content_weight": content_weight,
        "style_weights": config.style_weights,
        "tv_weight": tv_weight,
        "statistic": STATISTICS[config.statistic],
        "relative": not config.preset,
    }
    return Course(features_fn, stages, targets, normalize=not config.preset)


def sizes_of(config: Any, content: Picture, styles: Sequence[Picture]) -> list[tuple[int, int]]:
    """Heights and widths of the content and each style in the last stage of resolved settings."""
    sides = [config.size, *[style_side(config)] * len(styles)]
    return [resized_size(picture.shape[:2], side) for picture, side in zip([content, *styles], sides, strict=True)]


def style_side(config: Any) -> int:
    """The short side of the styles in pixels, of resolved settings."""
    if config.preset:
        return PRESETS[config.preset].style_size
    return max(MIN_SIDE, round(config.style_scale * config.size))

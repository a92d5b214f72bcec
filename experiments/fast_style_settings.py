"""The settings of a style in one pass, and which of them cannot work."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments import runs
from experiments.inputs import require_number
from jaxvision.errors import InputError

CONTENT_WEIGHTS = {"transformer": 5.0, "adain": 1.0}
OF_TRAINING = (
    *("method", "photos", "content_weight", "style_weight", "tv_weight", "statistic", "width", "n_blocks", "n_steps"),
    *(
        "batch_size",
        "learning_rate",
        "clip",
        "checkpoint_every",
        "async_checkpoints",
        "seed",
        "export",
        "mesh",
        "hosts",
    ),
    "resume",
)


@dataclass(frozen=True)
class Config:
    """The settings of one run."""

    mode: Literal["apply", "train"] = "apply"
    """use a network, or make one"""
    content: str | None = None
    """apply: an image, a folder, a glob or a video; none: a sample photograph of a cat"""
    network: Path | None = None
    """apply: a safetensors file that --export wrote; none: the network that comes with the project"""
    style: str | None = None
    """an image (train with adain: a folder of them); none: a sample picture of a stained tissue (a few samples)"""
    alpha: float = 1.0
    """apply, adain: how much of the style, from 0 to 1"""
    share: float = 0.1
    """apply to a video: what is new in a still part shows by this share a frame; 1: each frame on its own"""
    size: int | None = None
    """short side in pixels of results (none: as the content; about 0.3 GB of memory for a megapixel), or in training of
    the crops (none: 128)"""
    method: Literal["transformer", "adain"] = "transformer"
    """train: a network for one style, or a decoder for any"""
    photos: str = "samples"
    """train: samples, coco (JAXVISION_HOME/coco_mini), or a folder or glob of photographs"""
    weights: str = "auto"
    """train: the network that judges, auto, imagenet, scenes, or a safetensors file of SqueezeNet or VGG; apply, adain:
    the encoder (auto: the one it was trained with)"""
    style_size: int = 384
    """train: short side of the style in pixels: larger, finer strokes"""
    content_weight: float | None = None
    """train: of the content; none: 5 for one style, 1 for any"""
    style_weight: float = 1.0
    """train: of the style"""
    tv_weight: float = 0.6
    """train: of the total variation: larger is smoother"""
    statistic: Literal["gram", "moments", "wasserstein", "sliced"] = "gram"
    """train, transformer: what of the style is matched"""
    width: int = 16
    """train, transformer: channels at the full size; the paper has 32"""
    n_blocks: int = 3
    """train, transformer: residual blocks; the paper has 5"""
    n_steps: int = 3000
    """train: updates (a count)"""
    batch_size: int = 2
    """train: photographs in an update (a count)"""
    learning_rate: float = 3e-3
    """train: peak, after the warm-up"""
    clip: float = 1.0
    """train: largest global norm of a gradient"""
    checkpoint_every: int = 250
    """train: steps between checkpoints, each with a sample sheet"""
    async_checkpoints: bool = False
    """train: take steps while a checkpoint is being written; a kill in that moment loses more than the interval"""
    seed: int = 0
    """train: of weights and crops"""
    export: Path | None = None
    """train: also write the network to this safetensors file, and a card beside it (.md)"""
    mesh: str | None = None
    """devices that divide the work, such as data=8 (parts of a batch) or data=4,model=2 (large weights, too); none: one
    device, with --hosts all devices"""
    hosts: str | None = None
    """processes that train together: auto (Slurm, Open MPI, GKE, TPU pods) or ADDRESS:PORT,COUNT,INDEX; all with the
    same --run-dir"""
    resume: bool = False
    """train: go on with the run in --run-dir, or with the newest one; its settings must be the same"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/fast_style-NNN"""

    @property
    def resumable(self) -> bool:
        """Whether an interrupted run can go on: a training can, an application begins anew."""
        return self.mode == "train"


def resolved(config: Config) -> Any:
    """The settings, those of a training with what was left open filled in.

    Args:
        config: as given on the command line.

    Returns:
        A `Config`, what `config.json` holds; Any, because `size` and `content_weight` of a training are not None.

    Raises:
        InputError: one sentence that names the flag which cannot work.
    """
    for flag in ("n_steps", "batch_size", "width", "n_blocks", "checkpoint_every"):
        require_number(config, flag, at_least=1)
    for flag in ("content_weight", "style_weight", "learning_rate", "clip"):
        require_number(config, flag, above=0)
    require_number(config, "tv_weight", at_least=0)
    for flag, least in (("size", 32 if config.mode == "train" else 8), ("style_size", 32)):
        require_number(config, flag, at_least=least)
    for flag in ("alpha", "share"):
        value = getattr(config, flag)
        if not (0 <= value <= 1 and (value > 0 or flag == "alpha")):
            raise InputError(f"--{flag} must be {'from 0' if flag == 'alpha' else 'above 0, up'} to 1, got {value}")
    for flag in OF_TRAINING if config.mode == "apply" else ():
        if getattr(config, flag) != getattr(Config, flag):
            raise InputError(f"--{flag.replace('_', '-')} is of a training: add --mode train, or leave it out")
    if config.mode == "train" and (config.content or config.network):
        flag = "content" if config.content else "network"
        hint = "the photographs of a training are named by --photos" if flag == "content" else "training begins anew"
        raise InputError(f"--{flag} is for --mode apply: {hint}")
    if config.mode == "apply":
        return config
    return runs.filled(config, {"size": 128, "content_weight": CONTENT_WEIGHTS[config.method]})

"""The settings of captioning, by what they are about, and which of them cannot work."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments import caption_explained, runs
from experiments.caption_decoding import check_decoding
from experiments.captioner_files import EMBEDDED
from experiments.inputs import require_number
from jaxvision.errors import InputError

# What each data set is trained with; the assignment's sanity run for --overfit.
DEFAULTS: dict[str, dict[str, int | float]] = {
    "scenes": {"steps": 20_000, "batch_size": 128, "learning_rate": 2e-3, "hidden_size": 256, "embed_size": 128},
    "coco_mini": {"steps": 300, "batch_size": 64, "learning_rate": 2e-3, "hidden_size": 256, "embed_size": 128},
    "coco": {"steps": 50000, "batch_size": 128, "learning_rate": 1e-3, "hidden_size": 512, "embed_size": 256},
    "cs231n": {"steps": 50000, "batch_size": 128, "learning_rate": 1e-3, "hidden_size": 512, "embed_size": 256},
    "overfit": {"steps": 100, "batch_size": 25, "learning_rate": 5e-3, "hidden_size": 512, "embed_size": 256},
}
MAX_LENGTH = {"scenes": 24, "coco_mini": 24, "coco": 24, "cs231n": 17}


@dataclass(frozen=True)
class Data:
    """What is learned."""

    dataset: Literal["scenes", "coco", "coco_mini", "cs231n"] = "scenes"
    """what to learn; scenes need no files, the others are read below JAXVISION_HOME (coco, coco_mini: official layout;
    cs231n: the course's coco_captioning pack)"""
    year: Literal[2014, 2017] = 2017
    """of COCO"""
    download_images: bool = False
    """fetch COCO's photographs where they are missing (19 GB and more; the size is said first)"""
    n_train: int = 60000
    """scenes to learn from"""
    hard: bool = False
    """scenes with four objects close together, which cover parts of one another"""
    n_held_out: int = 1000
    """held-out pictures for the scores, at most"""
    min_count: int = 2
    """how often a word must be in COCO's training captions to be learned; others become <UNK>"""
    max_length: int | None = None
    """words of a caption with its start and end; none: 24, of cs231n 17"""


@dataclass(frozen=True)
class Network:
    """What learns it."""

    model: Literal["plain", "attention", "adaptive", "top_down", "transformer"] = "plain"
    """the captioner: plain sees one row of features for each image; attention (Xu et al., 2015), adaptive (Lu et al.,
    2017), top_down (Anderson et al., 2018) and transformer (Vaswani et al., 2017) look at a grid of cells before each
    word"""
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """the recurrent cell of a plain captioner"""
    hidden_size: int | None = None
    """of the state, of a transformer between the two weights that end a layer; none: 256 (scenes, coco_mini), else
    512"""
    embed_size: int | None = None
    """of a word's vector, of attention's keys, of a transformer's rows; none: 128 (scenes, coco_mini), else 256"""
    num_layers: int = 2
    """of a transformer"""
    num_heads: int = 4
    """of a transformer's attention, a divisor of --embed-size"""
    start_from: Path | None = None
    """a captioner to go on with, a file that --export wrote with the same settings of the network; --steps may then be
    0"""


@dataclass(frozen=True)
class Training:
    """How it learns."""

    overfit: bool = False
    """learn 50 captions of 50 pictures by heart, with the assignment's settings"""
    steps: int | None = None
    """updates; none: 20000 (scenes), 300 (coco_mini), 50000 (coco, cs231n), 100 (--overfit)"""
    batch_size: int | None = None
    """captions in an update; none: 128, of coco_mini 64, of --overfit 25"""
    learning_rate: float | None = None
    """peak, after the warm-up; none: 2e-3 (scenes, coco_mini), 1e-3 (coco, cs231n), 5e-3 (--overfit)"""
    label_smoothing: float = 0.0
    """share of each target that is spread over all words"""
    scheduled_sampling: float = 0.0
    """at the last step, how many of the words that are read are the captioner's own; rises linearly from 0 (Bengio et
    al., 2015)"""
    dropout: float = 0.0
    """share of features and words that a captioner does not see, the same ones throughout a caption (Gal and
    Ghahramani, 2016)"""
    guide_attention: float = 0.0
    """of scenes, for a captioner that attends: weight of a loss that tells it in which cells the object is that a word
    names (Liu et al., 2017); 0 leaves it to find out by itself"""
    ema_decay: float = 0.0
    """of an average of the weights, which is then looked at and exported; 0 is the last weights"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """of the computation; weights, softmax and loss stay in float32"""
    accumulate: int = 1
    """batches to an update; --steps counts batches"""
    self_critical: int = 0
    """further steps in which captions are drawn and rewarded by their CIDEr-D, five of an image, each beside the mean
    of the others (Rennie et al., 2017; Luo, 2020), at a tenth of the learning rate"""


@dataclass(frozen=True)
class Decoding:
    """How captions are found."""

    num_beams: int = 5
    """hypotheses of the beam search"""
    length_penalty: float = 1.0
    """a beam search's score is log p / length^penalty"""
    min_length: int = 1
    """words of a caption at least, its end among them"""
    no_repeat_ngram_size: int = 0
    """so many words in a row do not come twice in a caption; 0: they may"""
    num_beam_groups: int = 1
    """groups of the beam search, each of which avoids the words of those before it (Vijayakumar et al., 2016); a
    divisor of --num-beams"""
    diversity_penalty: float = 0.0
    """log-probability that a word costs for each hypothesis of an earlier group that says it in the same place"""
    num_return_sequences: int = 1
    """captions of each picture by beam search, the best first, and by sampling; more with --caption and --n-samples"""
    require: tuple[str, ...] = ()
    """words that captions of the beam search hold, with --caption and --n-samples (Anderson et al., 2017)"""
    temperature: float = 1.0
    """of samples, drawn from the words that hold 0.9 of the probability"""


@dataclass(frozen=True)
class Looking:
    """Captions of pictures, by a captioner that is trained already."""

    caption: tuple[Path, ...] = ()
    """pictures to caption: files, folders or globs; nothing is trained"""
    n_samples: int = 0
    """held-out scenes to caption instead of files; nothing is trained"""
    captioner: Path = EMBEDDED
    """for --caption and --n-samples: a file that --export wrote"""
    explain: caption_explained.MethodName | None = None
    """for --caption and --n-samples: also draw which pixels made each word, by this method of attribution"""


@dataclass(frozen=True)
class Config(Looking, Decoding, Training, Network, Data):  # the last one's come first
    """The settings of one captioner."""

    seed: int = 0
    """of weights, order and samples"""
    checkpoint_every: int = 1000
    """steps between checkpoints, each with a look at held-out pictures"""
    async_checkpoints: bool = False
    """take steps while a checkpoint is being written; a kill in that moment loses more than the interval"""
    export: Path | None = None
    """also write the trained network to this safetensors file, and a card beside it (.md)"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/caption-NNN"""
    mesh: str | None = None
    """devices that divide the work, such as data=8 (parts of a batch) or data=4,model=2 (large weights, too); none: one
    device, with --hosts all devices"""
    hosts: str | None = None
    """processes that train together: auto (Slurm, Open MPI, GKE, TPU pods) or ADDRESS:PORT,COUNT,INDEX; all with the
    same --run-dir"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""

    @property
    def resumable(self) -> bool:
        """Whether an interrupted run can go on: a training can, captioning begins anew."""
        return not (self.caption or self.n_samples)


def check_captioning(config: Config) -> None:
    """Refuses what is of a training alone, where pictures are captioned.

    Raises:
        InputError: if a flag is of no use.
    """
    check_decoding(config)
    if config.resume or config.export or config.overfit or config.mesh:
        raise InputError("--caption and --n-samples train nothing: leave --resume, --export, --overfit and --mesh out")
    if config.n_samples < 0 or (config.caption and config.n_samples):
        raise InputError("give --caption with files, or --n-samples with a number above 0 for scenes, one of the two")


def resolved(config: Config) -> Any:
    """A `Config` with every None that means a default replaced (hence Any), after a look at whether it can work.

    Raises:
        InputError: if a number is out of range.

    Example:
        >>> resolved(Config(dataset="coco")).hidden_size, resolved(Config(overfit=True)).steps
        (512, 100)
    """
    defaults = DEFAULTS["overfit" if config.overfit else config.dataset] | {"max_length": MAX_LENGTH[config.dataset]}
    settings = runs.filled(config, defaults)
    others = ("min_count", "n_train", "n_held_out", "num_layers", "num_heads", "checkpoint_every")
    for name in (*defaults, *others):
        if not (name == "steps" and settings.steps == 0 and settings.start_from):
            require_number(settings, name, above=0)
    check_training(settings)
    check_decoding(settings)
    if settings.cell != "lstm" and settings.model != "plain":
        raise InputError(f"--cell {settings.cell} is of --model plain: leave it out with --model {settings.model}")
    if settings.model == "transformer" and settings.embed_size % settings.num_heads:
        raise InputError(f"--num-heads must divide --embed-size {settings.embed_size}, got {settings.num_heads}")
    for flag in [name for name in ("explain", "captioner") if getattr(settings, name) != getattr(Config, name)]:
        raise InputError(f"--{flag} is of --caption and --n-samples: leave it out in training")
    if settings.require or settings.num_return_sequences > 1:
        raise InputError(
            "--require and --num-return-sequences are of --caption and --n-samples: leave them out in training"
        )
    if settings.hard and settings.dataset != "scenes":
        raise InputError("--hard is of --dataset scenes: leave it out with photographs")
    if settings.max_length < 3:
        raise InputError(f"--max-length must be 3 or more, a start, a word and an end; got {settings.max_length}")
    return settings


def check_training(settings: Any) -> None:
    """Whether the options of the training can work.

    Raises:
        InputError: if one is out of range.
    """
    for name in ("label_smoothing", "dropout", "ema_decay"):
        if not 0 <= getattr(settings, name) < 1:
            value = getattr(settings, name)
            raise InputError(f"--{name.replace('_', '-')} must be at least 0 and below 1, got {value}")
    if not 0 <= settings.scheduled_sampling <= 1:
        raise InputError(f"--scheduled-sampling must lie between 0 and 1, got {settings.scheduled_sampling}")
    require_number(settings, "guide_attention", at_least=0)
    if settings.guide_attention and (settings.dataset != "scenes" or settings.model == "plain" or settings.overfit):
        raise InputError(
            "--guide-attention is of --dataset scenes, whose objects' places are known, with a --model that attends, "
            "and without --overfit: leave it out otherwise"
        )
    require_number(settings, "accumulate", above=0)
    if settings.self_critical < 0:
        raise InputError(f"--self-critical must be a number of steps, 0 or more, got {settings.self_critical}")
    if settings.self_critical and settings.overfit:
        raise InputError("--overfit learns captions by heart, not by their worth: leave --self-critical out")
    if settings.steps + settings.self_critical == 0:
        raise InputError("there is nothing to train: give --steps or --self-critical above 0")

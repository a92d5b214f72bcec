"""Captions pictures: trains a captioner and scores it, or says what your own photographs show.

The features of an image begin the state of a recurrent cell, which says one word after the other (Vinyals et al.,
"Show and tell", 2015, https://arxiv.org/abs/1411.4555, and CS231n's assignment 3, where the image is the first state).
Captions are decoded greedily, by beam search and by sampling, scored by BLEU, ROUGE-L and CIDEr-D, and, for the
procedural scenes, judged claim by claim: is what the caption says true? With `--model attention`, `adaptive`,
`top_down` or `transformer` the captioner looks at a grid of cells before each word, and captions_attention.png shows
where.

Without flags it trains the scenes captioner that comes with this project (its card: checkpoints/captioner_scenes.md),
13 minutes on one core.
`--overfit` is the assignment's sanity run: 50 captions by heart; expected loss below 0.1 (rnn) and 0.5 (lstm).
`--caption photo.jpg ...` captions pictures with a trained captioner (`--captioner FILE`) and trains nothing. Ctrl-C
leaves a run that `--resume` goes on with, to the same bits.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments import caption_data, caption_explained, caption_figures, caption_training, figures, runs
from experiments.caption_data import Data
from experiments.caption_decoding import check_decoding, decoded, word_ids
from experiments.caption_pointing import Pointing, pointing_game
from experiments.caption_scores import Scores, scored
from experiments.captioner_files import EMBEDDED, TrainedCaptioner, load_captioner, rounded, save_captioner
from experiments.command import command
from experiments.encoders import encode, load_encoder
from experiments.inputs import require_number
from jaxvision.data import read_images
from jaxvision.data.captions import CaptionedScenes, captioned_scenes
from jaxvision.errors import InputError
from jaxvision.training import Run, is_first

N_SHOWN = 8  # pictures on the sheet

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
class Config:
    """The settings of one captioner."""

    dataset: Literal["scenes", "coco", "coco_mini", "cs231n"] = "scenes"
    """what to learn; scenes need no files, the others are read below JAXVISION_HOME (coco, coco_mini: official layout;
    cs231n: the course's coco_captioning pack)"""
    model: Literal["plain", "attention", "adaptive", "top_down", "transformer"] = "plain"
    """the captioner: plain sees one row of features for each image; attention (Xu et al., 2015), adaptive (Lu et al.,
    2017), top_down (Anderson et al., 2018) and transformer (Vaswani et al., 2017) look at a grid of cells before each
    word"""
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    """the recurrent cell of a plain captioner"""
    overfit: bool = False
    """learn 50 captions of 50 pictures by heart, with the assignment's settings"""
    steps: int | None = None
    """updates; none: 20000 (scenes), 300 (coco_mini), 50000 (coco, cs231n), 100 (--overfit)"""
    batch_size: int | None = None
    """captions in an update; none: 128, of coco_mini 64, of --overfit 25"""
    learning_rate: float | None = None
    """peak, after the warm-up; none: 2e-3 (scenes, coco_mini), 1e-3 (coco, cs231n), 5e-3 (--overfit)"""
    hidden_size: int | None = None
    """of the state, of a transformer between the two weights that end a layer; none: 256 (scenes, coco_mini), else
    512"""
    embed_size: int | None = None
    """of a word's vector, of attention's keys, of a transformer's rows; none: 128 (scenes, coco_mini), else 256"""
    num_layers: int = 2
    """of a transformer"""
    num_heads: int = 4
    """of a transformer's attention, a divisor of --embed-size"""
    max_length: int | None = None
    """words of a caption with its start and end; none: 24, of cs231n 17"""
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
    start_from: Path | None = None
    """a captioner to go on with, a file that --export wrote with the same settings of the network; --steps may then be
    0"""
    min_count: int = 2
    """how often a word must be in COCO's training captions to be learned; others become <UNK>"""
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
    caption: tuple[Path, ...] = ()
    """pictures to caption: files, folders or globs; nothing is trained"""
    n_samples: int = 0
    """held-out scenes to caption instead of files; nothing is trained"""
    captioner: Path = EMBEDDED
    """for --caption and --n-samples: a file that --export wrote"""
    explain: caption_explained.MethodName | None = None
    """for --caption and --n-samples: also draw which pixels made each word, by this method of attribution"""
    seed: int = 0
    """of weights, order and samples"""
    checkpoint_every: int = 1000
    """steps between checkpoints, each with a look at held-out pictures"""
    export: Path | None = None
    """also write the trained network to this safetensors file, and a card beside it (.md)"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/caption-NNN"""
    mesh: str | None = None
    """devices that divide the work, such as data=8 (parts of a batch) or data=4,model=2 (large weights, too); none: one
    device, with --hosts data=all"""
    hosts: str | None = None
    """processes that train together: auto (Slurm, Open MPI, GKE, TPU pods) or ADDRESS:PORT,COUNT,INDEX; all with the
    same --run-dir"""
    resume: bool = False
    """go on with the run in --run-dir, or with the newest one; its settings must be the same"""


@dataclass(frozen=True)
class Result:
    """What came out."""

    run_dir: Path
    pictures: tuple[Path, ...]
    captions: dict[str, tuple[str, ...]]
    """by decoder, of the pictures on the sheet (with --caption: of all)"""
    loss: float | None = None
    """of the last tenth of the training batches: nats per caption, summed over its words"""
    reward: float | None = None
    """of the last tenth of the self-critical batches: CIDEr-D of captions that were drawn"""
    scores: Scores | None = None
    """of held-out pictures or scenes, by decoder"""
    pointing: dict[str, Pointing] | None = None
    """of an attentive captioner on scenes, by kind of word: how often its attention is on what the word names"""
    by_heart: float | None = None
    """with --overfit: share of the training captions that come back word for word"""
    seconds: float | None = None
    """wall time of the training, compilation included; of a resumed run, since it was resumed"""


def main(config: Config) -> Result:
    """Trains and scores, or captions pictures with a captioner that is trained already.

    Raises:
        InputError: if the settings contradict each other or files cannot be read or written.
        FloatingPointError: if the loss stops being a number.
    """
    if config.caption or config.n_samples:
        return caption_pictures(config)
    settings = resolved(config)
    data = load_data(settings)
    with runs.open_run("caption", settings) as run:
        trained = caption_training.train(settings, data, run)
        captioner = rounded(trained.captioner)
        shown = data.train if settings.overfit else data.held_out
        said = decoded(captioner, shown.features, settings)
        loss = "" if trained.loss is None else f"; the loss of the last batches is {trained.loss:.3f}"
        reward = "" if trained.reward is None else f"; captions drawn last have CIDEr-D {trained.reward:.3f}"
        run.note(f"{data.note}{loss}{reward}")
        found, by_heart = None, None
        if settings.overfit:
            by_heart = share_by_heart(said["greedy"], captioner.vocabulary.decode(shown.tokens))
            run.note(f"{100 * by_heart:.0f} % of the {len(shown.tokens)} captions come back word for word")
        else:
            found = scored(said, shown.references, data.tokenize, data.scenes)
            run.note("\n".join(found.lines()))
        pictures = [
            figures.save(caption_figures.learning(run.metrics(), trained.validation), run.picture("learning.png"))
        ]
        if shown.image is not None:
            images = [shown.image(row) for row in range(min(N_SHOWN, len(shown.features)))]
            sheet = caption_figures.sheet(images, said, shown.references, found.of_images if found else None)
            pictures.insert(0, figures.save(sheet, run.picture("captions.png")))
            if captioner.encoder.grid:
                pictures.insert(1, save_attention(captioner, shown.features, images, said["beam"], run))
        pointing = None
        if captioner.encoder.grid and data.scenes is not None and not settings.overfit:
            pointing = pointed(captioner, shown.features, said["beam"], data.scenes, run)
        result = Result(
            run_dir=run.path,
            pictures=tuple(pictures),
            captions={name: tuple(captions[:N_SHOWN]) for name, captions in said.items()},
            loss=trained.loss,
            reward=trained.reward,
            scores=found,
            pointing=pointing,
            by_heart=by_heart,
            seconds=trained.seconds,
        )
        run.finish(result)
    if settings.export is not None and is_first():
        save_captioner(settings.export, captioner)
        caption_training.write_card(settings, config, data, captioner, result)
    return result


def caption_pictures(config: Config) -> Result:
    """Says what files or held-out scenes show, with a trained captioner."""
    check_decoding(config)
    if config.resume or config.export or config.overfit:
        raise InputError("--caption and --n-samples train nothing: leave --resume, --export and --overfit out")
    if config.n_samples < 0 or (config.caption and config.n_samples):
        raise InputError("give --caption with files, or --n-samples with a number above 0 for scenes, one of the two")
    captioner = load_captioner(config.captioner)
    word_ids(config.require, captioner.vocabulary)  # refuses words before a run begins
    if captioner.encoder.features_fn is None:
        raise InputError(
            "this captioner was trained on the course's features, which come without their network: train one with "
            "--dataset coco to caption pictures of your own"
        )
    scenes, found = None, None
    if config.n_samples:
        scenes = captioned_scenes("test", config.n_samples, size=captioner.encoder.size, hard=config.hard)
        names, images, references = scenes.names, scenes.images.astype(np.float32) / 255, scenes.captions
    else:
        names, images = read_images(config.caption, captioner.encoder.size)
        references = [()] * len(names)
    with runs.open_run("caption", config) as run:
        if captioner.encoder.name == "scenes" and scenes is None:
            run.note("This captioner knows plain coloured shapes and nothing else: of photographs it talks nonsense")
        features = encode(captioner.encoder, images)
        said, pointing = decoded(captioner, features, config), None
        for name, *captions in zip(names, *(said[beam] for beam in said if beam.startswith("beam")), strict=True):
            print("\n".join(f"{name}: {words}" for words in captions))
        if scenes is not None:
            found = scored(said, references, str.split, scenes)
            run.note("\n".join(found.lines()))
        sheet = caption_figures.sheet(list(images), said, references, found.of_images if found else None)
        pictures = [figures.save(sheet, run.picture("captions.png"))]
        if captioner.encoder.grid:
            pictures.append(save_attention(captioner, features, list(images[:N_SHOWN]), said["beam"], run))
            pointing = pointed(captioner, features, said["beam"], scenes, run) if scenes is not None else None
        if config.explain:
            pictures.append(caption_explained.explained(captioner, images, said["beam"], config.explain, scenes, run))
        captions = {name: tuple(sentences) for name, sentences in said.items()}
        result = Result(run_dir=run.path, pictures=tuple(pictures), captions=captions, scores=found, pointing=pointing)
        run.finish(result)
    return result


def save_attention(
    captioner: TrainedCaptioner, features: np.ndarray, images: list[np.ndarray], captions: Sequence[str], run: Run
) -> Path:
    """The sheet of where each word of some captions was looked for."""
    few = captions[: len(images)]
    maps = captioner.maps(features[: len(images)], few)
    return figures.save(caption_figures.attention(images, few, maps), run.picture("captions_attention.png"))


def pointed(
    captioner: TrainedCaptioner, features: np.ndarray, captions: Sequence[str], scenes: CaptionedScenes, run: Run
) -> dict[str, Pointing]:
    """The pointing game over all captions, and a line about it."""
    side = captioner.encoder.side
    assert side is not None
    found = pointing_game(captions, captioner.maps(features, captions), scenes, side)
    run.note("\n".join(f"{name} words: {of_kind.line()}" for name, of_kind in found.items()))
    return found


def share_by_heart(said: list[str], taught: list[str]) -> float:
    """How many captions are the taught ones, word for word."""
    return float(np.mean([one == other for one, other in zip(said, taught, strict=True)]))


def load_data(settings: Any) -> Data:
    """The data set of the settings; for `--overfit` 50 pictures of it."""
    n_train = caption_training.BY_HEART if settings.overfit else settings.n_train
    if settings.dataset == "scenes":
        data = caption_data.scenes(
            n_train,
            settings.n_held_out,
            settings.max_length,
            grid=settings.model != "plain",
            hard=settings.hard,
            named=settings.guide_attention > 0,
        )
    elif settings.dataset == "cs231n":
        load_encoder("course", grid=settings.model != "plain")  # refuses a grid before anything is read
        data = caption_data.course(settings.n_held_out)
    else:
        data = caption_data.coco(
            settings.dataset,
            settings.year,
            settings.n_held_out,
            settings.max_length,
            1 if settings.overfit else settings.min_count,  # by heart means every word
            grid=settings.model != "plain",
            download=settings.download_images,
        )
    if not settings.overfit:
        return data
    return dataclasses.replace(data, train=caption_data.fewer(data.train, caption_training.BY_HEART))


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
    if settings.explain:
        raise InputError("--explain is of --caption and --n-samples: leave it out in training")
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


if __name__ == "__main__":
    command(main, Config)

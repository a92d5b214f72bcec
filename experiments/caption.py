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
from typing import Any

import numpy as np

from experiments import caption_data, caption_explained, caption_figures, caption_training, figures, runs
from experiments.caption_data import Data
from experiments.caption_decoding import decoded, word_ids
from experiments.caption_pointing import Pointing, pointing_game
from experiments.caption_scores import Scores, scored
from experiments.caption_settings import Config, check_captioning, resolved
from experiments.captioner_files import TrainedCaptioner, load_captioner, rounded, save_captioner
from experiments.command import command
from experiments.encoders import encode, load_encoder
from jaxvision.data import read_images
from jaxvision.data.captions import CaptionedScenes, captioned_scenes
from jaxvision.errors import InputError
from jaxvision.training import Run, is_first

N_SHOWN = 8  # pictures on the sheet


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
    check_captioning(config)
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


if __name__ == "__main__":
    command(main, Config)

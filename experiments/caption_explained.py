"""A caption explained word by word: which pixels made the captioner say it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments import figures
from experiments.caption_pointing import masks_of, naming_words
from experiments.captioner_files import TrainedCaptioner
from experiments.colours import overlay
from experiments.encoders import whole_batches
from jaxvision.attribution import input_x_gradient, integrated_gradients, occlusion, saliency_map
from jaxvision.captioning import START, word_logits_fn
from jaxvision.data.captions import CaptionedScenes
from jaxvision.metrics.faithfulness import pointing_game
from jaxvision.pixels import gaussian_blur
from jaxvision.signatures import LogitsFn
from jaxvision.training import Run

MethodName = Literal["saliency", "input_x_gradient", "integrated_gradients", "occlusion"]
BATCH = 32  # words mapped at once
GREY = 0.5  # what a pixel is compared with: images are RGB in [0, 1]
CELLS = 8  # on a side of the image: occluded windows are two wide
WORDS = 12  # shown of a caption
SHOWN = 8  # captions on the sheet

Label = Int[Array, " n"]
Method = Callable[[LogitsFn, Array, Label], Array]


def _integrated_gradients(logits_fn: LogitsFn, images: Array, labels: Label) -> Array:
    return jnp.sum(integrated_gradients(logits_fn, images, labels, baseline=GREY, n_steps=20).attributions, axis=-1)


def _input_x_gradient(logits_fn: LogitsFn, images: Array, labels: Label) -> Array:
    def from_grey(x: Array) -> Array:
        return logits_fn(x + GREY)

    return jnp.sum(input_x_gradient(from_grey, images - GREY, labels), axis=-1)


def _occlusion(logits_fn: LogitsFn, images: Array, labels: Label) -> Array:
    cell = images.shape[1] // CELLS
    found = occlusion(logits_fn, images, labels, window=2 * cell, stride=cell, baseline=GREY)
    return jnp.sum(found, axis=-1)


METHODS: dict[str, Method] = {
    "saliency": saliency_map,
    "input_x_gradient": _input_x_gradient,
    "integrated_gradients": _integrated_gradients,
    "occlusion": _occlusion,
}


@dataclass(frozen=True)
class Pointing:
    """How often a word's map is largest on the object that the word names, and the part of its light there.

    Attributes:
        words: how many words there were.
        hits: share of the words.
        energy: mean part of a map's positive values.
        random_hits: of maps of noise.
        random_energy: of maps of noise.
        centre_hits: of maps that are largest in the middle of the image.
    """

    words: int
    hits: float
    energy: float
    random_hits: float
    random_energy: float
    centre_hits: float

    def line(self) -> str:
        """What a reader is told."""
        return (
            f"the pixel that mattered most lies on the named object for {100 * self.hits:.1f} % of {self.words} words "
            f"(of noise: {100 * self.random_hits:.1f} %, the middle of the image: {100 * self.centre_hits:.1f} %), "
            f"and {100 * self.energy:.1f} % of all that spoke for the word (of noise: {100 * self.random_energy:.1f} %)"
        )


def explain(
    captioner: TrainedCaptioner,
    images: Float[np.ndarray, "n s s 3"],
    captions: Sequence[str],
    method: MethodName,
    *,
    words: Sequence[tuple[int, int]] | None = None,
) -> Float[np.ndarray, "n t s s"]:
    """A map for each word of captions: how much each pixel spoke for the word, given the words before it.

    Args:
        captioner: one with an encoder.
        images: RGB in [0, 1].
        captions: one for each image, in the captioner's words.
        method: how.
        words: the numbers of a caption and of a word in it, for each word that is wanted; all if not given.

    Returns:
        `(N, T, s, s)` for the T words of the longest caption, smoothed by a sixtieth of the side; zero for others.
    """
    tokens = captioner.vocabulary.encode([caption.split() for caption in captions], captioner.max_length)[:, 1:]
    lengths = [len(caption.split()) for caption in captions]
    wanted = words if words is not None else [(i, t) for i, length in enumerate(lengths) for t in range(length)]
    pairs = np.array(wanted, np.int32).reshape(-1, 2)
    maps = np.zeros((len(captions), max([1, *lengths]), *images.shape[1:3]), np.float32)
    for number, batch in enumerate(whole_batches(pairs, BATCH)):
        rows, places = batch.T
        found = _maps(captioner.encoder.features_fn, captioner.model, images[rows], tokens[rows], places, method=method)
        kept = pairs[number * BATCH : (number + 1) * BATCH]
        maps[kept[:, 0], kept[:, 1]] = np.asarray(found)[: len(kept)]
    return maps


def explained(
    captioner: TrainedCaptioner,
    images: Float[np.ndarray, "n s s 3"],
    captions: Sequence[str],
    method: MethodName,
    scenes: CaptionedScenes | None,
    run: Run,
) -> Path:
    """The sheet `explained.png` of the first captions, and of scenes a line on the pointing game over all.

    Args:
        captioner: one with an encoder.
        images: RGB in [0, 1].
        captions: one for each image.
        method: how.
        scenes: what there is to see, where that is known.
        run: which the sheet belongs to.

    Returns:
        The sheet's file.
    """
    shown = [(i, t) for i, caption in enumerate(captions[:SHOWN]) for t in range(len(caption.split()))]
    naming = [] if scenes is None else [(index, place) for index, place, _, _ in naming_words(captions, scenes)]
    maps = explain(captioner, images, captions, method, words=sorted({*shown, *naming}))
    if scenes is not None and naming:
        run.note(f"{method}: {pointing(maps, captions, scenes).line()}")
    return figures.save(sheet(list(images[:SHOWN]), captions[:SHOWN], maps), run.picture("explained.png"))


@partial(jax.jit, static_argnames="method")
def _maps(
    encoder: Any,
    model: Any,
    images: Float[Array, "m s s 3"],
    tokens: Int[Array, "m t"],
    places: Int[Array, " m"],
    *,
    method: MethodName,
) -> Float[Array, "m s s"]:
    def of_word(word: tuple[Array, Array, Array]) -> Array:
        image, said, place = word
        logits_fn = word_logits_fn(encoder, model, said, place, start=START)
        return METHODS[method](logits_fn, image[None], said[place][None])[0]

    found = jax.lax.map(of_word, (images, tokens, places), batch_size=4)
    return gaussian_blur(found[..., None], images.shape[1] / 60)[..., 0]


def pointing(maps: Float[np.ndarray, "n t s s"], captions: Sequence[str], scenes: CaptionedScenes) -> Pointing:
    """The pointing game for the words that name one object by its shape or its colour.

    Args:
        maps: of `explain`.
        captions: one for each scene.
        scenes: what there is to see.

    Returns:
        Hits and energy, beside those of noise and of the middle of the image.
    """
    size = maps.shape[2]
    objects = np.asarray(masks_of(scenes.scenes, size)) >= 0.5
    words = [(index, place, named) for index, place, _, named in naming_words(captions, scenes)]
    rows, places, named = np.array(words, np.int32).reshape(-1, 3).T
    masks = objects[rows, named]
    noise = np.random.default_rng(0).uniform(size=masks.shape).astype(np.float32)
    away = np.abs(np.arange(size, dtype=np.float32) - (size - 1) / 2)
    middle = np.broadcast_to(-np.hypot(away[:, None], away[None, :]).astype(np.float32), masks.shape)
    ours, random, centre = (pointing_game(values, masks) for values in (maps[rows, places], noise, middle))
    return Pointing(
        words=len(words),
        hits=float(ours.hit.mean()),
        energy=float(ours.energy.mean()),
        random_hits=float(random.share.mean()),  # exactly: a random map is largest at a random place
        random_energy=float(random.energy.mean()),
        centre_hits=float(centre.hit.mean()),
    )


@rc_context(figures.STYLE)
def sheet(
    images: Sequence[np.ndarray], captions: Sequence[str], maps: Float[np.ndarray, "n t s s"], *, most: int = WORDS
) -> Figure:
    """A row for each picture: the picture, then each word of its caption with what spoke for it as light.

    Each word has a scale of its own; how much a word depends on the picture at all is not to be seen.

    Args:
        images: `(h, w, 3)` in [0, 1].
        captions: one for each picture.
        maps: of `explain`; negative values are shown as zero.
        most: words shown of a caption.
    """
    words = [caption.split()[:most] for caption in captions]
    columns = 1 + max([1, *(len(of_one) for of_one in words)])
    figure, axes = figures.pictures(len(images), columns, cell=0.95, heading=0.22 * len(images))
    for line, image, of_one, of_image in zip(axes, images, words, maps, strict=False):
        figures.show(line[0], image, title="image")
        for axis, word, values in zip(line[1:], of_one, of_image, strict=False):
            figures.show(axis, overlay(image, np.maximum(values, 0)), title=word)
    return figure

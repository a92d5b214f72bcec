"""What a captioner is trained on: features, captions as ids, and the references of held-out pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from experiments.caption_pointing import Named, named_in
from experiments.encoders import Encoder, apply, encode, load_encoder
from jaxvision.captioning import Vocabulary
from jaxvision.data import resize_image
from jaxvision.data.captions import (
    CaptionedImages,
    CaptionedScenes,
    cached_features,
    captioned_scenes,
    coco_captions,
    course_captions,
)
from jaxvision.data.scenes import CAPTION_WORDS
from jaxvision.errors import InputError
from jaxvision.files import notice
from jaxvision.metrics.captions import ptb_tokenize


@dataclass(frozen=True)
class Split:
    """Pictures of one split, as a captioner sees them.

    Attributes:
        features: `(M, D)` of each picture, or `(M, L, D)` of its cells.
        tokens: `(K, T)` captions as ids.
        pictures: `(K,)` the row of `features` that a caption is about.
        references: `(M,)` what people say of each picture.
        image: `row -> (h, w, 3)` RGB in [0, 1], for a figure; None where there are only features.
        named: of scenes, where the things are that the captions name; None where nobody asked.
    """

    features: Float[np.ndarray, "m *d"]
    tokens: Int[np.ndarray, "k t"]
    pictures: Int[np.ndarray, " k"]
    references: tuple[tuple[str, ...], ...]
    image: Callable[[int], Float[np.ndarray, "h w 3"]] | None
    named: Named | None = None


@dataclass(frozen=True)
class Data:
    """A data set for captioning.

    Attributes:
        train: what is learned from.
        held_out: what it is judged by.
        vocabulary: made of the training captions.
        encoder: what made the features.
        tokenize: a sentence to its words.
        scenes: the held-out scenes, which captions can be judged by; None for photographs.
        note: one sentence on what this is.
    """

    train: Split
    held_out: Split
    vocabulary: Vocabulary
    encoder: Encoder
    tokenize: Callable[[str], list[str]]
    scenes: CaptionedScenes | None
    note: str


def scenes(
    n_train: int, n_held_out: int, max_length: int, *, grid: bool = False, hard: bool = False, named: bool = False
) -> Data:
    """Procedural scenes, 64 px, five captions each; features by SceneNet.

    Args:
        n_train: scenes to learn from.
        n_held_out: scenes to be judged by, of another split.
        max_length: T, with START and END.
        grid: features are SceneNet's cells, for a captioner that attends.
        hard: four objects that cover parts of one another.
        named: also where the things are that the captions to learn from name, in the cells of the grid.
    """
    encoder = load_encoder("scenes", grid=grid)
    vocabulary = Vocabulary.build([[word] for word in CAPTION_WORDS])
    train, held_out = (captioned_scenes(split, n, hard=hard) for split, n in (("train", n_train), ("test", n_held_out)))
    splits = [
        _split(encode(encoder, source.images), source.captions, str.split, vocabulary, max_length, _of_scenes(source))
        for source in (train, held_out)
    ]
    if named:
        assert encoder.side is not None
        where = named_in(train.captions, train, encoder.side, max_length - 1)
        splits[0] = replace(splits[0], named=where)
    kind = "hard" if hard else "procedural"
    note = (
        f"{n_train:,} {kind} scenes (split `train`) with five captions each; judged on {n_held_out:,} of the split "
        "`test`"
    )
    return Data(splits[0], splits[1], vocabulary, encoder, str.split, held_out, note)


def coco(
    folder: str,
    year: int,
    n_held_out: int,
    max_length: int,
    min_count: int,
    *,
    grid: bool = False,
    download: bool = False,
) -> Data:
    """COCO's photographs below JAXVISION_HOME; features by ImageNet's SqueezeNet, cached there.

    Args:
        folder: of the home folder: "coco", or "coco_mini" for a small one of the same layout.
        year: 2014 or 2017.
        n_held_out: pictures of the validation split to be judged by.
        max_length: T, with START and END.
        min_count: how often a word must be there to be learned.
        grid: features are cells of SqueezeNet's last map, for a captioner that attends.
        download: fetch the pictures where they are missing.

    Raises:
        InputError: if files are missing or damaged.
    """
    encoder = load_encoder("imagenet", grid=grid)
    sources = [
        coco_captions(split, year=year, folder=folder, download_images=download) for split in ("train", "validation")
    ]
    words = [ptb_tokenize(caption) for captions in sources[0].captions for caption in captions]
    vocabulary = Vocabulary.build(words, min_count=min_count)
    cut = vocabulary.n_truncated(words, max_length)
    if cut:
        notice(f"{cut} of {len(words)} captions have more than {max_length - 2} words and are cut: see --max-length")
    train = _of_photographs(sources[0], encoder, vocabulary, max_length, None)
    held_out = _of_photographs(sources[1], encoder, vocabulary, max_length, n_held_out)
    said = (
        f"COCO {year} ({folder}): {len(train.features):,} photographs; judged on {len(held_out.features):,} of the "
        "split `validation`"
    )
    return Data(train, held_out, vocabulary, encoder, ptb_tokenize, None, said)


def course(n_held_out: int) -> Data:
    """The course's pack: COCO 2014 as 512 principal components of VGG-16's fc7, captions as ids, no pictures.

    Raises:
        InputError: if files are missing or damaged.
    """
    found = {split: course_captions(split) for split in ("train", "validation")}
    vocabulary = Vocabulary(found["train"].words)
    splits = []
    for split, limit in (("train", None), ("validation", n_held_out)):
        pack = found[split]
        sentences: list[list[str]] = [[] for _ in pack.features]
        for row, sentence in zip(pack.image_indices.tolist(), vocabulary.decode(pack.captions), strict=True):
            sentences[row].append(sentence)
        kept = [row for row, said in enumerate(sentences) if said][:limit]
        place = {row: index for index, row in enumerate(kept)}
        of_kept = np.isin(pack.image_indices, kept)
        pictures = np.asarray([place[row] for row in pack.image_indices[of_kept].tolist()], np.int32)
        references = tuple(tuple(sentences[row]) for row in kept)
        splits.append(Split(pack.features[kept], pack.captions[of_kept], pictures, references, None))
    note = f"CS231n's coco_captioning pack; judged on {len(splits[1].features):,} pictures of `validation`"
    return Data(splits[0], splits[1], vocabulary, load_encoder("course"), str.split, None, note)


def fewer(split: Split, n: int) -> Split:
    """The first caption of each of the first `n` pictures: what an overfitting run learns by heart.

    Raises:
        InputError: if there are fewer pictures.
    """
    if len(split.features) < n:
        raise InputError(f"--overfit wants {n} pictures, and there are {len(split.features)}: choose another --dataset")
    rows = np.arange(n, dtype=np.int32)
    first = np.asarray([int(np.flatnonzero(split.pictures == row)[0]) for row in rows])
    references = tuple(captions[:1] for captions in split.references[:n])
    return Split(split.features[:n], split.tokens[first], rows, references, split.image)


def _of_photographs(
    source: CaptionedImages, encoder: Encoder, vocabulary: Vocabulary, max_length: int, limit: int | None
) -> Split:
    cached = cached_features(
        source,
        partial(apply, encoder.features_fn),
        encoder.features_fn,
        preprocessing=encoder.preprocessing,
        size=encoder.size,
    )
    if cached.skipped:
        shown = "; ".join(f"{name}: {why}" for name, why in list(cached.skipped.items())[:3])
        notice(f"{len(cached.skipped)} pictures could not be read and are left out ({shown})")
    indices = cached.indices[:limit]
    captions = [source.captions[index] for index in indices]

    def image(row: int) -> np.ndarray:
        return resize_image(source[indices[row]].image, encoder.size).astype(np.float32) / 255

    return _split(cached.load()[: len(indices)], captions, ptb_tokenize, vocabulary, max_length, image)


def _of_scenes(source: CaptionedScenes) -> Callable[[int], np.ndarray]:
    return lambda row: source.images[row].astype(np.float32) / 255


def _split(
    features: np.ndarray,
    captions: Sequence[tuple[str, ...]],
    tokenize: Callable[[str], list[str]],
    vocabulary: Vocabulary,
    max_length: int,
    image: Callable[[int], np.ndarray],
) -> Split:
    words = [tokenize(caption) for of_one in captions for caption in of_one]
    pictures = np.repeat(np.arange(len(captions), dtype=np.int32), [len(of_one) for of_one in captions])
    return Split(features, vocabulary.encode(words, max_length), pictures, tuple(captions), image)

"""The caption data of Stanford's CS231n: COCO 2014 as integers, with features of VGG-16."""

import dataclasses
import shutil
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, Int32

from jaxvision.data.captions.hdf5 import MAX_BYTES, read_dataset
from jaxvision.data.captions.zips import check_size, unzipping
from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, atomic_write, exclusive, fetch, home, notice, parse_json

# The course publishes neither size nor digest: the first download is trusted, and its SHA-256 is kept beside it.
COURSE_PACK = PublishedFile(
    "coco_captioning/coco_captioning.zip",
    "https://cs231n.stanford.edu/coco_captioning.zip",
    "",
    None,
    "captions CC BY 4.0, COCO Consortium; features by Stanford's CS231n",
    "about 1 GB",
)


_FEATURES = {"fc7": "vgg16_fc7", "fc7_pca": "vgg16_fc7_pca"}
_SPLITS = {"train": "train", "validation": "val"}
_SPECIAL_WORDS = ["<NULL>", "<START>", "<END>", "<UNK>"]


@dataclasses.dataclass(frozen=True)
class CourseCaptions:
    """One split of the pack, in memory: a captioner trains on `features[image_indices]` and `captions`.

    Attributes:
        captions: `(n, time)` ids, each caption `<START> ... <END>` and `<NULL>` after it (the pack has time = 17).
        image_indices: `(n,)` the row of `features` that a caption is about.
        features: `(images, size)` of VGG-16's layer fc7: 4096, or 512 principal components.
        urls: `(images,)` where the pictures are on the web.
        words: the words behind the ids, `<NULL>`, `<START>`, `<END>` and `<UNK>` first.
    """

    captions: Int32[np.ndarray, "n time"]
    image_indices: Int32[np.ndarray, " n"]
    features: Float32[np.ndarray, "images size"]
    urls: tuple[str, ...]
    words: tuple[str, ...]


def course_captions(split: str, *, features: str = "fc7_pca", folder: str = "coco_captioning") -> CourseCaptions:
    """The course's caption data from its own HDF5 files, unpacked from its archive, or downloaded (about 1 GB).

    Args:
        split: "train" (82,783 pictures, 400,135 captions) or "validation" (40,504 and 195,954).
        features: "fc7_pca" (512 numbers a picture) or "fc7" (4096: 1.4 GB in memory for "train").
        folder: a folder of the home folder.

    Returns:
        Captions, features and words, in memory.

    Raises:
        InputError: if there is no such split or kind of features, a file cannot be had, is damaged or another, or the
            files do not belong together.

    Example:
        >>> course_captions("dev")
        Traceback (most recent call last):
        jaxvision.errors.InputError: there is no split 'dev' of the course's captions: choose train or validation

    References:
        Stanford CS231n, assignment 3 (Spring 2017), `RNN_Captioning.ipynb`,
        https://cs231n.github.io/assignments2017/assignment3/
    """
    if split not in _SPLITS:
        raise InputError(f"there is no split {split!r} of the course's captions: choose train or validation")
    if features not in _FEATURES:
        raise InputError(f"there are no features {features!r} in the course's captions: choose fc7 or fc7_pca")
    part = _SPLITS[split]
    caption_file, word_file, feature_file, url_file = (
        _file(folder, name)
        for name in (
            "coco2014_captions.h5",
            "coco2014_vocab.json",
            f"{part}2014_{_FEATURES[features]}.h5",
            f"{part}2014_urls.txt",
        )
    )
    captions = read_dataset(caption_file, f"{part}_captions", 2, "iu").astype(np.int32)
    indices = read_dataset(caption_file, f"{part}_image_idxs", 1, "iu").astype(np.int32)
    table = read_dataset(feature_file, "features", 2, "f").astype(np.float32, copy=False)
    words = _words(word_file)
    urls = _urls(url_file)
    _check_captions(caption_file, captions, len(words), word_file)
    if len(indices) != len(captions):
        raise InputError(
            f"{caption_file} has {len(captions):,} captions and {len(indices):,} picture indices: get a whole copy"
        )
    if indices.min() < 0 or indices.max() >= len(table):
        raise InputError(
            f"{caption_file} speaks of picture {max(indices.max(), -indices.min())} and {feature_file} has features of "
            f"{len(table):,}: take both files from the same pack"
        )
    if len(urls) != len(table):
        raise InputError(
            f"{url_file} has {len(urls):,} addresses and {feature_file} features of {len(table):,} pictures: take both "
            "files from the same pack"
        )
    return CourseCaptions(captions, indices, table, urls, words)


def _file(folder: str, name: str) -> Path:
    """The file itself, or unpacked from the archive beside it."""
    path = home() / folder / name
    if path.is_file():
        return path
    archive = home() / folder / COURSE_PACK.name
    if not archive.is_file():
        if folder != PurePosixPath(COURSE_PACK.path).parent.name:
            raise InputError(f"{path} is missing: put it there, or {COURSE_PACK.name} (published at {COURSE_PACK.url})")
        notice(f"{name} comes with {COURSE_PACK.url}, {COURSE_PACK.note}")
        archive = fetch(COURSE_PACK)
    with exclusive(path, waiting=lambda: notice(f"Waiting for another process to unpack {path}")):
        if not path.is_file():
            _unpack(archive, path)
    return path


def _unpack(archive: Path, path: Path) -> None:
    with unzipping(archive), zipfile.ZipFile(archive) as opened:
        member = next((info for info in opened.infolist() if PurePosixPath(info.filename).name == path.name), None)
        if member is None:
            raise InputError(f"{archive} does not hold {path.name}: get the course's archive, {COURSE_PACK.url}")
        check_size(archive, member, MAX_BYTES)
        with opened.open(member) as source, atomic_write(path) as stream:
            shutil.copyfileobj(source, stream, 1 << 20)


def _urls(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): get a whole copy of it") from error


def _words(path: Path) -> tuple[str, ...]:
    try:
        content = parse_json(path.read_bytes(), f"{path}", "get a whole copy of it")
        words = [str(word) for word in content["idx_to_word"]]
        known = {str(word): int(index) for word, index in content["word_to_idx"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path} is not the course's vocabulary: expected JSON with 'idx_to_word' and 'word_to_idx'; "
            "get a whole copy of it"
        ) from error
    if words[:4] != _SPECIAL_WORDS or known != {word: index for index, word in enumerate(words)}:
        raise InputError(
            f"{path} contradicts itself: expected distinct words, {' '.join(_SPECIAL_WORDS)} first, and 'word_to_idx' "
            "to be the inverse of 'idx_to_word'; get a whole copy of it"
        )
    return tuple(words)


def _check_captions(path: Path, captions: Int32[np.ndarray, "n time"], n_words: int, word_file: Path) -> None:
    if captions.min() < 0 or captions.max() >= n_words:
        worst = captions.max() if captions.max() >= n_words else captions.min()
        raise InputError(f"{path} has the word {worst} and {word_file} {n_words:,} words: take both from the same pack")
    null, start, end = 0, 1, 2
    ended = (captions == end).any(axis=1)  # a caption that is too long may be cut off
    lengths = np.where(ended, (captions == end).argmax(axis=1), captions.shape[1])  # <START> and the words
    after = np.arange(captions.shape[1]) > lengths[:, None]
    whole = (captions[:, 0] == start) & np.all((captions == null) == after, axis=1)
    if not whole.all():
        raise InputError(
            f"caption {np.argmin(whole)} in {path} is not <START> words <END>, with <NULL> after it: get a whole "
            "copy of it"
        )
    if (lengths == 1).any():
        raise InputError(f"caption {np.argmax(lengths == 1)} in {path} is empty: every caption needs a word")

"""Caption files in COCO's JSON, and the split file of Karpathy and Fei-Fei."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxvision.data.captions.zips import check_size, unzipping
from jaxvision.errors import InputError
from jaxvision.files import parse_json
from jaxvision.files.json_text import MAX_BYTES

_KARPATHY_SPLITS = {"train": ("train", "restval"), "validation": ("val",), "test": ("test",)}


class CocoRecord(NamedTuple):
    """One line of a caption file.

    Fields:
        file: the picture's file name; in a split file with its folder, as "val2014/COCO_val2014_000000391895.jpg".
        image_id: COCO's number of the picture.
        captions: as people wrote them, without the spaces around; at least one.
    """

    file: str
    image_id: int
    captions: tuple[str, ...]


def read_coco_json(path: str | os.PathLike[str], *, member: str | None = None) -> tuple[CocoRecord, ...]:
    """Reads `captions_*.json` as COCO publishes it.

    Args:
        path: the JSON file, or a zip file that holds it.
        member: its name inside the zip file.

    Returns:
        One record for each picture, in the file's order of pictures; the captions of a picture in the file's order.

    Raises:
        InputError: if the file cannot be read, is not COCO's, has an empty caption, a caption of a picture that it does
            not list, or a picture without captions.

    Example:
        >>> import json, tempfile
        >>> content = {"images": [{"id": 7, "file_name": "a.jpg"}]}
        >>> content["annotations"] = [{"image_id": 7, "caption": "A cat."}]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "captions.json").write_text(json.dumps(content))
        ...     read_coco_json(Path(folder, "captions.json"))
        (CocoRecord(file='a.jpg', image_id=7, captions=('A cat.',)),)

    References:
        Xinlei Chen et al., "Microsoft COCO captions: data collection and evaluation server", 2015,
        https://arxiv.org/abs/1504.00325; the format: https://cocodataset.org/#format-data, section 6.
    """
    content = _json(path, member)
    named = f"{member} in {path}" if member else f"{path}"
    captions: dict[int, list[str]] = {}
    try:
        files = {_whole(image["id"]): _text(image["file_name"]) for image in content["images"]}
        for annotation in content["annotations"]:
            said = _said(annotation["caption"], annotation, named)
            captions.setdefault(_whole(annotation["image_id"]), []).append(said)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{named} is not a caption file of COCO: expected lists 'images' (id, file_name) and 'annotations' "
            "(image_id, caption); choose one of the files captions_*.json"
        ) from error
    if not files:
        raise InputError(f"{named} lists no pictures: choose a caption file that has some")
    if unknown := captions.keys() - files.keys():
        raise InputError(
            f"{named} has captions of a picture {min(unknown)} that it does not list: get a whole copy of it"
        )
    if silent := [file for image_id, file in files.items() if image_id not in captions]:
        raise InputError(
            f"{named} has no caption for {_some(silent)}: every picture needs at least one, take the others out"
        )
    return tuple(CocoRecord(file, image_id, tuple(captions[image_id])) for image_id, file in files.items())


def read_karpathy_json(
    path: str | os.PathLike[str], split: str, *, member: str | None = None
) -> tuple[CocoRecord, ...]:
    """Reads one split of `dataset_coco.json`, COCO 2014 divided anew: most published results are on its test split.

    Args:
        path: the JSON file, or a zip file that holds it.
        split: "train" (113,287 pictures: the file's train and restval together, as usual), "validation" or "test"
            (5,000 each).
        member: its name inside the zip file.

    Returns:
        One record for each picture of the split, in the file's order.

    Raises:
        InputError: if there is no such split, the file cannot be read or is another, or a picture has no captions.

    Example:
        >>> read_karpathy_json("dataset_coco.json", "dev")
        Traceback (most recent call last):
        jaxvision.errors.InputError: there is no split 'dev' of COCO: choose one of train, validation, test

    References:
        Andrej Karpathy and Li Fei-Fei, "Deep visual-semantic alignments for generating image descriptions", CVPR 2015,
        https://cs.stanford.edu/people/karpathy/deepimagesent/
    """
    if split not in _KARPATHY_SPLITS:
        raise InputError(f"there is no split {split!r} of COCO: choose one of {', '.join(_KARPATHY_SPLITS)}")
    content = _json(path, member)
    named = f"{member} in {path}" if member else f"{path}"
    records = []
    try:
        for image in content["images"]:
            if image["split"] in _KARPATHY_SPLITS[split]:
                captions = tuple(_said(sentence["raw"], sentence, named) for sentence in image["sentences"])
                file = f"{_text(image['filepath'])}/{_text(image['filename'])}"
                records.append(CocoRecord(file, _whole(image["cocoid"]), captions))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{named} is not Karpathy's split file of COCO: expected a list 'images' (split, filepath, filename, "
            "cocoid, sentences); get dataset_coco.json"
        ) from error
    if not records:
        raise InputError(f"{named} has no picture of the split {split}: get a whole copy of dataset_coco.json")
    if silent := [record.file for record in records if not record.captions]:
        raise InputError(f"{named} has no caption for {_some(silent)}: every picture needs at least one")
    return tuple(records)


def _whole(number: Any) -> int:
    """COCO's numbers are integers; a text of digits will do."""
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise TypeError("a number that is none")
    if not -(2**63) <= int(number) < 2**63:
        raise ValueError("a number beyond 64 bits")
    return int(number)


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError("a name that is no text")
    return name


def _said(caption: Any, annotation: Mapping[str, Any], named: str) -> str:
    if not isinstance(caption, str):
        raise TypeError("a caption that is no text")
    if not caption.strip():
        where = {key: annotation[key] for key in ("id", "image_id", "sentid", "imgid") if key in annotation}
        raise InputError(f"{named} has an empty caption at {where}: write one or take it out")
    return caption.strip()


def _some(files: list[str]) -> str:
    return files[0] if len(files) == 1 else f"{len(files):,} pictures, first of all {files[0]}"


def _json(path: str | os.PathLike[str], member: str | None) -> Any:
    path = Path(path)
    mend = "get a whole copy of it"
    if member is not None:
        with unzipping(path), zipfile.ZipFile(path) as archive:
            if member not in archive.NameToInfo:
                raise InputError(f"{path} does not hold {member}: get the official archive")
            check_size(path, archive.getinfo(member), MAX_BYTES)
            return parse_json(archive.read(member), f"{member} in {path}", mend)
    try:
        return parse_json(path.read_bytes(), f"{path}", mend)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; choose a file that you can read") from error

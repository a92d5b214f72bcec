"""COCO captions: pictures from COCO's own files, prepared once, decoded when asked for."""

import dataclasses
import functools
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

from jaxvision.data.captions.coco_files import YEARS, annotation_file, karpathy_file, picture_place
from jaxvision.data.captions.coco_json import CocoRecord, read_coco_json, read_karpathy_json
from jaxvision.data.captions.extra import extra
from jaxvision.data.captions.pictures import Pictures
from jaxvision.data.captions.record import CaptionedImage
from jaxvision.data.images import decode_image
from jaxvision.errors import InputError
from jaxvision.files import exclusive, home, notice, writing_error

_PARTS = {"train": "train", "validation": "val"}


@dataclasses.dataclass(frozen=True)
class CocoCaptions:
    """One split of COCO, prepared; a picture is read and decoded when it is asked for, in any thread or process.

    Attributes:
        names: `(n,)` file names.
        captions: `(n,)` captions of each, as people wrote them.
        image_ids: `(n,)` COCO's numbers.
        identity: a SHA-256 that changes when a picture or a caption does.
        prepared: the folder of the data set that tensorflow-datasets prepared.
        split: its split.
    """

    names: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    image_ids: tuple[int, ...]
    identity: str
    prepared: Path
    split: str

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: SupportsIndex) -> CaptionedImage:
        index = range(len(self))[index]
        name = self.names[index]
        return CaptionedImage(name, decode_image(io.BytesIO(self.encoded(index)), name), self.captions[index])

    def __iter__(self) -> Iterator[CaptionedImage]:
        return (self[i] for i in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_records"}  # open files stay here

    def encoded(self, index: SupportsIndex) -> bytes:
        """One picture as it is in its file."""
        index = range(len(self))[index]
        record = self._records[index]
        if record["file"].decode() != self.names[index]:
            raise InputError(f"{self.prepared} does not belong to the caption file: remove it to have it made again")
        return record["image"]

    @functools.cached_property
    def _records(self) -> Sequence[Mapping[str, Any]]:
        from jaxvision.data.captions.coco_builder import open_prepared  # noqa: PLC0415 - an extra, a second to import

        return open_prepared(self.prepared, self.split)


def coco_captions(
    split: str, *, year: int = 2017, folder: str = "coco", karpathy: bool = False, download_images: bool = False
) -> CocoCaptions:
    """Captioned pictures of COCO, from a folder of the home folder in COCO's layout.

    Captions: `annotations/captions_{train,val}YEAR.json`, or the official archive, or downloaded (253 MB). Pictures:
    the folders or zip files `{train,val}YEAR`; they are downloaded only if asked for. The first call writes them as one
    array_record data set (as large again as the pictures) to `prepared` in the home folder, a later one opens that; of
    another caption file or other pictures another one is made. Damaged JPEG files are kept as they are and raise when
    they are decoded.

    Args:
        split: "train" or "validation" (82,783 and 40,504 pictures in 2014, 118,287 and 5,000 in 2017); with `karpathy`
            also "test".
        year: 2014 or 2017.
        folder: a folder of the home folder; any smaller set in the same layout will do.
        karpathy: divide COCO 2014 by `dataset_coco.json`: 113,287, 5,000 and 5,000 pictures.
        download_images: download the pictures where they are not there: 13.5 and 6.6 GB in 2014, 19.3 and 0.8 GB in
            2017.

    Returns:
        The pictures with their captions, in the order of the caption file.

    Raises:
        InputError: if there is no such split or year, a file is not there or damaged, caption file and pictures do not
            belong together, the extra is not installed, or the prepared set cannot be written.

    Example:
        >>> coco_captions("dev")
        Traceback (most recent call last):
        jaxvision.errors.InputError: there is no split 'dev' of COCO 2017: choose train or validation

    References:
        Tsung-Yi Lin et al., "Microsoft COCO: common objects in context", ECCV 2014, https://arxiv.org/abs/1405.0312;
        Xinlei Chen et al., "Microsoft COCO captions: data collection and evaluation server", 2015,
        https://arxiv.org/abs/1504.00325; Andrej Karpathy and Li Fei-Fei, "Deep visual-semantic alignments for
        generating image descriptions", CVPR 2015, https://arxiv.org/abs/1412.2306 (their split).
    """
    if year not in YEARS:
        raise InputError(f"there is no COCO of {year}: choose 2014 or 2017")
    if karpathy:
        if year != 2014:
            raise InputError("Karpathy's split divides COCO 2014: choose year=2014 with it")
        path, member = karpathy_file(folder=folder)
        records = read_karpathy_json(path, split, member=member)
        parts = {part: part for part in sorted({record.file.rpartition("/")[0] for record in records})}
    else:
        if split not in _PARTS:
            raise InputError(f"there is no split {split!r} of COCO {year}: choose train or validation")
        part = f"{_PARTS[split]}{year}"
        path, member = annotation_file(part, folder=folder)
        records, parts = read_coco_json(path, member=member), {"": part}
    places = {name: picture_place(part, folder=folder, download=download_images) for name, part in parts.items()}
    identity = _identity(records, places, path)
    key = f"{folder}-{'karpathy' if karpathy else year}-{split}-{identity[:12]}".replace("/", "-")
    return CocoCaptions(
        names=tuple(record.file for record in records),
        captions=tuple(record.captions for record in records),
        image_ids=tuple(record.image_id for record in records),
        identity=identity,
        prepared=_prepared(records, places, split, key),
        split=split,
    )


def _identity(records: Sequence[CocoRecord], places: Mapping[str, Path], said_by: Path) -> str:
    """What the pictures and captions are; checks on the way that every picture is there."""
    found = hashlib.sha256()
    for folder, place in places.items():
        here = [record for record in records if record.file.rpartition("/")[0] == folder]
        with Pictures(place) as pictures:
            names = [record.file.rpartition("/")[2] for record in here]
            pictures.check_holds(names, said_by)
            for name, record in zip(names, here, strict=True):
                found.update(repr((record, pictures.marks[name])).encode())
    return found.hexdigest()


def _prepared(records: Sequence[CocoRecord], places: Mapping[str, Path], split: str, key: str) -> Path:
    with extra("COCO is read through tensorflow-datasets, which"):
        from jaxvision.data.captions import coco_builder  # noqa: PLC0415 - an extra, a second to import
    root = home() / "prepared"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with exclusive(root / key, waiting=lambda: notice(f"Waiting for another process to prepare {root / key}")):
            builder = coco_builder.CocoCaptionsBuilder(records, places, split=split, data_dir=root, key=key)
            return coco_builder.prepare(builder)
    except OSError as error:
        raise writing_error(root, error) from error

"""COCO's captioned pictures as a data set of tensorflow-datasets, in array_record files and without TensorFlow.

Importing this module imports tensorflow-datasets (extra `coco`).
"""

import contextlib
import io
import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from jaxvision.data.captions.coco_json import CocoRecord
from jaxvision.data.captions.pictures import Pictures
from jaxvision.files import notice

_VERSION = "1.0.0"
_FEW = 1000  # pictures that are prepared in no time, and without a progress bar


class CocoCaptionsBuilder(tfds.core.GeneratorBasedBuilder):
    """Features: "image" (encoded as it was), "file", "image_id" and "captions", in the order of the caption file.

    Args:
        records: pictures and captions.
        places: for each folder that a record's file names ("" where it names none) the folder or zip file.
        split: the name of the one split.
        data_dir: where data sets of tensorflow-datasets are kept.
        key: tells these pictures and captions from others.
    """

    name = "jaxvision_coco_captions"
    VERSION = tfds.core.Version(_VERSION)

    def __init__(
        self, records: Sequence[CocoRecord], places: Mapping[str, Path], *, split: str, data_dir: Path, key: str
    ):
        self.records, self._places, self._split = records, places, split
        with _quiet():  # a configuration that is made on the spot is what is wanted
            super().__init__(
                data_dir=data_dir,
                config=tfds.core.BuilderConfig(name=key, version=_VERSION),
                file_format="array_record",
            )

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "file": tfds.features.Text(),
                "image_id": np.int64,
                "captions": tfds.features.Sequence(tfds.features.Text()),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description="Pictures of COCO with the captions that people wrote.",
            homepage="https://cocodataset.org",
            features=features,
            disable_shuffling=True,  # record i is line i of the caption file
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {self._split: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with contextlib.ExitStack() as stack:
            opened = {name: stack.enter_context(Pictures(place)) for name, place in self._places.items()}
            for number, record in enumerate(self.records):
                folder, _, file = record.file.rpartition("/")
                yield (
                    number,
                    {
                        "image": io.BytesIO(opened[folder].read(file)),  # an array would import TensorFlow
                        "file": record.file,
                        "image_id": record.image_id,
                        "captions": list(record.captions),
                    },
                )


def prepare(builder: CocoCaptionsBuilder) -> Path:
    """Writes the data set beside its place and renames it, unless it is there; says so on standard error.

    Returns:
        The folder of the prepared data set.
    """
    if not Path(builder.data_dir).exists():
        notice(f"Preparing {len(builder.records):,} pictures with captions in {builder.data_dir}")
    tfds.display_progress_bar(len(builder.records) > _FEW)
    # What it prints speaks of a download; the file format has to be named twice, or TFRECORD is complained of.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(file_format="array_record")
    return Path(builder.data_dir)


def open_prepared(folder: Path, split: str) -> Sequence[Mapping[str, Any]]:
    """The records of a prepared data set by number, pictures still encoded."""
    builder: Any = tfds.builder_from_directory(folder)
    return builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)

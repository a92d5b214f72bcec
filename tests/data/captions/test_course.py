"""The course's pack in a small copy of its layout, and packs that do not match."""

import json

import h5py
import numpy as np
import pytest

from jaxvision.captioning import Vocabulary
from jaxvision.data.captions import COURSE_PACK, course, course_captions
from jaxvision.errors import InputError
from jaxvision.files import sha256
from tests.data.captions.conftest import write_zip

WORDS = ["<NULL>", "<START>", "<END>", "<UNK>", "a", "cat", "sits"]
CAPTIONS = [[1, 4, 5, 2, 0], [1, 4, 5, 6, 2], [1, 4, 3, 2, 0]]


def write_pack(folder, *, captions=CAPTIONS, indices=(0, 2, 0), words=WORDS, n_features=3, n_urls=3, known=None):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with h5py.File(folder / "coco2014_captions.h5", "w") as file:
        for part in ("train", "val"):
            file[f"{part}_captions"] = np.array(captions, np.int32)
            file[f"{part}_image_idxs"] = np.array(indices, np.int32)
    for part in ("train", "val"):
        for name, size in (("fc7", 4096), ("fc7_pca", 512)):
            with h5py.File(folder / f"{part}2014_vgg16_{name}.h5", "w") as file:
                file["features"] = rng.normal(size=(n_features, size)).astype(np.float32)
        (folder / f"{part}2014_urls.txt").write_text("".join(f"http://example.org/{i}.jpg\n" for i in range(n_urls)))
    known = {word: i for i, word in enumerate(words)} if known is None else known
    (folder / "coco2014_vocab.json").write_text(json.dumps({"idx_to_word": words, "word_to_idx": known}))


@pytest.mark.parametrize(("features", "size"), [("fc7", 4096), ("fc7_pca", 512)])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_arrays_are_those_of_the_files(own_home, features, size, split):
    write_pack(own_home / "coco_captioning")
    found = course_captions(split, features=features)
    np.testing.assert_array_equal(found.captions, CAPTIONS)
    assert found.image_indices.tolist() == [0, 2, 0]
    assert found.features.shape == (3, size)
    assert found.features.dtype == np.float32
    assert found.urls[1] == "http://example.org/1.jpg"
    assert Vocabulary(found.words).decode(found.captions) == ["a cat", "a cat sits", "a <UNK>"]


def test_only_what_is_needed_is_unpacked(own_home):
    write_pack(own_home / "made")
    folder = own_home / "coco_captioning"
    folder.mkdir()
    members = {f"coco_captioning/{file.name}": file.read_bytes() for file in (own_home / "made").iterdir()}
    write_zip(folder / "coco_captioning.zip", members)
    np.testing.assert_array_equal(course_captions("train").captions, CAPTIONS)
    assert sorted(path.name for path in folder.iterdir()) == [
        "coco2014_captions.h5",
        "coco2014_vocab.json",
        "coco_captioning.zip",
        "train2014_urls.txt",
        "train2014_vgg16_fc7_pca.h5",
    ]


def test_a_download_without_published_digest_is_recorded(own_home, monkeypatch, serve):
    write_pack(own_home / "made")
    write_zip(own_home / "pack", {f"coco_captioning/{f.name}": f.read_bytes() for f in (own_home / "made").iterdir()})
    file = type(COURSE_PACK)(COURSE_PACK.path, serve((own_home / "pack").read_bytes()), "", None, "none", "small")
    monkeypatch.setattr(course, "COURSE_PACK", file)
    assert len(course_captions("validation").features) == 3
    assert file.record.read_text() == f"sha256:{sha256(file.location)}\n"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"captions": [[1, 2, 0, 0, 0], *CAPTIONS[1:]]}, r"caption 0 in .* is empty"),
        ({"captions": [[4, 5, 2, 0, 0], *CAPTIONS[1:]]}, "caption 0 in .* is not <START> words <END>"),
        ({"captions": [CAPTIONS[0], [1, 4, 0, 5, 2], CAPTIONS[2]]}, "caption 1 in .* is not <START> words <END>"),
        ({"captions": [CAPTIONS[0], [1, 4, 7, 2, 0], CAPTIONS[2]]}, r"has the word 7 and .*vocab\.json 7 words"),
        ({"indices": (0, 3, 0)}, "speaks of picture 3 and .* has features of 3"),
        ({"indices": (0, 2)}, "has 3 captions and 2 picture indices"),
        ({"n_urls": 2}, "has 2 addresses and .* features of 3 pictures"),
        ({"words": WORDS[1:]}, "contradicts itself"),
        ({"known": {"a": 4}}, "contradicts itself"),
    ],
)
def test_packs_that_do_not_match(own_home, changes, sentence):
    write_pack(own_home / "coco_captioning", **changes)
    with pytest.raises(InputError, match=sentence) as error:
        course_captions("train")
    assert "\n" not in str(error.value)


def test_damaged_and_other_files(own_home):
    folder = own_home / "coco_captioning"
    write_pack(folder)
    data = (folder / "train2014_vgg16_fc7_pca.h5").read_bytes()
    (folder / "train2014_vgg16_fc7_pca.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"fc7_pca\.h5 is damaged or no HDF5 file"):
        course_captions("train")
    with h5py.File(folder / "train2014_vgg16_fc7_pca.h5", "w") as file:
        file["other"] = np.zeros(3)
    with pytest.raises(InputError, match="has no data set 'features', only other"):
        course_captions("train")
    with h5py.File(folder / "train2014_vgg16_fc7_pca.h5", "w") as file:
        file["features"] = np.zeros(3)
    with pytest.raises(InputError, match=r"float64 of shape \(3,\): expected 2 dimensions of floats"):
        course_captions("train")
    (folder / "coco2014_vocab.json").write_text("[]")
    with pytest.raises(InputError, match="is not the course's vocabulary"):
        course_captions("validation")


def test_archives_that_are_not(own_home):
    folder = own_home / "coco_captioning"
    folder.mkdir()
    with pytest.raises(InputError, match=r"coco_captioning\.zip is not in .*JAXVISION_OFFLINE"):
        course_captions("train")
    (folder / "coco_captioning.zip").write_bytes(b"PK no zip")
    with pytest.raises(InputError, match=r"coco_captioning\.zip is damaged"):
        course_captions("train")
    write_zip(folder / "coco_captioning.zip", {"readme": b""})
    with pytest.raises(InputError, match=r"does not hold coco2014_captions\.h5"):
        course_captions("train")
    with pytest.raises(InputError, match=r"is missing: put it there"):
        course_captions("train", folder="elsewhere")
    with pytest.raises(InputError, match="no features 'fc8'"):
        course_captions("train", features="fc8")

"""COCO's files, whole and otherwise, and the data set that is prepared from them."""

import hashlib
import json
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest

from jaxvision.data import read_image
from jaxvision.data.captions import COCO_FILES, coco_captions, coco_files, read_coco_json, read_karpathy_json
from jaxvision.errors import InputError
from tests.data.captions.conftest import content, jpeg, write_zip


def small(**changes):
    return coco_captions("validation", **{"folder": "small", **changes})


def test_records_are_the_files(small_coco):
    source = small()
    assert len(source) == 7
    assert source.names[2] == "000000000002.jpg"
    assert source.image_ids == (10, 20, 30, 40, 50, 60, 70)
    assert source.captions[2] == ("Picture 2, said 0.", "Picture 2, said 1.")
    for i, record in enumerate(source):
        assert (record.name, record.captions) == (source.names[i], source.captions[i])
        assert source.encoded(i) == jpeg(i)
        np.testing.assert_array_equal(record.image, read_image(small_coco / "val2017" / record.name))
    assert "tensorflow" not in sys.modules
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again[-1].image, source[6].image)


def test_a_second_call_opens_what_the_first_prepared(small_coco):
    first = small()
    files = {path: path.stat().st_mtime_ns for path in first.prepared.iterdir()}
    assert small() == first
    assert {path: path.stat().st_mtime_ns for path in first.prepared.iterdir()} == files
    # Another picture or another caption is another set.
    (small_coco / "val2017" / "000000000003.jpg").write_bytes(jpeg(30))
    second = small()
    assert second.identity != first.identity
    assert second.encoded(3) == jpeg(30)


def test_the_official_archives_are_read_as_they_are(own_home):
    root = own_home / "coco"
    root.mkdir()
    members = {"annotations/captions_val2017.json": json.dumps(content(3)).encode()}
    write_zip(root / "annotations_trainval2017.zip", members)
    write_zip(root / "val2017.zip", {f"val2017/{i:012}.jpg": jpeg(i) for i in range(3)})
    source = coco_captions("validation")
    assert [source.encoded(i) for i in range(3)] == [jpeg(i) for i in range(3)]


def test_karpathys_split_takes_pictures_of_both_folders(own_home):
    root = own_home / "coco"
    images = []
    for k, (split, folder) in enumerate(
        [("train", "train2014"), ("val", "val2014"), ("restval", "val2014"), ("test", "val2014")]
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{k}.jpg").write_bytes(jpeg(k))
        sentences = [{"raw": f"caption {k}", "tokens": []}]
        images.append({"split": split, "filepath": folder, "filename": f"{k}.jpg", "cocoid": k, "sentences": sentences})
    (root / "dataset_coco.json").write_text(json.dumps({"images": images}))
    train = coco_captions("train", year=2014, karpathy=True)
    assert train.names == ("train2014/0.jpg", "val2014/2.jpg")
    assert [train.encoded(i) for i in range(2)] == [jpeg(0), jpeg(2)]
    assert coco_captions("test", year=2014, karpathy=True).captions == (("caption 3",),)
    with pytest.raises(InputError, match="choose year=2014"):
        coco_captions("train", karpathy=True)


def test_a_damaged_jpeg_speaks_up_when_it_is_decoded(small_coco):
    (small_coco / "val2017" / "000000000004.jpg").write_bytes(jpeg(4)[:200])
    source = small()
    with pytest.raises(InputError, match=r"000000000004\.jpg is damaged"):
        source[4]
    assert source[5].image.shape == (32, 40, 3)


def changed(**parts) -> str:
    return json.dumps(content(7) | parts)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not a caption file of COCO"),
        ('{"images": 3, "annotations": []}', "is not a caption file of COCO"),
        (changed(annotations=[{"image_id": 10}]), "is not a caption file of COCO"),
        (changed(annotations=[{"image_id": 10, "caption": 3}]), "is not a caption file of COCO"),
        (changed(images=[], annotations=[]), "lists no pictures"),
        (changed(annotations=[{"id": 5, "image_id": 10, "caption": " "}]), "has an empty caption at {'id': 5"),
        (changed(annotations=[{"image_id": 11, "caption": "a"}]), "captions of a picture 11 that it does not list"),
        (
            changed(annotations=[{"image_id": 10, "caption": "a"}]),
            "has no caption for 6 pictures, first of all 000000000001",
        ),
    ],
)
def test_caption_files_that_are_not(small_coco, text, sentence):
    path = small_coco / "annotations" / "captions_val2017.json"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence) as error:
        small()
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_picture_that_is_missing_is_named(small_coco):
    (small_coco / "val2017" / "000000000006.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of the 7 pictures that .*json lists are not in .*0006\.jpg"):
        small()


def test_damaged_archives(own_home):
    root = own_home / "coco"
    root.mkdir()
    write_zip(root / "annotations_trainval2017.zip", {"other.json": b"{}"})
    with pytest.raises(InputError, match=r"does not hold annotations/captions_val2017\.json"):
        coco_captions("validation")
    (root / "annotations_trainval2017.zip").write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match=r"annotations_trainval2017\.zip is damaged"):
        coco_captions("validation")
    (root / "captions_val2017.json").write_text(json.dumps(content(2)))
    write_zip(root / "val2017.zip", {f"val2017/{i:012}.jpg": jpeg(i) for i in range(2)})
    data = bytearray((root / "val2017.zip").read_bytes())
    data[data.index(jpeg(1)) + 300] ^= 1
    (root / "val2017.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"val2017\.zip is damaged \(Bad CRC-32 for file 'val2017/000000000001\.jpg'"):
        coco_captions("validation")
    assert not list((own_home / "prepared").glob("*/*/1.0.0"))


def test_pictures_are_never_downloaded_unasked(own_home):
    (own_home / "coco").mkdir()
    (own_home / "coco" / "captions_train2017.json").write_text(json.dumps(content(2)))
    with pytest.raises(InputError, match=r"put the folder train2017 or train2017\.zip there .*download of 19\.3 GB"):
        coco_captions("train")
    with pytest.raises(InputError, match="JAXVISION_OFFLINE"):
        coco_captions("train", download_images=True)
    with pytest.raises(InputError, match=r"has no annotations/captions_train2014\.json: put it there"):
        coco_captions("train", year=2014, folder="elsewhere")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({"split": "test"}, "no split 'test' of COCO 2017"), ({"split": "train", "year": 2015}, "no COCO of 2015")],
)
def test_what_there_is_not(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        coco_captions(**arguments)


def test_asked_for_pictures_and_captions_are_downloaded(own_home, monkeypatch, serve):
    """From a server on this machine: the annotations unasked, the pictures on demand."""
    for name, members in {
        "annotations_trainval2017": {"annotations/captions_val2017.json": json.dumps(content(2)).encode()},
        "val2017": {f"val2017/{i:012}.jpg": jpeg(i) for i in range(2)},
    }.items():
        write_zip(own_home / "archive", members)
        data = (own_home / "archive").read_bytes()
        file = replace(
            COCO_FILES[name], url=serve(data), digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data)
        )
        monkeypatch.setitem(coco_files.COCO_FILES, name, file)
    with pytest.raises(InputError, match=r"val2017\.zip there"):
        coco_captions("validation")
    assert len(coco_captions("validation", download_images=True)) == 2


@pytest.mark.parametrize(("split", "n", "n_captions"), [("train", 80, 400), ("validation", 79, 395)])
def test_real_pictures(needs, own_home, split, n, n_captions):
    (own_home / "coco_mini").symlink_to(needs("coco_mini"))
    source = coco_captions(split, folder="coco_mini")
    assert (len(source), sum(len(captions) for captions in source.captions)) == (n, n_captions)
    record = source[3]
    folder = own_home / "coco_mini" / {"train": "train2017", "validation": "val2017"}[split]
    np.testing.assert_array_equal(record.image, read_image(folder / record.name))


def test_the_real_captions_of_val2017(needs):
    records = read_coco_json(needs("coco_captions/captions_val2017.json"))
    assert (len(records), sum(len(record.captions) for record in records)) == (5_000, 25_014)


def test_split_files_that_are_not(tmp_path):
    path = tmp_path / "dataset_coco.json"
    for text, sentence in [
        ('{"images": [{}]}', "is not Karpathy's split file"),
        ('{"images": []}', "has no picture of the split test"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=sentence):
            read_karpathy_json(path, "test")

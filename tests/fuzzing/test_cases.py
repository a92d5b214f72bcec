"""Files that were once neither read nor refused by one clear sentence, the smallest of each kind.

Found by `python -m tests.fuzzing`, but for those marked as foreseen. A file of several parts begins with the byte of
its part.
"""

import io
import json
import struct
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxvision.data import read_metadata
from jaxvision.data.captions.hdf5 import read_dataset
from jaxvision.data.captions.pictures import Pictures
from jaxvision.errors import InputError
from tests.fuzzing.campaign import examine
from tests.fuzzing.parsers import COCO, CS231N, KARPATHY, PARSERS, WORDS, as_json, tensors_file, zipped

DEEP = b"[" * 100_000 + b"]" * 100_000
DIGITS = b"9" * 5000


def coco(number: bytes) -> bytes:
    return as_json(COCO).replace(b'"id": 7', b'"id": ' + number, 1)


def patched(data: bytes, at: bytes, offset: int, new: bytes) -> bytes:
    """Bytes changed after the last place where a signature stands."""
    place = data.rindex(at) + offset
    return data[:place] + new + data[place + len(new) :]


ZIP = zipped({"val2017/a.jpg": b"encoded", "val2017/b.jpg": b"encoded"})
CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"
CAPTIONER = {"kind": "captioner", "encoder": "scenes", "encoder_sha256": "0" * 64, "max_length": "17"}
CAPTIONER |= {"cell": "gru", "vocabulary": json.dumps(WORDS)}
ATTENTIVE = CAPTIONER | {"model": "attention", "sizes": '{"feature_size": 3, "vocabulary_size": 7}'}
GENERATOR = {"kind": "generator", "network": "mlp", "latent_dim": "96", "shape": "28 x 28 x 1"}


def about(said: dict[str, str], **changed: str | None) -> bytes:
    """A safetensors file that says this of itself, some of it otherwise or not at all."""
    kept = {name: value for name, value in (said | changed).items() if value is not None}
    return tensors_file({"a": np.ones(2, np.float32)}, kept)


def tensor(shape: list[int]) -> bytes:
    header = as_json({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}})
    return struct.pack("<Q", len(header)) + header


def tiff_without(tag: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (9, 9)).save(stream, "TIFF")
    return stream.getvalue().replace(struct.pack("<HH", tag, 3), struct.pack("<HH", 60000, 3))


CASES = {
    "idx": [
        bytes([0, 0, 8, 10]) + b"\xff" * 36 + bytes(4),  # none of rows longer than memory
        bytes([0, 0, 8, 65]) + bytes([0, 0, 0, 1]) * 65 + b"\0",  # more axes than NumPy has
    ],
    "coco_json": [
        b"\0" + coco(b"Infinity"),
        b"\0" + coco(b"1e999"),
        b"\0" + coco(DIGITS),
        b"\0" + coco(b"9223372036854775808"),
        b"\0" + coco(b"null"),
        b"\0" + coco(b'7, "id": 8'),  # foreseen: which of both?
        b"\0" + as_json(COCO).replace(b"A cat 0.", b"\\ud800"),  # cannot be written down again
        b"\0" + DEEP,
        b"\1" + as_json(KARPATHY).replace(b'"cocoid": 0', b'"cocoid": Infinity'),
        b"\2" + zipped({"annotations/captions.json": DIGITS}),
        b"\2" + zipped({"annotations/captions.json": DEEP}),
        b"\2" + patched(zipped({"annotations/captions.json": as_json(COCO)}), LOCAL, 28, b"\xff\x12"),
        b"\2" + zipped({"annotations/captions.json": bytes(1 << 25)}),  # foreseen: a bomb
    ],
    "pictures": [
        patched(ZIP, CENTRAL, 6, b"\xfe\0"),  # a version of the format that is yet to come
        patched(ZIP, CENTRAL, 10, b"\x63\0"),  # an unknown compression
        patched(ZIP, CENTRAL, 8, b"\1\0"),  # encrypted
        patched(patched(ZIP, CENTRAL, 8, b"\0\x08"), CENTRAL, 46, b"\xf5\xf5"),  # a name that is no UTF-8
        patched(ZIP, CENTRAL, 28, b"\0\0\x0d\0"),  # no name
        patched(patched(ZIP, LOCAL, 6, b"\0\x08"), LOCAL, 30, b"\x80"),
        patched(ZIP, LOCAL, 30, b"\x1b[2J"),  # another name in front of the content, quoted in the sentence
        patched(ZIP, CENTRAL, 24, b"\xff\xff\xff\x7f"),  # foreseen: two gigabytes of seven bytes
    ],
    "course": [
        b"\2" + DEEP,
        b"\2" + as_json(CS231N).replace(b'"a": 4', b'"a": Infinity'),
        b"\3\xff\xfe",
        b"\4" + patched(ZIP, CENTRAL, 6, b"\xff\0"),
        b"\4" + patched(patched(ZIP, CENTRAL, 8, b"\0\x08"), CENTRAL, 46, b"\xff\xff"),
    ],
    "features": [
        b"\0" + DEEP,
        b"\0[]",
        b"\1",
        b"\1" + bytes(1 << 16),
    ],
    "image": [
        tiff_without(262),
        b"P6 46875541 1000 255\n" + bytes(99),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
    ],
    "vocabulary": [
        b"\0" + as_json({"format": "jaxvision vocabulary 1", "words": ["<NULL>" + "a" * 5000]}),
        b"\0" + as_json({"format": "jaxvision vocabulary 1", "words": [*WORDS[:4], "\ud800"]}),
        b"\0" + DEEP,
        b"\1" + as_json(CS231N).replace(b'"a": 4', b'"a": 4, "a": 5'),
    ],
    "class_names": [b"\0" + DEEP, b"\1" + DEEP, b"\1" + as_json({str(i): ["n", "\ud800"] for i in range(1000)})],
    "safetensors": [
        b"",
        b"\0",
        tensor([0, 2**62]),
        tensor([0, 2**31, 2**31]),
        tensors_file({"a\x1b[2J": np.ones(1, np.float32)})[:-1],
    ],
    "network": [
        tensors_file({"\n\x1b[2J": np.ones(1, np.float32)}),
        tensors_file({"a" * 5000: np.ones(1, np.float32)}),
    ],
    "captioner": [
        *(
            about(CAPTIONER, **{name: None})
            for name in ("encoder", "encoder_sha256", "max_length", "vocabulary", "cell")
        ),
        about(CAPTIONER, max_length="{}"),
        about(CAPTIONER, encoder="/etc"),
        *(about(CAPTIONER, vocabulary=words) for words in ("", "2.5", "[[]]", "[1]", DEEP.decode(), DIGITS.decode())),
        about(ATTENTIVE, sizes=None),
        about(ATTENTIVE, model="cubist"),
        *(about(ATTENTIVE, sizes=sizes) for sizes in ("0.5", "[1", '{"feature_size": "3"}', "{}", DEEP.decode())),
        about(ATTENTIVE, sizes='{"feature_size": 9223372036854775807, "vocabulary_size": 7}'),
    ],
    "generator": [
        about(GENERATOR, network=None),
        about(GENERATOR, network="d"),
        *(about(GENERATOR, latent_dim=number) for number in ("0", "-1", "0.5", "9" * 400, "²")),
        *(about(GENERATOR, shape=shape) for shape in ("..", "28 x 28", "0 x 0 x 0", "-1 x 2 x 3")),
        tensors_file({"a": np.ones((2, 3), np.int8), "a.scale": np.ones(2, np.float32)}, GENERATOR),
        tensors_file({"a": np.full(2, 100, np.int8), "a.scale": np.full(2, 3e38, np.float32)}, GENERATOR),
    ],
    "stylizer": [
        tensors_file(
            {"in.conv.weight": np.ones(1), "up0.0.conv.weight": np.ones(1)}, {"encoder": "a" * 300, "layer": "b"}
        )
    ],
    "labels": [b"[]", b'{"a": Infinity}', b'{"a": 0.5}', b'{"a": null}', DEEP, b"\xff", b'{"a": 9223372036854775808}'],
    "run": [
        b"\0" + DEEP,
        b"\0" + b'{"steps": ' + b"[" * 900 + b"]" * 900 + b"}",  # read, and too deep to be compared
        b"\0" + b"5",
        b"\0\xff\xfe",
        b"\1\n\n",
        b"\1" + DEEP + b"\n",
        b"\1{}\n",
        b"\1" + b"5\n",
        b"\1\xff\n",
        b'\1{"step": "1"}\n',
    ],
    "checkpoint": [b"\1\xff", b"\1", b"\1[]", b'\1{"leaves": 5}', b'\1{"leaves": {"step": 5}}', b"\1" + DEEP],
}


@pytest.fixture
def offline_home(own_home, monkeypatch, capsys):
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    return own_home.parent


@pytest.mark.parametrize("name", CASES)
def test_found_once(name, offline_home):
    with warnings.catch_warnings(action="ignore"):
        parser = PARSERS[name]()
    wrong = {number: examine(parser, data, offline_home) for number, data in enumerate(CASES[name])}
    assert {number: what for number, what in wrong.items() if what} == {}


# What a file may not make a reader do


def hostile_zip(path) -> None:
    """Names that lead out of any folder, and a symbolic link."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../outside.jpg", "/absolute.jpg", "val2017/../../up.jpg", "val2017/a.jpg"):
            archive.writestr(zipfile.ZipInfo(name), b"content of " + name.encode())
        link = zipfile.ZipInfo("val2017/link.jpg")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")


def test_a_zip_files_names_lead_nowhere(tmp_path):
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "val2017.zip"
    hostile_zip(path)
    with Pictures(path) as pictures:
        assert pictures.read("outside.jpg") == b"content of ../../outside.jpg"
        assert pictures.read("link.jpg") == b"/etc/passwd"  # what the link says, not what is there
        for name in ("../../outside.jpg", "/etc/passwd", "..", "val2017/a.jpg", "a\0.jpg"):
            with pytest.raises(InputError, match="are not in"):
                pictures.read(name)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["val2017.zip"]


def test_a_folders_pictures_are_its_own(tmp_path):
    (tmp_path / "val2017").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with Pictures(tmp_path / "val2017") as pictures, pytest.raises(InputError, match="are not in"):
        pictures.read("../secret.jpg")


def test_an_hdf5_file_is_not_followed_to_others(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(bytes(range(48)))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["features"] = np.ones((3, 4), np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["linked"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "features")
        file["soft"] = h5py.SoftLink("/linked")
        file.create_dataset("outside", (3, 4), "f4", external=[(str(tmp_path / "secret"), 0, 48)])
        layout = h5py.VirtualLayout((3, 4), "f4")
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "features", (3, 4))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("bomb", (2**20, 2**10), "f4", chunks=(2**10, 2**10), fillvalue=1)
    for name in ("linked", "soft", "outside", "virtual"):
        with pytest.raises(InputError, match="has no data set"):
            read_dataset(tmp_path / "a.h5", name, 2, "f")
    with pytest.raises(InputError, match="states 4,294,967,296 bytes, more than a file of"):
        read_dataset(tmp_path / "a.h5", "bomb", 2, "f")


def test_a_picture_that_states_too_many_pixels_is_a_sentence_twice(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 99999 99999 255\n" + bytes(99))
    with pytest.raises(InputError, match="cannot be read as an image"):
        read_metadata(tmp_path / "a.ppm")


def test_an_error_shows_what_a_terminal_would_obey():
    said = str(InputError("no class \x1b[2J\n\u202e\ud800 " + "a" * 10_000 + " end"))
    assert said.isprintable()
    assert said.startswith("no class \\x1b[2J \\u202e\\ud800 aaa")
    assert said.endswith("aaa end")
    assert len(said) < 2000

"""Every reader of a user's file meets what was found once and hundreds of other wrong files.

`python -m tests.fuzzing` goes on by the million.
"""

import time
import warnings
import zipfile

import numpy as np
import pytest

from jaxvision.data import read_metadata
from jaxvision.data.captions.hdf5 import read_dataset
from jaxvision.data.captions.pictures import Pictures
from jaxvision.errors import InputError
from tests.fuzzing.__main__ import NAMES
from tests.fuzzing.campaign import examine, mutated
from tests.fuzzing.cases import CASES
from tests.fuzzing.parsers import PARSERS

SECONDS = 0.25
FILES = 300


def test_every_reader_has_a_name():
    assert tuple(PARSERS) == NAMES


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


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_file_is_read_or_refused_by_a_sentence(name, offline_home):
    if name == "state_dict":
        pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    with warnings.catch_warnings(action="ignore"):  # of the packages that make the valid files
        parser = PARSERS[name]()
        files = mutated(parser, seed=0)
        seeds = [next(files) for _ in parser.seeds()]
    end = time.monotonic() + SECONDS
    for number in range(len(seeds) + FILES):
        with warnings.catch_warnings(action="ignore"):
            data = seeds[number] if number < len(seeds) else next(files)
        assert examine(parser, data, offline_home) is None, data
        if number >= len(seeds) and time.monotonic() > end:
            break


@pytest.mark.parametrize("name", ["idx", "image", "coco_json", "pictures", "hdf5", "vocabulary", "safetensors"])
def test_the_valid_files_are_read(name, offline_home):
    """Otherwise the wrong ones would say nothing."""
    parser = PARSERS[name]()
    read = 0
    for data in parser.seeds():
        try:
            parser.read(data, offline_home)
        except ValueError:
            continue
        read += 1
    assert read >= 0.5 * len(parser.seeds())


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

"""Every reader of a user's file meets hundreds of wrong files; `python -m tests.fuzzing` goes on by the million."""

import time
import warnings

import pytest

from tests.fuzzing.__main__ import NAMES
from tests.fuzzing.campaign import examine, mutated
from tests.fuzzing.parsers import PARSERS

SECONDS = 0.4
FILES = 300


def test_every_reader_has_a_name():
    assert tuple(PARSERS) == NAMES


@pytest.fixture
def offline_home(own_home, monkeypatch, capsys):
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    return own_home.parent


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

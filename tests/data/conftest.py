"""A home folder, a picture, and what every refusal has to say."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from jaxvision.errors import InputError

# Smooth, so that lossy formats and resizing hardly change it, and different in every corner.
ROWS, COLUMNS = np.mgrid[0:24, 0:40] / 40
PICTURE = np.stack([ROWS, COLUMNS, 1 - COLUMNS], axis=-1)
BYTES = np.round(PICTURE * 255).astype(np.uint8)


@pytest.fixture
def own_home(tmp_path, monkeypatch) -> Path:
    """An empty home folder without a network."""
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path))
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    return tmp_path


@contextlib.contextmanager
def refused(path: Path, sentence: str):
    """The block raises an InputError of one sentence that names the path."""
    with pytest.raises(InputError, match=sentence) as error:
        yield
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert 40 < len(message) < 400

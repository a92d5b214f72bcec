import os
import sys
from pathlib import Path

import pytest

from jaxvision.files import home, offline


def test_home_is_the_variable_at_the_time_of_the_call(tmp_path, monkeypatch):
    for folder in (tmp_path / "a", tmp_path / "b"):
        monkeypatch.setenv("JAXVISION_HOME", str(folder))
        assert home() == folder
        assert not folder.exists()  # asking creates nothing


def test_tilde_and_relative_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for value in ("~/cache", "cache"):
        monkeypatch.setenv("JAXVISION_HOME", value)
        assert home() == tmp_path / "cache"


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the XDG rule is for other systems")
@pytest.mark.parametrize("unset", [None, ""])
def test_without_the_variable_it_is_the_user_cache(unset, tmp_path, monkeypatch):
    if unset is None:
        monkeypatch.delenv("JAXVISION_HOME", raising=False)
    else:
        monkeypatch.setenv("JAXVISION_HOME", unset)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home() == tmp_path / "jaxvision"
    for ignored in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert home() == Path(os.path.expanduser("~/.cache/jaxvision"))


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False), ("False", False)]
)
def test_offline_switch(value, expected, monkeypatch):
    monkeypatch.setenv("JAXVISION_OFFLINE", value)
    assert offline() is expected


def test_online_by_default(monkeypatch):
    monkeypatch.delenv("JAXVISION_OFFLINE", raising=False)
    assert offline() is False

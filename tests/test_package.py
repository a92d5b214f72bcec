"""The wheel holds all that is needed where there is no checkout, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("jaxvision", "experiments", "checkpoints")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, for setuptools leaves folders where it builds."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", built, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Could not find a version" in done.stderr:
        pytest.skip("setuptools, which builds the wheel, cannot be had here")
    assert done.returncode == 0, done.stderr
    (path,) = built.glob("*.whl")
    return path


@pytest.mark.slow
def test_what_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room, kinds in zip(ROOMS, (("py", "typed"), ("py",), ("safetensors", "md", "py")), strict=True)
        for kind in kinds
        for path in (ROOT / room).rglob(f"*.{kind}")
    }
    assert held == wanted
    assert {"Name: jaxvision", "License-Expression: MIT", "Requires-Python: >=3.11"} < set(metadata.splitlines())


@pytest.mark.slow
def test_it_runs_where_there_is_no_checkout(wheel, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(site)
    elsewhere.mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(site),
        "JAXVISION_HOME": str(tmp_path / "home"),
        "JAX_PLATFORMS": "cpu",
    }

    def said(*words):
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert Path(said("-c", "import jaxvision; print(jaxvision.__file__)").strip()).is_relative_to(site)
    result = json.loads(said("-m", "experiments.caption", "--n-samples", "2", "--json", "--quiet"))
    assert len(result["captions"]["beam"]) == 2
    assert all((elsewhere / picture).is_file() for picture in result["pictures"])

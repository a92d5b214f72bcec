"""What the README shows runs as it is written."""

import re
from pathlib import Path

import pytest

from experiments.__main__ import ROOMS

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


@pytest.mark.slow
def test_snippets_run():
    pytest.importorskip("skimage", reason="extra `demo`: scikit-image is not installed")
    snippets = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    names = {}
    exec(compile("".join(snippets), str(README), "exec"), names)
    assert names["maps"].shape == (2, 224, 224)
    assert names["fooled"].images.shape == (2, 224, 224, 3)
    assert names["visualized"].images.shape == (1, 224, 224, 3)
    assert names["said"].tokens.shape == (2, 5, 16)
    assert names["sampled"].tokens.shape == (2, 16)
    assert names["drawn"].shape == (16, 28, 28, 1)


def test_two_commands_set_up_and_run():
    commands = re.findall(r"^python -m venv .*$", TEXT, flags=re.MULTILINE)
    assert [command.rsplit("&& ", 1)[1] for command in commands] == ["python -m experiments.tour", "python -m pytest"]


def test_every_experiment_is_named():
    modules = README.parent.joinpath("experiments").glob("*.py")
    runnable = {path.stem for path in modules if "\n    command(" in path.read_text(encoding="utf-8")}
    assert runnable == set(re.findall(r"^\| `python -m experiments\.(\w+)", TEXT, flags=re.MULTILINE))


def test_every_experiment_is_listed():
    named = set(re.findall(r"^\| `python -m experiments\.(\w+)", TEXT, flags=re.MULTILINE))
    assert sorted(name for names in ROOMS.values() for name in names) == sorted(named)

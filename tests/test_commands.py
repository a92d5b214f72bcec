"""Every command that README, documentation, cards and notebooks show is one that the project understands."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from experiments.__main__ import ROOMS
from experiments.flags import parsed

ROOT = Path(__file__).parents[1]
TEXTS = ("*.md", "docs/**/*.md", "checkpoints/*.md", "notebooks/[0-9]*.py")
COMMAND = re.compile(r"python -m (experiments\.\w+|experiments|pytest)((?:\\\n|[^`\n\\])*)")
END_OF_COMMAND = {"&&", "&", "|", ";"}


def shown(text):
    """The commands in a text: the module and its words, as a shell has them."""
    for module, rest in COMMAND.findall(text):
        rest = re.sub(r"\$\([^)]*\)", "", rest.replace("\\\n", " "))  # what a script asks the shell for
        words = shlex.split(rest.split(")")[0], comments=True)
        end = next((number for number, word in enumerate(words) if word in END_OF_COMMAND), len(words))
        yield module, tuple(words[:end])


COMMANDS = sorted({each for glob in TEXTS for page in ROOT.glob(glob) for each in shown(page.read_text("utf-8"))})


def test_commands_are_found_in_texts():
    text = "a `python -m experiments.gan --steps 2`, or\npython -m experiments.caption \\\n  --seed 'a b' & # so\n"
    assert list(shown(text)) == [("experiments.gan", ("--steps", "2")), ("experiments.caption", ("--seed", "a b"))]
    assert len(COMMANDS) > 60
    assert {f"experiments.{name}" for names in ROOMS.values() for name in names} <= {module for module, _ in COMMANDS}


def as_id(part):
    return part if isinstance(part, str) else " ".join(part)


@pytest.mark.parametrize(("module", "words"), COMMANDS, ids=as_id)
def test_a_command_is_understood(module, words):
    if module == "experiments":
        assert words in ((), ("--completion",))
    elif module == "pytest":
        paths = [word for word in words if "/" in word]
        assert [path for path in paths if not (ROOT / path).exists()] == []
    else:
        experiment = importlib.import_module(module)
        settings, _ = parsed(experiment.Config, program=module, description="", words=words)
        assert isinstance(settings, experiment.Config)

"""The command line's promises: one sentence, the right exit code, no traceback for what a reader can mend."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.command import command, command_line, machine_sentence
from jaxvision.errors import InputError


@dataclass(frozen=True)
class Config:
    number: int = 3
    """how many (a count)"""
    run_dir: Path = Path("runs/x")
    resume: bool = False


@dataclass(frozen=True)
class Plain:
    number: int = 3


def raises(error):
    def main(config):
        raise error

    return main


def sentence_and_code(capsys, main, config=Config, args=()):
    with pytest.raises(SystemExit) as stop:
        command(main, config, args=list(args))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1, printed.err
    assert "Traceback" not in printed.err
    return printed.err.strip(), stop.value.code


def test_success_says_where_the_results_are(capsys):
    command(lambda config: SimpleNamespace(run_dir=config.run_dir), Config, args=["--run-dir", "here"])
    assert capsys.readouterr().out == "Results are in here\n"


def test_flags_reach_main_as_a_config():
    seen = []
    command(lambda config: seen.append(config), Config, args=["--number", "7", "--resume"])
    assert seen == [Config(number=7, resume=True)]


@pytest.mark.parametrize("error", [InputError("a.txt is\nnot an image"), FloatingPointError("the loss is NaN")])
def test_mendable_errors_are_one_sentence(capsys, error):
    sentence, code = sentence_and_code(capsys, raises(error))
    assert sentence == str(error).replace("\n", " ")
    assert code == 2


def test_a_full_disk_is_said_even_where_a_library_wraps_it(capsys):
    bare = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x/map.png")
    wrapped = RuntimeError("checkpoint failed")
    wrapped.__cause__ = bare
    for error in (bare, wrapped):
        sentence, code = sentence_and_code(capsys, raises(error))
        assert sentence.startswith("The disk is full while writing runs/x/map.png")
        assert code == 2
    assert machine_sentence(ValueError("I/O error: No space left on device (os error 28)")) is not None


def test_an_unwritable_run_directory_names_the_flag(capsys, tmp_path):
    blocked = tmp_path / "taken"
    blocked.write_text("a file, not a folder")

    def main(config):
        (config.run_dir / "pictures").mkdir(parents=True)

    sentence, code = sentence_and_code(capsys, main, args=["--run-dir", str(blocked)])
    assert str(blocked) in sentence
    assert "--run-dir" in sentence
    assert code == 2


def test_a_missing_file_is_named(capsys, tmp_path):
    sentence, code = sentence_and_code(capsys, lambda config: (tmp_path / "gone.png").read_bytes())
    assert str(tmp_path / "gone.png") in sentence
    assert code == 2


def test_interruption_says_how_to_go_on(capsys):
    sentence, code = sentence_and_code(capsys, raises(KeyboardInterrupt()), args=["--number", "4"])
    assert sentence.endswith("--number 4 --resume`")
    assert code == 130
    sentence, code = sentence_and_code(capsys, raises(KeyboardInterrupt()), Plain)
    assert "--resume" not in sentence
    assert code == 130


def preempted(config):
    signal.raise_signal(signal.SIGTERM)


def test_sigterm_ends_what_can_go_on_with_a_sentence_and_zero(capsys):
    before = signal.getsignal(signal.SIGTERM)
    sentence, code = sentence_and_code(capsys, preempted, args=["--number", "4"])
    assert sentence.startswith("Preempted: go on with `python -m ")
    assert sentence.endswith("--number 4 --resume`")
    assert code == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_of_what_cannot_go_on_is_left_to_the_system():
    seen = []
    before = signal.getsignal(signal.SIGTERM)
    command(lambda config: seen.append(signal.getsignal(signal.SIGTERM)), Plain, args=[])
    assert seen == [before]


@dataclass(frozen=True)
class TwoModes:
    train: bool = False
    resume: bool = False

    @property
    def resumable(self) -> bool:
        return self.train


def test_interruption_of_a_mode_that_cannot_go_on(capsys):
    sentence, _ = sentence_and_code(capsys, raises(KeyboardInterrupt()), TwoModes)
    assert "--resume" not in sentence
    sentence, _ = sentence_and_code(capsys, raises(KeyboardInterrupt()), TwoModes, args=["--train"])
    assert sentence.endswith("--train --resume`")


def test_the_command_line_of_a_config_gives_the_config_back():
    config = Config(number=5, resume=True)
    words = command_line("x", config, without=()).split()
    assert words == ["python", "-m", "experiments.x", "--number", "5", "--resume"]
    seen = []
    command(lambda config: seen.append(config), Config, args=words[3:])
    assert seen == [config]


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError):
        command(raises(KeyError("bug")), Config, args=[])


def test_bad_flags_exit_with_two():
    with pytest.raises(SystemExit) as stop:
        command(print, Config, args=["--number", "many"])
    assert stop.value.code == 2


ROLL = '''"""Rolls a die. Paper: none."""

from dataclasses import dataclass

from experiments.command import command


@dataclass(frozen=True)
class Config:
    sides: int = 6
    """faces of the die (a count)"""


def main(config):
    return None


if __name__ == "__main__":
    command(main, Config)
'''


def test_help_shows_the_module_docstring_and_the_fields(tmp_path):
    (tmp_path / "roll.py").write_text(ROLL)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    run = subprocess.run(
        [sys.executable, "-m", "roll", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert run.returncode == 0, run.stderr
    assert "python -m roll" in run.stdout
    assert "Rolls a die. Paper: none." in run.stdout
    assert "faces of the die (a count)" in run.stdout
    assert "default: 6" in run.stdout

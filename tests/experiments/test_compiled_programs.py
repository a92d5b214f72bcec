"""What a command has compiled is there the next time; one's own choice and a read-only home are respected."""

import os
import subprocess
import sys

import pytest

from experiments import compiled_programs
from experiments.compiled_programs import FOLDER, LEAST, SWITCH, keep_compiled_programs, machine


def test_a_folder_in_the_home_is_made_and_named(own_home):
    environment = {}
    keep_compiled_programs(environment)
    assert environment == {FOLDER: str(own_home / "compiled" / machine()), LEAST: "0.1"}
    assert (own_home / "compiled" / machine()).is_dir()


@pytest.mark.parametrize("choice", [{FOLDER: "elsewhere"}, {SWITCH: "false"}])
def test_ones_own_choice_stays(own_home, choice):
    environment = dict(choice)
    keep_compiled_programs(environment)
    assert environment == choice
    assert not own_home.exists()


def test_a_home_that_cannot_be_written_keeps_nothing(own_home):
    own_home.write_text("a file, not a folder")
    environment = {}
    keep_compiled_programs(environment)
    assert environment == {}


def test_another_processor_has_a_folder_of_its_own(tmp_path, monkeypatch):
    here = machine()
    other = tmp_path / "cpuinfo"
    other.write_text("model name\t: another\nflags\t\t: fpu\n")
    monkeypatch.setattr(compiled_programs, "CPU", other)
    assert machine() != here


def test_a_command_finds_what_another_has_compiled(own_home, tmp_path):
    # All are kept, however short: which of them take a tenth of a second differs from time to time.
    environment = {name: value for name, value in os.environ.items() if name != SWITCH} | {LEAST: "0"}
    command = ["experiments.benchmark_feeding", "--size", "32", "--batch-size", "2", "--n-batches", "1"]

    def run(name):
        words = [sys.executable, "-m", *command, "--run-dir", str(tmp_path / name)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        return done.stderr

    run("first")
    kept = set((own_home / "compiled" / machine()).iterdir())
    assert kept
    assert "Error" not in run("again")
    assert {path for path in (own_home / "compiled" / machine()).iterdir() if not path.name.endswith("atime")} <= kept

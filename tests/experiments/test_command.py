"""The command line's promises: one sentence, the right exit code, no traceback for what a reader can mend."""

import errno
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from experiments.__main__ import ROOMS
from experiments.__main__ import main as listed
from experiments.command import command, command_line, machine_sentence
from experiments.completion import script
from experiments.flags import Terminal, parsed
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


@dataclass(frozen=True)
class Dice:
    """What is rolled."""

    sides: int | None = None
    """faces of a die,
    a count"""
    loaded: bool = False


@dataclass(frozen=True)
class Rolls(Dice):
    kind: Literal["fair", "odd"] = "fair"
    names: tuple[str, ...] = ()
    resume: bool = False
    run_dir: Path | None = None


@dataclass(frozen=True)
class Came:
    run_dir: Path
    pictures: tuple[Path, ...] = ()


def talkative(config):
    print("a table")
    print("a note", file=sys.stderr)
    return Came(Path("runs/x"), tuple(Path(f"runs/x/{n}.png") for n in range(6)))


def test_help_is_in_groups_and_says_no_more_than_it_must(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    with pytest.raises(SystemExit) as stop:
        command(talkative, Rolls, args=["--help"])
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert all(len(line) <= 70 for line in shown.splitlines()), shown
    order = [shown.index(f" {name} options ") for name in ("dice", "settings", "run", "terminal")]
    assert order == sorted(order)
    assert "--sides INT" in shown
    assert "faces of a die, a count" in shown
    assert "(default: fair)" in shown
    assert not [noise for noise in ("None", "False", "(default: )", "--no-", "What is rolled") if noise in shown]


@dataclass(frozen=True)
class Turned:
    transform: bool = True
    """turn the image"""


def test_a_flag_that_turns_something_off_says_so(capsys):
    with pytest.raises(SystemExit):
        command(talkative, Turned, args=["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--no-transform do not turn the image" in shown
    assert "True" not in shown


def test_flags_of_all_groups_make_one_config():
    seen = []
    words = ["--sides", "4", "--loaded", "--kind", "odd", "--names", "a", "b", "--resume", "--run-dir", "here"]
    command(lambda config: seen.append(config), Rolls, args=words)
    assert seen == [Rolls(4, True, "odd", ("a", "b"), True, Path("here"))]
    command(lambda config: seen.append(config), Rolls, args=["--sides", "None"])
    assert seen[1] == Rolls()
    assert command_line("x", seen[0], without=()).split()[3:] == words


def test_a_flag_of_several_is_known_in_the_singular():
    for words in (["--name", "a", "b"], ["--names", "a", "b"]):
        assert parsed(Rolls, program="x", description="", words=words)[0].names == ("a", "b")
    assert parsed(Rolls, program="x", description="", words=["--name=a"])[0].names == ("a",)


def test_a_misspelt_flag_and_choice_are_told_the_right_ones(capsys):
    for words, wanted in ([["--side", "4"], "--sides"], [["--kind", "xyz"], "'fair'"]):
        with pytest.raises(SystemExit) as stop:
            command(talkative, Rolls, args=words)
        assert stop.value.code == 2
        printed = capsys.readouterr()
        assert wanted in printed.out + printed.err


@pytest.mark.parametrize("words", [["--kind", "fare"], ["--kind=fare"]])
def test_a_misspelt_choice_is_answered_with_the_nearest_in_one_sentence(capsys, words):
    with pytest.raises(SystemExit) as stop:
        command(talkative, Rolls, args=words)
    assert stop.value.code == 2
    assert capsys.readouterr().err == "--kind has no fare: the nearest is fair, the others are odd\n"


def test_the_last_line_names_a_few_pictures(capsys):
    command(talkative, Rolls, args=[])
    assert capsys.readouterr().out == "a table\nResults are in runs/x: 0.png, 1.png, 2.png, 3.png, 2 more\n"


def test_quiet_says_nothing_but_what_went_wrong(capfd):
    command(talkative, Rolls, args=["--quiet"])
    assert capfd.readouterr() == ("", "")
    sentence, _ = sentence_and_code(capfd, raises(InputError("a.txt is no image")), args=["--quiet"])
    assert sentence == "a.txt is no image"
    with pytest.raises(KeyError):
        command(raises(KeyError("bug")), Config, args=["--quiet"])


@pytest.mark.parametrize("quiet", [False, True])
def test_json_is_all_there_is_on_standard_output(capfd, quiet):
    command(talkative, Rolls, args=["--json", *(["--quiet"] if quiet else [])])
    told, noted = capfd.readouterr()
    assert told.count("\n") == 1
    assert json.loads(told) == {"run_dir": "runs/x", "pictures": [f"runs/x/{n}.png" for n in range(6)]}
    assert noted == ("" if quiet else "a table\na note\n")


def test_every_experiments_flags_can_be_read():
    for name in sorted(name for names in ROOMS.values() for name in names):
        module = importlib.import_module(f"experiments.{name}")
        settings, terminal = parsed(module.Config, program=name, description="", words=[])
        assert settings == module.Config()
        assert terminal == Terminal()


def completed(words: list[str]) -> list[str]:
    """What bash offers after these words, the last of which is being typed."""
    told = script(["saliency", "gan"])
    asked = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; _jaxvision_experiments; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", f"{told}\n{ask}"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here to complete anything")
def test_bash_completes_names_flags_and_choices():
    assert completed(["python", "-m", "experiments.s"]) == ["experiments.saliency"]
    assert completed(["python", "-m", "experiments.saliency", "--i"]) == ["--images"]
    assert completed(["python", "-m", "experiments.gan", "--objective", "wgan_"]) == ["wgan_gp", "wgan_lp"]
    assert completed(["python", "-m", "experiments.gan", "--objective", "hinge", "--obj"]) == ["--objective"]
    assert completed(["python", "-m", "experiments.gan", "x"]) == completed(["python", "x.py", "--i"]) == []
    assert {"--help", "--json", "--quiet"} < set(completed(["python", "-m", "experiments.saliency", "--"]))


def test_the_list_takes_no_other_words(capsys):
    with pytest.raises(SystemExit) as stop:
        listed(["salincy"])
    assert stop.value.code == 2
    assert "do you mean python -m experiments.saliency?" in capsys.readouterr().err
    listed(["--help"])
    assert "class_visualization" in capsys.readouterr().out


@pytest.mark.slow
def test_the_code_of_an_interrupted_program_that_computes_is_kept(tmp_path):
    """JAX may crash while the interpreter is taken down under a program that still runs."""
    for seconds, number, code in ((0.5, signal.SIGTERM, 0), (1.5, signal.SIGINT, 130), (2.5, signal.SIGTERM, 0)):
        run_dir = tmp_path / str(seconds)
        words = ["-m", "experiments.visualize", "--weights", "scenes", "--n", "2", "--run-dir", run_dir]
        process = subprocess.Popen([sys.executable, *map(str, words)], stderr=subprocess.PIPE, text=True)
        while not run_dir.exists() and process.poll() is None:
            time.sleep(0.1)
        time.sleep(seconds)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
        assert process.returncode == code, said
        assert said.splitlines()[-1].endswith("--resume`")

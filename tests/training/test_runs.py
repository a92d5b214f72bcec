import dataclasses
import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from jaxvision.errors import InputError
from jaxvision.training import Run, checkpoints, new_run, opening, resumed_run


@dataclasses.dataclass(frozen=True)
class Config:
    steps: int = 10
    rate: float = 1e-3
    path: Path | None = None
    run_dir: Path | None = None
    resume: bool = False


def events(folder: Path):
    """(tag, step, value) of the TensorBoard files, oldest first: records of length, checksum, data, checksum."""
    for path in sorted(folder.glob("events.out.tfevents.*"), key=lambda path: path.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + size])
            yield from ((value.tag, event.step, value.simple_value) for value in event.summary.value)
            data = data[16 + size :]


def test_config_is_written_resolved(tmp_path):
    run = new_run("test", Config(path=Path("a/b")), root=tmp_path)
    written = json.loads((run.path / "config.json").read_text())
    assert written == {"steps": 10, "rate": 1e-3, "path": "a/b", "run_dir": None, "resume": False}


def test_never_overwrites(tmp_path):
    (tmp_path / "test-007").mkdir()
    (tmp_path / "test-old").mkdir()
    assert new_run("test", Config(), root=tmp_path).path == tmp_path / "test-008"
    with new_run("test", Config(), run_dir=tmp_path / "mine") as run:
        pass
    with pytest.raises(InputError, match="mine holds a run already: go on with it by --resume"):
        new_run("test", Config(), run_dir=run.path)
    with pytest.raises(InputError, match="mine holds a run already: choose another --run-dir"):
        new_run("test", {"steps": 10}, run_dir=run.path)  # of what cannot go on


def test_a_run_has_one_process_at_a_time(tmp_path):
    me = f"is in use by process {os.getpid()} on {platform.node()}: wait until that has ended, or choose another --run"
    with new_run("test", Config(), root=tmp_path) as run:
        for again in (resumed_run, new_run):
            with pytest.raises(InputError, match=f"{re.escape(str(run.path))} {re.escape(me)}"):
                again("test", Config(), run_dir=run.path)
    with resumed_run("test", Config(), root=tmp_path), pytest.raises(InputError, match="is in use by"), run:
        pass
    assert not list(run.path.glob("*.lock"))
    with run:  # whoever comes back takes the lock again
        assert list(run.path.glob("*.lock"))


def test_what_a_dead_process_left_does_not_lock(tmp_path):
    new_run("test", Config(), root=tmp_path).close()
    (tmp_path / "test-001" / "run.lock").write_text("process 1 on elsewhere")
    with resumed_run("test", Config(), root=tmp_path) as run:
        assert str(os.getpid()) in (run.path / "run.lock").read_text()


def test_metrics_go_to_json_lines_and_tensorboard(tmp_path):
    with new_run("test", Config(), root=tmp_path) as run:
        run.log(0, {"loss": np.asarray([3.0, 2.0], np.float32), "accuracy": np.asarray([0.5, 0.75])})
        run.log(2, {"loss": np.asarray([1.0], np.float32), "accuracy": np.asarray([1.0])})
        assert run.metrics() == [
            {"step": 1, "loss": 3.0, "accuracy": 0.5},
            {"step": 2, "loss": 2.0, "accuracy": 0.75},
            {"step": 3, "loss": 1.0, "accuracy": 1.0},
        ]
    assert [(step, value) for tag, step, value in events(run.path) if tag == "loss"] == [(1, 3.0), (2, 2.0), (3, 1.0)]


class State(NamedTuple):
    x: jax.Array
    step: jax.Array


def at(step):
    return State(jnp.full(2, step, jnp.float32), jnp.int32(step))


def test_restore_drops_later_metrics_and_half_a_line(tmp_path):
    with new_run("test", Config(), root=tmp_path) as run:
        run.log(0, {"loss": np.arange(4.0)})
        run.save(at(2))
    with (run.path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 5, "lo')
    assert [row["step"] for row in run.metrics()] == [1, 2, 3, 4]
    run = resumed_run("test", Config(), root=tmp_path)
    assert float(run.restore(at(0)).x[0]) == 2
    with run:
        run.log(2, {"loss": np.asarray([9.0])})
    assert [(row["step"], row["loss"]) for row in run.metrics()] == [(1, 0.0), (2, 1.0), (3, 9.0)]
    assert (run.path / "metrics.jsonl").read_text().endswith("\n")


def test_restore_falls_back_and_says_so(tmp_path, capsys):
    run = new_run("test", Config(), root=tmp_path)
    assert run.restore(at(0)).step == 0
    assert "holds no checkpoint yet: starting at step 0" in capsys.readouterr().err
    assert run.kept().endswith("holds no checkpoint yet")
    run.save(at(2))
    newest = run.save(at(3))
    assert run.kept() == f"the last good checkpoint is {newest}"
    (newest / "tree.json").write_text("{}")
    assert run.restore(at(0)).step == 2
    told = capsys.readouterr().err
    assert f"{newest} is damaged (tree.json has changed" in told
    assert "Going on from" in told
    assert "step-00000002" in told


def test_result_and_pictures(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Result:
        accuracy: np.floating
        path: Path
        sizes: tuple[float, ...] = (1.0, np.inf)

    run = new_run("test", Config(), root=tmp_path)
    run.finish(Result(np.float32(0.5), Path("x")))
    expected = {"accuracy": 0.5, "path": "x", "sizes": [1.0, None]}
    assert json.loads((run.path / "result.json").read_text(), parse_constant=pytest.fail) == expected
    run.finish(Result(np.float32(np.nan), Path("x")))
    assert '"accuracy": null' in (run.path / "result.json").read_text()
    run.picture("loss.png").write_bytes(b"")
    assert (run.path / "pictures" / "loss.png").exists()


def test_resume_takes_the_newest_run(tmp_path):
    for _ in range(11):
        newest = new_run("test", Config(), root=tmp_path)
        newest.close()
    new_run("other", Config(), root=tmp_path).close()
    assert resumed_run("test", Config(resume=True), root=tmp_path).path == newest.path == tmp_path / "test-011"
    chosen = resumed_run("test", Config(run_dir=tmp_path / "test-002"), root=tmp_path, run_dir=tmp_path / "test-002")
    assert chosen.path == tmp_path / "test-002"


def test_resume_needs_a_run_with_the_same_settings(tmp_path):
    with pytest.raises(InputError, match="holds no run of test to go on with: start one without --resume"):
        resumed_run("test", Config(), root=tmp_path)
    with pytest.raises(InputError, match="is not a run to go on with"):
        resumed_run("test", Config(), run_dir=tmp_path)
    new_run("test", Config(rate=0.5), root=tmp_path)
    with pytest.raises(
        InputError, match=r"was run with rate = 0.5 and cannot go on with 0.001: give the same settings"
    ):
        resumed_run("test", Config(), root=tmp_path)


def test_unwritable_run_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file, not a folder"):
        new_run("test", Config(), root=tmp_path / "file")
    with pytest.raises(InputError, match="is a file, not a folder"):
        new_run("test", Config(), run_dir=tmp_path / "file" / "run")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_forbidden_run_directory(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="permission denied"):
        new_run("test", Config(), root=tmp_path)


def test_full_disk_while_logging():
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    run = Run("/dev")
    run._metrics = open("/dev/full", "a")  # noqa: SIM115  (every write to it finds the disk full)

    class Board:
        def write(self, *_):
            pass

        def close(self):
            pass

    run._board = Board()  # pyright: ignore
    with pytest.raises(InputError, match="the disk is full"):
        run.log(0, {"loss": np.ones(3)})
    run.close()  # nothing is left to be written


def test_a_read_only_disk_is_told_and_keeps_what_it_holds(mount):
    disk = mount("size=1m")
    with new_run("test", Config(), root=disk) as run:
        saved = run.save(at(2))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for attempt in (lambda: resumed_run("test", Config(), root=disk), lambda: new_run("test", Config(), root=disk)):
        with pytest.raises(InputError, match=r"cannot write .*: the file system is read-only; choose a folder"):
            attempt()
    with pytest.raises(InputError, match=r"cannot write .*: the file system is read-only"):
        run.save(at(3))
    assert int(checkpoints.load(saved, at(0)).step) == 2


def test_the_clock_does_not_say_which_checkpoint_is_newest(tmp_path):
    with new_run("test", Config(), root=tmp_path) as run:
        for step in (1, 2, 3):
            os.utime(run.save(at(step)), (2e9 - step, 2e9 - step))
        assert int(run.restore(at(0)).step) == 3


def test_another_process_that_goes_on_knows_what_was_logged(tmp_path, monkeypatch):
    with new_run("test", Config(), root=tmp_path) as run:
        run.log(0, {"loss": np.arange(4.0)})
    monkeypatch.setattr(opening.jax, "process_count", lambda: 2)
    monkeypatch.setattr(opening, "by_first", lambda action: None)  # which the first process does
    other = resumed_run("test", Config(), run_dir=run.path)
    with other:
        other.log(4, {"loss": np.asarray([9.0])})
        assert [row["loss"] for row in other.metrics()] == [0, 1, 2, 3, 9]
    assert len(run.metrics()) == 4
    assert not other.path.exists()

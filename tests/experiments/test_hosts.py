import json
import os
import signal
import socket
from dataclasses import replace

import jax
import numpy as np
import pytest
from orbax.checkpoint import v1 as orbax

from experiments import fault_runs, fault_trials
from experiments.command import MENDABLE, command
from jaxvision.errors import InputError
from jaxvision.training import checkpoints, join
from jaxvision.training.hosts import by_first, highest

STEPS, EVERY = 40, 10
ENDED_BY_JAX = -signal.SIGABRT if jax.__version_info__ >= (0, 9) else 1


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    file = tmp_path_factory.mktemp("hosts") / "scenes.npz"
    fault_trials.write_scenes(file)
    return file


def pair(trial, *, resume=False):
    """Two processes of one training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [fault_runs.start(replace(trial, resume=resume, hosts=f"127.0.0.1:{port},2,{i}")) for i in range(2)]


def outcome(run):
    """The metrics of every step, and the arrays of the last state."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    path = checkpoints.latest(run / "checkpoints").path
    template = json.loads((path / checkpoints.TREE).read_text())["leaves"]
    one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    words = lambda leaf: ((*leaf["shape"], 2), "uint32") if "key" in leaf["dtype"] else (leaf["shape"], leaf["dtype"])  # noqa: E731
    wanted = {name: jax.ShapeDtypeStruct(*words(leaf), sharding=one) for name, leaf in template.items()}
    arrays = orbax.load(str(path.absolute() / checkpoints.ARRAYS), wanted)
    return rows, {name: np.asarray(array) for name, array in arrays.items()}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "victim"), [("captioner", 1), ("gan", 0)])
def test_two_processes_are_one_and_come_back_after_a_kill(scenes, tmp_path, kind, victim):
    """Sums of two halves have other last bits, and Adam's division by small numbers makes them grow, most in a GAN.

    One weight in a million may then go its own way: an array is compared by the length of the difference.
    """
    of_metrics, of_weights = {"captioner": (1e-5, 1e-5), "gan": (1e-3, 1e-2)}[kind]
    trial = fault_trials.Config(kind, scenes, STEPS, EVERY, steps_per_dispatch=2)
    alone = fault_runs.start(replace(trial, run_dir=tmp_path / "alone" / "run"))
    assert fault_runs.ended(alone) == 0, alone.said
    both = replace(trial, run_dir=tmp_path / "both" / "run")
    processes = pair(both)
    fault_runs.wait_for(lambda: fault_runs.last_step(both.run_dir) > EVERY, processes[victim])
    os.kill(processes[victim].process.pid, signal.SIGKILL)
    codes = [fault_runs.ended(process) for process in processes]
    assert codes[victim] == -signal.SIGKILL
    # Who notices first: this process's own all-reduce, or JAX's runtime.
    assert codes[1 - victim] in (MENDABLE, ENDED_BY_JAX), processes[0].said
    left = fault_runs.last_step(both.run_dir)
    assert left < STEPS

    again = pair(both, resume=True)
    assert [fault_runs.ended(process) for process in again] == [0, 0], again[0].said
    assert again[0].resumed_from is not None
    assert left - again[0].resumed_from <= EVERY
    rows, state = outcome(tmp_path / "alone" / "run")
    rows_of_both, state_of_both = outcome(both.run_dir)
    assert [row["step"] for row in rows_of_both] == list(range(1, STEPS + 1))
    for name in rows[0]:
        one, two = ([row[name] for row in found] for found in (rows, rows_of_both))
        np.testing.assert_allclose(two, one, rtol=of_metrics, atol=of_metrics, err_msg=name)
    for name, array in state.items():
        if array.dtype.kind == "f":
            apart = np.linalg.norm(np.float64(state_of_both[name]) - array)
            assert apart <= of_weights * np.linalg.norm(np.float64(array)), name
        else:
            np.testing.assert_array_equal(state_of_both[name], array, err_msg=name)


@pytest.mark.timeout(600)
def test_both_stop_when_one_is_asked_to(scenes, tmp_path):
    trial = fault_trials.Config("captioner", scenes, 100_000, 50_000, steps_per_dispatch=2)
    trial = replace(trial, run_dir=tmp_path / "both" / "run")
    processes = pair(trial)
    fault_runs.wait_for(lambda: fault_runs.last_step(trial.run_dir) > 4, processes[0])
    os.kill(processes[1].process.pid, signal.SIGTERM)
    assert [fault_runs.ended(process) for process in processes] == [0, 0]
    newest = checkpoints.latest(trial.run_dir / "checkpoints").path
    assert newest.name == f"step-{fault_runs.last_step(trial.run_dir):08d}"
    assert "Preempted: go on with" in processes[0].said


@pytest.mark.parametrize("hosts", ["nobody", "10.0.0.1:9000", "10.0.0.1:9000,2,2", "10.0.0.1,2,0", "10.0.0.1:9,two,0"])
def test_a_description_that_cannot_be_read(hosts, capsys, tmp_path):
    trial = ["--kind=gan", f"--scenes={tmp_path}", "--steps=1", "--checkpoint-every=1", "--steps-per-dispatch=1"]
    with pytest.raises(SystemExit) as left:
        command(fault_trials.main, fault_trials.Config, args=[*trial, f"--hosts={hosts}"])
    assert left.value.code == MENDABLE
    assert capsys.readouterr().err.startswith(
        f"--hosts {hosts} does not say who takes part: give auto, or ADDRESS:PORT,COUNT,INDEX"
    )


def test_alone_is_first():
    done = []
    by_first(lambda: done.append(1))
    assert done == [1]
    assert highest(15) == 15
    assert callable(join)


def test_where_nobody_says_who_takes_part(monkeypatch):
    def alone(*arguments):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", alone)
    with pytest.raises(InputError, match=r"defined\.\): where no Slurm, .* give --hosts ADDRESS:PORT,COUNT,INDEX"):
        join("auto")
    with pytest.raises(InputError, match=r"defined\.\): start all processes with the same address"):
        join("10.0.0.1:9000,2,0")

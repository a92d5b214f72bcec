"""Trainings that are broken on purpose: the table, the bits that are compared, and a few faults from end to end."""

import random
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import fault_kinds, fault_pairs, fault_runs, fault_trials
from experiments.fault_trials import write_scenes
from experiments.faults import NOT_A_NUMBER, Config, Event, main, table
from jaxvision.training import Run, checkpoints


def event(fault, *, kept=True, lost=3, beyond=0, seconds=2.0):
    return Event("gan", fault, kept, 40, lost, beyond, seconds)


def test_a_line_for_each_fault_that_happened():
    first, *_, last = fault_kinds.FAULTS
    events = [
        event(last, lost=None, beyond=None, seconds=None),
        event(first),
        event(first, kept=False, lost=25, beyond=5, seconds=4.0),
        event(first, seconds=2.5),
        event(NOT_A_NUMBER, lost=None, beyond=None, seconds=None),
    ]
    _, *lines = table(events)
    assert lines == [
        (first, "3", "2", "25", "5", "2.5", "4.0"),
        (last, "1", "1", "", "", "", ""),
        (NOT_A_NUMBER, "1", "1", "", "", "", ""),
    ]


@pytest.mark.parametrize("what", ["array", "metric", "name", "nothing"])
def test_the_digest_sees_every_bit(tmp_path, what):
    def left(folder, changed):
        (tmp_path / folder).mkdir()
        weights = jnp.asarray([1.0, np.nextafter(np.float32(2), np.float32(3)) if changed == "array" else 2.0])
        with Run(tmp_path / folder) as run:
            run.log(0, {"loss": np.asarray([1.0 + (1e-15 if changed == "metric" else 0)])})
            checkpoints.save(run.path / "checkpoints", {"v" if changed == "name" else "w": weights}, step=1)
        return fault_runs.digest(tmp_path / folder)

    assert (left("a", "nothing") == left("b", what)) == (what == "nothing")


def test_the_difference_of_runs_is_that_of_every_loss(tmp_path):
    def left(folder, **losses):
        (tmp_path / folder).mkdir()
        with Run(tmp_path / folder) as run:
            run.log(0, {name: np.asarray(values) for name, values in losses.items()})
        return tmp_path / folder

    gans = [left(f"gan {x}", critic_loss=[2.0, x], generator_loss=[1.0, 1.0], score=[x, x]) for x in (4.0, 5.0)]
    assert fault_pairs.difference(*gans) == 0.25
    longer = left("captioner", loss=[1.0, 2.0, 3.0]), left("another", loss=[1.0, 2.0])
    assert fault_pairs.difference(*longer) == 0


@pytest.mark.slow
def test_two_processes_under_every_fault(tmp_path):
    """A captioner: what a process of the two suffers costs no more than the interval, and the losses are one's."""
    write_scenes(tmp_path / "scenes.npz")
    trial = fault_trials.Config("captioner", tmp_path / "scenes.npz", 200, checkpoint_every=20, steps_per_dispatch=5)
    alone, both = tmp_path / "alone" / "run", tmp_path / "both" / "run"
    assert fault_runs.ended(fault_runs.start(replace(trial, run_dir=alone))) == 0
    blows = list(fault_pairs.struck(replace(trial, steps=2**30, run_dir=both), 1, random.Random(0)))
    assert {blow.fault for blow in blows} == {fault_pairs.KILLED, fault_pairs.PAUSED, fault_pairs.STOPPED}
    assert all(blow.as_promised for blow in blows), blows
    assert all(blow.lost is None or blow.lost <= 20 for blow in blows)
    assert next(blow.lost for blow in blows if blow.fault == fault_pairs.STOPPED) == 0
    assert 0 < fault_pairs.difference(alone, both) < 1e-3


@pytest.mark.slow
def test_a_few_faults_lose_nothing(tmp_path):
    result = main(Config(quick=True, kills=1, run_dir=tmp_path / "run"))
    assert len(result.events) == 5
    assert all(event.as_promised for event in result.events), result.events
    assert not any(event.beyond for event in result.events)
    assert result.trainings == result.same_bits >= 1
    assert "kill -9" in (tmp_path / "run" / "faults.md").read_text()

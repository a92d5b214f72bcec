"""The benchmark of attribution compares programs that do the same; what it measures is no test."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import benchmark_attribution
from experiments.benchmark_attribution import SUBJECTS, TASKS, Task, noise_images, prepare, programs
from experiments.benchmark_program import Setup

METHODS = ("integrated gradients", "SmoothGrad")


def test_rows_say_what_they_do():
    assert list(programs(Setup(peers=False))) == [task.name for task in TASKS]
    assert Task("SmoothGrad", "LeNet", 16, 25, ()).name == "SmoothGrad, 25 samples, LeNet, 16 images"


def test_every_image_has_the_same_range():
    images = np.asarray(noise_images(jax.random.key(0), (3, 9, 9, 2), -2.0, 2.0))
    np.testing.assert_allclose(images.min(axis=(1, 2, 3)), -2, atol=1e-6)
    np.testing.assert_allclose(images.max(axis=(1, 2, 3)), 2, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_operations_are_those_of_all_points(method):
    task, setup = Task(method, "LeNet", 4, 5, ()), Setup(peers=False)
    subject = SUBJECTS["LeNet"](setup)
    program = prepare(task, subject, setup)
    twice = prepare(dataclasses.replace(task, n_points=10), subject, setup)
    assert set(program.calls) == {"ours"}
    assert twice.costs.operations == 2 * program.costs.operations
    assert program.calls["ours"]().shape == (4, 28, 28, 1)


@pytest.mark.peers
@pytest.mark.parametrize("method", METHODS)
def test_maps_equal_captums_and_a_loops(method, monkeypatch):
    """And a method that is not the same is noticed before it is timed."""
    pytest.importorskip("captum", reason="extra `peers`: Captum is not installed")
    task, setup = Task(method, "LeNet", 4, 6, (3, 4, 8)), Setup(compile=False)  # a part of the batch, all, two points
    subject = SUBJECTS["LeNet"](setup)
    found = {name.rpartition(",")[0] for name in prepare(task, subject, setup).calls}
    assert found == {""} | {f"{way}, {form}" for way in ("loop", "Captum") for form in ("eager", "channels-last")}
    monkeypatch.setitem(benchmark_attribution.OURS, method, lambda _, images, labels, key, *, n_points: images)
    with pytest.raises(FloatingPointError, match="differ by"):
        prepare(task, subject, setup)

"""The benchmark's arithmetic, and one small run of it; what it measures is no test."""

import dataclasses
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import benchmark, benchmark_report
from experiments.benchmark_report import Row, cells, require_same, write_table
from experiments.timing import Timing, compiled, flops, interleaved
from jaxvision.errors import InputError


def test_rounds_are_interleaved():
    order = []
    interleaved(
        {"a": lambda: order.append("a") or time.sleep(0.06), "b": lambda: order.append("b") or time.sleep(0.06)},
        rounds=3,
    )
    assert order == ["a", "a", "b", "b"] + ["a", "a", "b", "b"] * 3  # the first of two is not timed


def test_short_calls_are_repeated_within_a_sample():
    calls = []
    samples = interleaved({"short": lambda: calls.append(1) or time.sleep(0.001)}, rounds=2)["short"]
    assert len(calls) > 2 + 2 * 5
    assert (samples >= 0.001).all()


def test_operations_of_a_matrix_product():
    counted = flops(jnp.dot, jnp.ones((32, 64)), jnp.ones((64, 16)))
    assert counted == pytest.approx(2 * 32 * 64 * 16, rel=0.05)


def test_compiled_call_gives_the_result():
    call, seconds = compiled(lambda x: 2.0 * x, jnp.arange(3.0))
    np.testing.assert_array_equal(call(), [0, 2, 4])
    assert seconds > 0


ROW = Row(
    name="step",
    ours=Timing(0.010, 0.009, 0.012),
    peers={"eager": Timing(0.030, 0.029, 0.031), "channels-last": Timing(0.020, 0.019, 0.021)},
    ratio=Timing(0.5, 0.45, 0.6),
    compile_seconds=1.23,
    gigaflops=0.7,
    peak_share=0.351,
    memory={"ours": 20 * 2**20, "eager": None, "channels-last": 35 * 2**20},
)


def test_a_row_names_the_fastest_peer():
    assert cells(ROW) == (
        "step", "10.0 (9.0-12.0)", "20.0 (19.0-21.0)", "channels-last", "0.50 (0.45-0.60)", "1.2", "0.70", "35 %",
        "20", "35",
    )  # fmt: skip


def test_table_is_markdown(tmp_path):
    write_table(tmp_path / "table.md", [ROW], "a machine", 2e11)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert len({line.count("|") for line in lines[:3]}) == 1
    assert lines[-1] == "a machine; a matrix product of 2048 x 2048 reaches 200 GFLOP/s."


def test_programs_that_differ_are_not_timed():
    with pytest.raises(FloatingPointError, match="differ by"):
        require_same("s", "eager", np.ones(3), np.array([1.0, 1.0, np.nan]))


@pytest.mark.slow
def test_quick_run_without_peers(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "SIZE", 32)
    monkeypatch.setattr(benchmark, "STEPS", benchmark.STEPS[:1])
    result = benchmark.main(benchmark.Config(quick=True, peers=False, rounds=2, run_dir=tmp_path / "run"))
    assert [row.ratio for row in result.rows] == [None]
    assert set(result.rows[0].memory) == {"ours"}
    saved = json.loads((tmp_path / "run" / "result.json").read_text())
    assert saved["rows"][0]["ours"]["median"] > 0
    assert (tmp_path / "run" / "benchmark.md").read_text().startswith("| step |")
    assert all(path.stat().st_size > 1000 for path in result.pictures)


def test_rows_by_name_and_style_transfers_of_any_length():
    config = benchmark.Config(rows=("style transfer", "8 images"), style_steps=200)
    names = [step.name for step in benchmark.chosen(config)]
    assert names[-2:] == ["style transfer at 192 px, 200 steps", "style transfer at 512 px, 200 steps"]
    assert all("8 images" in name for name in names[:-2])
    with pytest.raises(InputError, match="--rows nothing names none of: SqueezeNet forward"):
        benchmark.chosen(benchmark.Config(rows=("nothing",)))


@pytest.mark.peers
@pytest.mark.parametrize("step", benchmark.STEPS, ids=lambda step: step.name)
def test_every_step_equals_pytorch(step, monkeypatch):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    monkeypatch.setattr(benchmark, "SIZE", 48)
    model = benchmark.squeezenet1_1(key=jax.random.key(0))
    config = benchmark.Config(compile=False)
    forms = benchmark.peer_forms(benchmark.state_dict(model), config)
    step = dataclasses.replace(step, size=48)
    prepared = benchmark.prepare(step, model, forms, seed=0)
    (samples,) = benchmark.measure([prepared], rounds=2)
    row = benchmark.row_of(prepared, samples, {}, peak=1e11)
    assert {len(times) for times in samples.values()} == {2}
    assert set(row.peers) == {"eager", "channels-last"}
    assert benchmark_report.fastest(row)[0] in row.peers

"""The benchmark's arithmetic, and one small run of it; what it measures is no test."""

import dataclasses
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import benchmark, benchmark_captioning, benchmark_gan, benchmark_looking, benchmark_report
from experiments.benchmark_program import Setup, require_same
from experiments.benchmark_report import Row, cells, write_table
from experiments.timing import Compiling, Timing, compiled, costs, interleaved
from jaxvision.backbones import squeezenet1_1
from jaxvision.errors import InputError
from jaxvision.training import new_run


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


def test_costs_of_a_matrix_product():
    counted = costs(jnp.dot, jnp.ones((32, 64)), jnp.ones((64, 16)))
    assert counted.operations == pytest.approx(2 * 32 * 64 * 16, rel=0.05)
    assert counted.bytes == pytest.approx(4 * (32 * 64 + 64 * 16 + 32 * 16), rel=0.05)


def test_compiled_call_gives_the_result():
    folder = jax.config.jax_compilation_cache_dir
    call, seconds = compiled(lambda x: jnp.linalg.svd(2.0 * x)[1], jnp.eye(3))
    np.testing.assert_allclose(call(), [2, 2, 2], rtol=1e-6)
    assert min(seconds) > 0
    assert jax.config.jax_compilation_cache_dir == folder


ROW = Row(
    name="step",
    ours=Timing(0.010, 0.009, 0.012),
    peers={"eager": Timing(0.030, 0.029, 0.031), "channels-last": Timing(0.020, 0.019, 0.021)},
    ratio=Timing(0.5, 0.45, 0.6),
    compiling=Compiling(1.23, 0.19),
    gigaflops=0.7,
    peak_share=0.351,
    memory={"ours": 20 * 2**20, "eager": None, "channels-last": 35 * 2**20},
)


def test_a_row_names_the_fastest_peer():
    assert cells(ROW) == (
        "step", "10.0 (9.0-12.0)", "20.0 (19.0-21.0)", "channels-last", "0.50 (0.45-0.60)", "1.2", "0.2", "0.70",
        "35 %", "20", "35",
    )  # fmt: skip


def test_table_is_markdown(tmp_path):
    write_table(tmp_path / "table.md", [ROW], "a machine", 2e11)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert len({line.count("|") for line in lines[:3]}) == 1
    assert lines[-1] == "a machine; a matrix product of 2048 x 2048 reaches 200 GFLOP/s."


def test_programs_that_differ_are_not_timed():
    with pytest.raises(FloatingPointError, match="differ by"):
        require_same("s", "eager", np.ones(3), np.array([1.0, 1.0, np.nan]))


SIZES = benchmark_captioning.Sizes(batches=(4,), images=3, words=20, max_length=6, features=5, embed=4, hidden=6)


def test_a_small_run_without_peers(tmp_path):
    alone = Setup(peers=False)
    programs = benchmark_captioning.programs(alone, SIZES) | benchmark_gan.programs(alone, n=2, replicas=2)
    names = ["captioner training step, 4 captions", "captioner training step, 3 captions, NumPy"]
    names += ["beam-5 decoding of 3 images", "2 MLP GANs at once, 2 images"]
    with new_run("benchmark", benchmark.Config(), run_dir=tmp_path / "run") as run:
        result = benchmark.time_all(run, {name: programs[name] for name in names}, rounds=2)
    assert [row.name for row in result.rows] == names
    assert [set(row.peers) for row in result.rows] == [
        set(), {"NumPy reference"}, {"one image at a time"}, {"one after the other"},
    ]  # fmt: skip
    assert all(row.gigaflops > 0 for row in result.rows)
    saved = json.loads((tmp_path / "run" / "result.json").read_text())
    assert saved["rows"][0]["ours"]["median"] > 0
    assert (tmp_path / "run" / "benchmark.md").read_text().startswith("| step | ours, ms | fastest other, ms |")
    assert all(path.stat().st_size > 1000 for path in result.pictures)


def test_rows_by_name_and_style_transfers_of_any_length():
    names = list(benchmark.chosen(benchmark.Config(rows=("style transfer", "8 images"), style_steps=200)))
    style = [name for name in names if "style" in name]
    assert style == ["style transfer at 192 px, 200 steps", "style transfer at 512 px, 200 steps"]
    assert all("8 images" in name for name in set(names) - set(style))
    with pytest.raises(InputError, match="--rows nothing names none of: SqueezeNet forward"):
        benchmark.chosen(benchmark.Config(rows=("nothing",)))


@pytest.mark.parametrize("flag", ["--rounds", "--style-steps"])
def test_counts_below_one_are_refused(flag, refused, tmp_path):
    (sentence,) = refused(benchmark, flag, "0", "--run-dir", tmp_path / "run")
    assert f"{flag} must be at least 1, got 0" in sentence


@pytest.mark.peers
@pytest.mark.parametrize("step", benchmark_looking.steps(Setup()), ids=lambda step: step.name)
def test_every_step_equals_pytorch(step):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    model = squeezenet1_1(key=jax.random.key(0))
    forms = benchmark_looking.torch_forms(model, Setup(compile=False))
    program = benchmark_looking.prepare(dataclasses.replace(step, size=48), model, forms, seed=0)
    (samples,) = benchmark.measure([program], rounds=2)
    row = benchmark.row_of(program, samples, {}, peak=1e11)
    assert {len(times) for times in samples.values()} == {2}
    assert set(row.peers) == {"eager", "channels-last"}
    assert benchmark_report.fastest(row)[0] in row.peers

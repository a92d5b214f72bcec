"""The benchmark's arithmetic, and one small run of it; what it measures is no test."""

import dataclasses
import importlib
import json
import re
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import (
    benchmark,
    benchmark_captioning,
    benchmark_gan,
    benchmark_looking,
    benchmark_rows,
    benchmark_style,
)
from experiments.benchmark_changes import changes, print_changes, read_ratios
from experiments.benchmark_program import Setup, require_same
from experiments.benchmark_report import COSTS, SPEED, Machine, Row, cells, write_table
from experiments.benchmark_sides import Side
from experiments.timing import Compiling, Timing, compiled, costs, interleaved, timer
from jaxvision.backbones import squeezenet1_1
from jaxvision.errors import InputError
from jaxvision.training import new_run


def test_rounds_are_interleaved():
    order = []
    calls = {name: lambda name=name: order.append(name) or time.sleep(0.06) for name in "ab"}
    interleaved({name: timer(call) for name, call in calls.items()}, rounds=3)
    assert order == ["a", "a", "b", "b"] + ["a", "a", "b", "b"] * 3  # the first of two is not timed


def test_short_calls_are_repeated_within_a_sample():
    calls = []
    samples = interleaved({"short": timer(lambda: calls.append(1) or time.sleep(0.001))}, rounds=2)["short"]
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
    n_steps=20,
    ours=Timing(0.010, 0.009, 0.012),
    peers={"eager": Timing(0.030, 0.029, 0.031), "channels-last": Timing(0.020, 0.019, 0.021)},
    ratio=Timing(0.5, 0.45, 0.6),
    compiling=Compiling(1.23, 0.19),
    gigaflops=0.7,
    peak_share=0.351,
    gigabytes=0.034,
    bandwidth_share=0.17,
    memory={"ours": 20 * 2**20, "eager": None, "channels-last": 35 * 2**20},
)


def test_a_row_names_the_fastest_peer():
    assert [cells(ROW)[name] for name in SPEED] == [
        "step", "10.0 (9.0-12.0)", "20.0 (19.0-21.0)", "channels-last", "0.50 (0.45-0.60)", "35 %",
    ]  # fmt: skip
    assert [cells(ROW)[name] for name in COSTS] == ["step", "20", "0.70", "0.03", "17 %", "1.2", "0.2", "< 32", "35"]


def test_tables_are_markdown(tmp_path):
    write_table(tmp_path / "table.md", [ROW], Machine("a machine", 2e11, 3e10))
    first, second, caption = (tmp_path / "table.md").read_text().split("\n\n")
    for table in (first, second):
        assert len({line.count("|") for line in table.splitlines()}) == 1
        assert len(table.splitlines()) == 3
    assert caption == (
        "a machine; a matrix product of 2048 x 2048 reaches 200 GFLOP/s, a sum of large arrays 30 GB/s; "
        "geometric mean of the ratios 0.50.\n"
    )


def test_programs_that_differ_are_not_timed():
    with pytest.raises(FloatingPointError, match="differ by"):
        require_same("s", "eager", np.ones(3), np.array([1.0, 1.0, np.nan]))


def test_changes_are_told_beyond_the_noise(tmp_path, capsys):
    saved = [{"name": "step", "ratio": {"median": 0.4, "low": 0.39, "high": 0.41}}, {"name": "gone", "ratio": None}]
    (tmp_path / "result.json").write_text(json.dumps({"rows": saved}))
    before = read_ratios(tmp_path / "result.json")
    (change,) = changes(before, [ROW, dataclasses.replace(ROW, name="new")])
    assert change.noise == pytest.approx(0.01 / 0.4 + 0.1 / 0.5)
    assert change.verdict == "slower"
    steady = dataclasses.replace(ROW, ratio=Timing(0.43, 0.42, 0.44))
    assert changes(before, [steady])[0].verdict == "as before"
    print_changes(before, [ROW])
    assert "slower" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"), [(None, "cannot be read: No such file"), ("{}", "is not the result.json of a benchmark")]
)
def test_an_earlier_result_that_is_none(content, sentence, tmp_path):
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_ratios(path)


SIZES = benchmark_captioning.Sizes(
    batches=(4,), images=3, searched=(3,), words=20, max_length=6, features=5, embed=4, hidden=6
)
small = partial(benchmark_captioning.programs, sizes=SIZES)


def test_a_small_run_without_peers(tmp_path):
    names = ["captioner training step, 4 captions", "captioner training step, 3 captions, NumPy"]
    names += ["beam-5 decoding of 3 images"]
    with new_run("benchmark", benchmark.Config(), run_dir=tmp_path / "run") as run:
        result = benchmark.time_all(run, small, Setup(peers=False), names, rounds=2)
    assert [row.name for row in result.rows] == names
    assert [set(row.peers) for row in result.rows] == [set(), {"NumPy reference"}, {"one image at a time"}]
    assert all(row.gigaflops > 0 for row in result.rows)
    saved = json.loads((tmp_path / "run" / "result.json").read_text())
    assert saved["rows"][0]["ours"]["median"] > 0
    assert set(read_ratios(tmp_path / "run" / "result.json")) == set(names[1:])
    assert (tmp_path / "run" / "benchmark.md").read_text().startswith("| step | ours, ms | fastest other, ms |")
    assert all(path.stat().st_size > 1000 for path in result.pictures)


ROWS_THAT_FAIL = """
import os
import numpy as np
from experiments.benchmark_program import require_same

def programs(setup):
    differ = lambda: require_same("row", "other", np.ones(2), np.zeros(2))
    return {"differ": differ, "end": lambda: os._exit(1)}
"""


def test_what_goes_wrong_in_a_side_is_told(tmp_path, monkeypatch):
    (tmp_path / "rows_that_fail.py").write_text(ROWS_THAT_FAIL)
    monkeypatch.syspath_prepend(tmp_path)
    with Side(importlib.import_module("rows_that_fail").programs, Setup(peers=False)) as side:
        with pytest.raises(FloatingPointError, match="row: ours and the other form differ"):
            side.prepare("differ")
        with pytest.raises(InputError, match="end: the process that was to be timed has ended"):
            side.prepare("end")


def test_many_small_gans_are_a_loop_of_single_ones():
    prepare = benchmark_gan.programs(Setup(peers=False), n=2, replicas=2)["2 MLP GANs at once, 2 images"]
    program = prepare()
    assert set(program.calls) == {"ours", "one after the other"}
    assert program.costs.operations > 0


def test_rows_by_name_and_style_transfers_of_any_length():
    names = benchmark_rows.chosen(Setup(style_steps=200), ("style transfer", "8 images"))
    style = [name for name in names if "style" in name]
    assert style[:2] == ["style transfer at 192 px, 200 steps", "style transfer at 512 px, 200 steps"]
    assert all("8 images" in name for name in set(names) - set(style))
    with pytest.raises(InputError, match="--rows nothing names none of: SqueezeNet forward"):
        benchmark_rows.chosen(Setup(), ("nothing",))


@pytest.mark.parametrize("flag", ["--rounds", "--style-steps"])
def test_counts_below_one_are_refused(flag, refused, tmp_path):
    (sentence,) = refused(benchmark, flag, "0", "--run-dir", tmp_path / "run")
    assert f"{flag} must be at least 1, got 0" in sentence


# One for rows that differ in how many or how large their pictures are.
KINDS = {re.sub(r"\d+( images?)?", "", step.name): step for step in benchmark_looking.steps()}
KINDS |= {re.sub(r"\d+", "", step.name): step for step in benchmark_style.steps(Setup())}


@pytest.mark.peers
@pytest.mark.parametrize("step", KINDS.values(), ids=lambda step: step.name)
def test_every_step_equals_pytorch(step):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    model = squeezenet1_1(key=jax.random.key(0))
    forms = benchmark_looking.torch_forms(model, Setup(compile=False))
    program = benchmark_looking.prepare(dataclasses.replace(step, size=48), model, forms, seed=0)
    assert set(program.calls) == {"ours", "eager", "channels-last"}  # compared as they were prepared

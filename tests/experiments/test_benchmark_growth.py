"""The growth benchmark: what is counted of a compiled program, several devices and one, verdicts, a small run."""

import json
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from experiments import benchmark_growth, benchmark_growth_devices, benchmark_growth_report
from experiments.benchmark_growth_curves import CAPTIONS, CURVES, Curve, caption_step, captions, training_operations
from experiments.benchmark_growth_devices import compared, share
from experiments.benchmark_growth_hlo import computations, n_bytes, traffic, work
from experiments.benchmark_growth_programs import PROGRAMS, data_mesh, rows_divided
from experiments.benchmark_growth_report import Point, Timing, line, measured, slope, verdict
from experiments.scaling_model import Traffic
from jaxvision import style
from jaxvision.training import new_run

HLO = """
HloModule example

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%body (state: (s32[], f32[4,8])) -> (s32[], f32[4,8]) {
  %state = (s32[], f32[4,8]{1,0}) parameter(0)
  %x = f32[4,8]{1,0} get-tuple-element(%state), index=1
  %moved = f32[4,8]{1,0} collective-permute(%x), channel_id=1, source_target_pairs={{0,1}}
  %w = f32[8,8]{1,0} constant({...})
  %y = f32[4,8]{1,0} dot(%moved, %w), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  ROOT %next = (s32[], f32[4,8]{1,0}) tuple(%i, %y)
}

%condition (state.1: (s32[], f32[4,8])) -> pred[] {
  ROOT %less = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (p: f32[4,8]) -> f32[16,8] {
  %p = f32[4,8]{1,0} parameter(0)
  %begin = (s32[], f32[4,8]{1,0}) tuple(%zero, %p)
  %loop = (s32[], f32[4,8]{1,0}) while(%begin), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
  %last = f32[4,8]{1,0} get-tuple-element(%loop), index=1
  %both = (bf16[8]{0}, /*index=1*/f32[2]{0}) all-reduce(%u, %v), channel_id=2, to_apply=%add
  %part = f32[1,8]{1,0} reduce-scatter(%last), channel_id=3, dimensions={0}, to_apply=%add
  ROOT %all = f32[16,8]{1,0} all-gather(%last), channel_id=4, dimensions={0}
}
"""


def test_collectives_of_a_program_by_hand():
    found = computations(HLO)
    assert {name: c.times for name, c in found.items()} == {"add": 2, "body": 5, "condition": 5, "main": 1}
    assert {name: c.places for name, c in found.items()} == {"add": 2, "body": 1, "condition": 1, "main": 1}
    assert traffic(found) == {
        "collective-permute": Traffic(5, 5 * 4 * 32),
        "all-reduce": Traffic(1, 2 * 8 + 4 * 2),
        "reduce-scatter": Traffic(1, 4 * 32),  # what is there before it
        "all-gather": Traffic(1, 4 * 128),  # what is there after it
    }


def test_what_is_no_program_and_what_ends_elsewhere():
    with pytest.raises(ValueError, match="no entry"):
        computations("nothing")
    with pytest.raises(ValueError, match="all-gather-start is not counted"):
        traffic(computations(HLO.replace("all-gather(", "all-gather-start(")))


@pytest.mark.parametrize(("type", "size"), [("f64[3]{0}", 24), ("u8[5]", 5), ("c64[2]", 16), ("token[]", 0)])
def test_bytes_of_a_type(type, size):
    assert n_bytes(type) == size


def test_collectives_of_a_compiled_program():
    """A sum over two devices in a loop of three: 8 floats of each, three times."""
    mesh = data_mesh(jax.devices()[:2])

    def run(x):
        step = lambda x, _: (jax.lax.psum(jnp.sin(x), "data"), None)  # noqa: E731
        return jax.lax.scan(step, x, length=3)[0]

    mapped = jax.shard_map(run, mesh=mesh, in_specs=PartitionSpec(), out_specs=PartitionSpec(), check_vma=False)
    assert work(jax.jit(mapped).lower(jnp.ones(8)).compile()).collectives == {"all-reduce": Traffic(3, 3 * 32)}


@pytest.mark.parametrize(("length", "hidden"), [(9, 16), (33, 24)])
def test_operations_of_a_training_step_are_the_compilers(length, hidden):
    """Counted from the equations and from the compiled program; few words read, and more than the vocabulary has."""
    shapes = jax.eval_shape(lambda: captions(CAPTIONS, length=length, hidden=hidden))
    counted = work(jax.jit(caption_step).lower(*shapes).compile()).operations
    assert training_operations(length, hidden) == pytest.approx(counted / 1e9, rel=0.1)


def small(name):
    """A program of devices with few units."""
    (program,) = [program for program in PROGRAMS if program.name == name]
    if program.unit == "captions":
        return program._replace(size=4, arguments=partial(captions, length=6, hidden=8))
    return program._replace(size={"images": 4, "rows": 64}[program.unit])


@pytest.mark.parametrize(
    "name",
    [
        "captioner step, mapped",
        "captioner step, left to the compiler",
        pytest.param("style step", marks=pytest.mark.slow),
    ],
)
def test_two_devices_and_one(name):
    alone, together = compared(small(name), (1, 2))
    assert alone.work.collectives == {}
    assert together.work.collectives["all-reduce"].bytes > 0
    assert 0 < together.difference < 1e-3


@pytest.mark.slow
def test_two_devices_and_one_of_a_pair():
    _, together = compared(small("DCGAN step"), (1, 2))
    assert together.difference < 1e-2
    assert together.work.collectives["all-reduce"].number > 2  # gradients, and moments of each normalised layer


def test_a_mapped_step_sums_its_gradients_and_nothing_else():
    program = small("captioner step, mapped")
    found, _ = share(program, 4, jax.devices()[:2])
    (model, _), *_ = jax.eval_shape(lambda: program.arguments(4))
    n_parameters = sum(leaf.size for leaf in jax.tree.leaves(model))
    assert found.work.collectives == {"all-reduce": Traffic(1, 4 * n_parameters)}


def test_several_devices_that_differ_are_refused():
    """The sum over devices in place of their mean: a gradient twice as large."""
    program = small("captioner step, mapped")

    def summed(devices):
        step = program.step(devices)
        return lambda *arguments: jax.tree.map(lambda x: len(devices) * x, step(*arguments))

    wrong = program._replace(step=summed)
    with pytest.raises(FloatingPointError, match="2 devices and one differ"):
        compared(wrong, (1, 2))


def test_shapes_are_placed_as_arrays_are():
    shapes = {
        "image": (1, 8, 6, 3),
        "history": (1, 5, 8, 6, 3),
        "odd": (1, 7, 6, 3),
        "kernel": (3, 3, 4, 4),
        "few": (4,),
    }
    arrays = {name: jnp.ones(shape) for name, shape in shapes.items()} | {"key": jax.random.key(0)}
    devices = jax.devices()[:2]
    placed = style.divide_rows(arrays, style.space_mesh(devices))
    asked = rows_divided(jax.eval_shape(lambda: arrays), devices)
    assert {name for name, leaf in placed.items() if not leaf.sharding.is_fully_replicated} == {"image", "history"}
    for name, leaf in placed.items():
        assert asked[name].is_equivalent_to(leaf.sharding, leaf.ndim), name


@pytest.mark.parametrize(("power", "factor"), [(1.0, 3.0), (2.0, 0.1), (0.0, 7.0)])
def test_the_exponent_of_a_power(power, factor):
    x = np.array([1.0, 3.0, 4.0, 10.0])
    assert slope(x, factor * x**power) == pytest.approx(power, abs=1e-9)


def test_a_residual_is_a_share_of_the_largest_peak():
    found = line([1.0, 2.0, 3.0], [10.0, 26.0, 30.0])  # 20 x -> 10 x + 2, off by -2, 4, -2
    assert (found.slope, found.start) == pytest.approx((10.0, 2.0))
    assert found.residual == pytest.approx(4 / 30)


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ([1.0, 1.15, 1.0], "as the algorithm says"),
        ([1.2, 1.0, 1.1], "cheaper than the algorithm says: a step at 2 takes 0.83 of one at 1"),
        ([1.0, 0.9, 1.3], "dearer than the algorithm says: a step at 4 takes 1.44 of one at 2"),
    ],
)
def test_a_verdict(units, words):
    assert words in verdict("step", [1, 2, 4], units)


def test_every_curve_has_a_law():
    for curve in CURVES:
        costs = [curve.cost(size) for size in curve.sizes]
        assert costs == sorted(costs)
        assert costs[0] > 0
    assert len({curve.name for curve in CURVES}) == len(CURVES)


SQUARE = Curve(
    "square", "a product", "side", (8, 16), lambda n: 2e-9 * n**3, "GFLOP", "cubic in the side",
    lambda n, seed: lambda: jnp.ones((n, n)) @ jnp.ones((n, n)), pixels=lambda n: float(n * n),
)  # fmt: skip


def found_curve():
    timing = Timing(0.002, 0.001, 0.003)
    return measured(SQUARE, tuple(Point(n, SQUARE.cost(n), timing, 2**20 * n * n) for n in SQUARE.sizes))


def test_a_small_run(tmp_path, monkeypatch, capsys):
    """One curve and the devices' tables from shares that were counted here."""
    shares = benchmark_growth_devices.measure((1, 2), (), [small("captioner step, mapped")])
    for_many = [found._replace(n_devices=n, size=4) for n, found in ((1, shares.run[0]), (8, shares.run[1]))]
    shares = shares._replace(growing=for_many[1:], fixed=for_many)
    with new_run("benchmark_growth", benchmark_growth.Config(), run_dir=tmp_path / "run") as run:
        monkeypatch.setattr(benchmark_growth, "peaks", lambda name, sizes, seed: [100 * n * n for n in sizes])
        curve = benchmark_growth.measure(run, SQUARE, rounds=2, seed=0)
        devices = benchmark_growth_report.modelled(shares, peak_share=0.3)
        result = benchmark_growth.finish(run, (curve,), devices)
    assert curve.law_exponent == pytest.approx(3)
    assert curve.memory.slope == pytest.approx(100)
    text = (tmp_path / "run" / "growth.md").read_text()
    for words in (
        "cubic in the side",
        "100 bytes a pixel",
        "all-reduce 1 x",
        "not a measurement",
        "30 % of the published",
    ):
        assert words in text
    for table in text.split("\n\n"):
        rows = [row.count("|") for row in table.splitlines() if row.startswith("|")]
        assert len(set(rows)) <= 1
    saved = json.loads((tmp_path / "run" / "result.json").read_text())
    assert saved["curves"][0]["points"][0]["seconds"]["median"] > 0
    assert all(path.stat().st_size > 5000 for path in result.pictures)
    assert "square" in capsys.readouterr().out


def test_curves_by_name():
    assert [c.name for c in benchmark_growth.chosen(benchmark_growth.Config(curves=("side", "devices")))] == ["side"]
    assert len(benchmark_growth.chosen(benchmark_growth.Config())) == len(CURVES)
    quick = benchmark_growth.chosen(benchmark_growth.Config(curves=("batch",), quick=True))
    assert quick[0].sizes == CURVES[0].sizes[:3]


@pytest.mark.parametrize(
    "words",
    [["--curves", "nothing"], ["--rounds", "0"], ["--peak-share", "0"], ["--peak-share", "1.5"]],
    ids=lambda words: " ".join(words),
)
def test_bad_input(words, refused, tmp_path):
    (sentence,) = refused(benchmark_growth, *words, "--run-dir", tmp_path / "run")
    assert words[0] in sentence
    assert words[1] in sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_memory_in_a_process_of_its_own():
    """Twice the side, four times the memory, where a process that has run before sees none."""
    from experiments.benchmark_growth_memory import peaks

    if sys.platform != "linux":
        pytest.skip("only Linux says what a call's peak is")
    low, high = peaks("side", (128, 256), 0)
    assert high / low == pytest.approx(4, rel=0.3)


@pytest.mark.slow
def test_the_devices_process_reports_to_its_caller():
    code = "import experiments.benchmark_growth_devices as d; print(d.in_a_process((1, 2), ()).run[-1].name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "style step"

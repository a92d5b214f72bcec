"""The benchmark of metrics compares programs that do the same; what it measures is no test."""

import numpy as np
import pytest

from experiments import benchmark_metrics
from experiments.benchmark_metrics import features, first_calls, frechet, manifold, programs
from experiments.benchmark_program import Setup


def test_rows_without_peers():
    rows = programs(Setup(peers=False), n=40, widths=(3, 5))
    prepared = {name: prepare() for name, prepare in rows.items()}
    assert [program.name for program in prepared.values()] == list(prepared)
    assert len(prepared) == 3
    assert all(set(program.calls) == {"ours"} for program in prepared.values())


def test_sets_overlap_in_part():
    """Where all scores were 0 or 1, a wrong program would go unseen."""
    real, fake = features(300, 8, seed=0)
    scores = np.array(benchmark_metrics.manifold_scores(real, fake))
    assert (scores > 0.1).all()
    assert (scores[:2] < 0.99).all()


def test_compiling_is_what_a_first_call_takes_longer():
    real, fake = features(50, 3, seed=0)
    seconds = first_calls(lambda: benchmark_metrics.manifold_scores(real, fake))
    assert seconds.cold > 0


@pytest.mark.peers
def test_equal_to_others(monkeypatch):
    """And one that is not the same is noticed before it is timed."""
    for extra in ("torch", "prdc"):
        pytest.importorskip(extra, reason=f"extra `peers`: {extra} is not installed")
    forms = {"ours", "PyTorch, symmetric", "PyTorch, eigenvalues", "NumPy, eigenvalues", "SciPy, square root"}
    assert set(frechet(200, 6, Setup()).calls) == forms
    assert set(manifold(300, 6, Setup()).calls) == {"ours", "PyTorch, float32", "PyTorch, float64", "prdc"}
    monkeypatch.setattr(benchmark_metrics, "frechet_distance", lambda real, fake: (real - fake).sum())
    with pytest.raises(FloatingPointError, match="differ by"):
        frechet(200, 6, Setup())

"""The benchmark of searching attacks compares programs that reach the same; what it measures is no test."""

import pytest

from experiments import benchmark_searches
from experiments.benchmark_program import Setup
from experiments.benchmark_searches import lenet_apgd, lenet_carlini_wagner


def test_without_peers_there_is_only_ours():
    program = lenet_apgd(2, Setup(peers=False), n_steps=3)
    assert set(program.calls) == {"ours"}
    assert program.calls["ours"]().shape == (2, 28, 28, 1)
    assert program.costs.operations > 0


@pytest.mark.peers
def test_carlini_wagner_is_as_near_as_foolboxs(monkeypatch):
    pytest.importorskip("foolbox", reason="extra `peers`: Foolbox is not installed")
    program = lenet_carlini_wagner(3, Setup(compile=False), n_steps=20)
    assert {"ours", "foolbox, eager", "foolbox, channels-last"} == set(program.calls)
    assert program.n_steps == 60
    monkeypatch.setattr(benchmark_searches, "smallest", lambda *_, settings: 0.9 * _[1])
    with pytest.raises(FloatingPointError, match="differ by"):
        lenet_carlini_wagner(3, Setup(compile=False), n_steps=20)


@pytest.mark.peers
def test_apgd_fools_as_many_as_torchattacks(monkeypatch):
    pytest.importorskip("torchattacks", reason="pip install --no-deps torchattacks")
    program = lenet_apgd(8, Setup(compile=False), n_steps=10)
    assert {"ours", "torchattacks, eager", "torchattacks, channels-last"} == set(program.calls)
    monkeypatch.setattr(benchmark_searches, "strongest", lambda f, x, y, key, *, n_steps: x)
    with pytest.raises(FloatingPointError, match=r"ours fools \d images"):
        lenet_apgd(8, Setup(compile=False), n_steps=10)

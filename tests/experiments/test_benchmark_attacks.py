"""The benchmark of attacks compares programs that do the same; what it measures is no test."""

import pytest

from experiments import benchmark_attacks
from experiments.benchmark_attacks import lenet_deepfool, lenet_pgd, squeezenet_pgd
from experiments.benchmark_program import Setup


def test_without_peers_there_is_only_ours():
    program = lenet_pgd(2, Setup(peers=False), n_steps=3)
    assert set(program.calls) == {"ours"}
    assert program.calls["ours"]().shape == (2, 28, 28, 1)
    assert program.n_steps == 3
    assert program.costs.operations > 0
    assert next(iter(benchmark_attacks.programs(Setup(peers=False)))) == "PGD-40 on LeNet, 16 images"


@pytest.mark.peers
def test_pgd_equals_pytorchs_and_that_of_packages(monkeypatch):
    """And an attack that is not the same is noticed before it is timed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    setup = Setup(compile=False)
    program = lenet_pgd(4, setup, n_steps=5)
    assert {"ours", "eager", "channels-last"} <= set(program.calls)
    assert {"ours", "eager"} <= set(squeezenet_pgd(2, setup, n_steps=3, shape=(48, 48, 3)).calls)
    attack = benchmark_attacks.attack
    monkeypatch.setattr(benchmark_attacks, "attack", lambda f, x, y, key, eps, n: attack(f, x, y, key, 0.9 * eps, n))
    with pytest.raises(FloatingPointError, match="first steps of ours and the eager form differ in"):
        lenet_pgd(4, setup, n_steps=5)
    monkeypatch.setattr(benchmark_attacks, "require_same_steps", lambda *_: None)
    with pytest.raises(FloatingPointError, match="loss of PGD-5 on LeNet, 4 images: ours and the eager form differ by"):
        lenet_pgd(4, setup, n_steps=5)


@pytest.mark.peers
def test_deepfool_equals_pytorchs_and_foolboxs(monkeypatch):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    program = lenet_deepfool(4, Setup(compile=False))
    assert {"ours", "eager", "channels-last"} <= set(program.calls)
    assert program.n_steps > 1
    monkeypatch.setitem(benchmark_attacks.DEEPFOOL, "overshoot", 0.5)
    peers = benchmark_attacks.deepfool_peers
    monkeypatch.setattr(
        benchmark_attacks, "deepfool_peers", lambda *arguments: {"eager": lambda: 0.9 * peers(*arguments)["eager"]()}
    )
    with pytest.raises(FloatingPointError, match="differ by"):
        lenet_deepfool(4, Setup(compile=False))

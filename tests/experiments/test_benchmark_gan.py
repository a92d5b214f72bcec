"""The benchmark of GANs compares programs that do the same; what it measures is no test."""

import pytest

from experiments import benchmark_gan
from experiments.benchmark_gan import BATCH, alternating, critic_step
from experiments.benchmark_program import Setup


@pytest.mark.peers
def test_gradients_equal_pytorchs(monkeypatch):
    """And a step that is not the same is noticed before it is timed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    setup = Setup(compile=False)  # all 128 images: see `compare`
    for network in ("mlp", "dcgan"):
        assert set(alternating(network, BATCH, setup).calls) == {"ours", "eager", "channels-last"}
    assert set(critic_step(BATCH, setup).calls) == {"ours", "eager", "channels-last"}
    monkeypatch.setattr(benchmark_gan.gan, "gradient_penalty", lambda critic, real, *_: critic(real))
    with pytest.raises(FloatingPointError, match="differ by"):
        critic_step(BATCH, setup)

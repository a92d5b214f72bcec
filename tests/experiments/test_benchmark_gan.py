"""The benchmark of GANs compares programs that do the same; what it measures is no test."""

import pytest

from experiments import benchmark_gan
from experiments.benchmark_gan import Config, critic_step, dcgan_step, side_by_side

SMALL = Config(batch_size=4, replicas=2, peers=False)


@pytest.mark.slow
def test_quick_run_without_peers(tmp_path):
    config = Config(batch_size=4, replicas=2, peers=False, quick=True, rounds=2, run_dir=tmp_path / "run")
    result = benchmark_gan.main(config)
    assert [row.ratio is None for row in result.rows] == [True, True, False]
    assert all(row.gigaflops > 0 for row in result.rows)
    table = (tmp_path / "run" / "benchmark.md").read_text()
    assert table.startswith("| step | ours, ms | fastest others, ms |")
    assert "2 MLP GANs at once, 4 images" in table


@pytest.mark.slow
def test_pairs_side_by_side_equal_those_in_turn():
    assert set(side_by_side(SMALL).calls) == {"ours", "one after the other"}


@pytest.mark.peers
def test_gradients_equal_pytorchs(monkeypatch):
    """And a step that is not the same is noticed before it is timed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    config = Config(compile=False)  # 128 images: see `compare`
    assert set(dcgan_step(config).calls) == {"ours", "eager", "channels-last"}
    assert set(critic_step(config).calls) == {"ours", "eager", "channels-last"}
    monkeypatch.setattr(benchmark_gan.gan, "gradient_penalty", lambda critic, real, *_: critic(real))
    with pytest.raises(FloatingPointError, match="differ by"):
        critic_step(config)


def test_bad_input_is_one_sentence(refused, tmp_path):
    (sentence,) = refused(benchmark_gan, "--replicas", "0", "--run-dir", tmp_path / "run")
    assert "--replicas must be" in sentence

"""The captioning benchmark compares programs that do the same; what it measures is no test."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import benchmark_captioning
from experiments.benchmark_captioning import Config, against_numpy, batch, beams, forward_operations, training_step
from jaxvision.captioning import captioner

SMALL = Config(batches=(4,), images=3, words=20, max_length=6, feature_size=5, embed_size=4, hidden_size=6)


def small():
    return captioner(jax.random.key(0), feature_size=5, vocabulary_size=20, embed_size=4, hidden_size=6)


def test_captions_start_and_end_and_differ_in_length():
    captions = np.asarray(batch(30, Config(max_length=17))[1])
    assert (captions[:, 0] == 1).all()
    assert ((captions == 2).sum(axis=1) == 1).all()
    assert len(set(captions.argmin(axis=1))) > 3  # where NULL begins
    assert captions.max() < 1004


def test_operations_are_counted_by_hand():
    model = small()
    of_words = 2 * (6 * 24 + 6 * 20)  # of a word: from the state to the gates, and to the scores
    assert forward_operations(model, 1, 6) == 2 * 5 * 6 + 5 * (of_words + 2 * 4 * 24)
    assert forward_operations(model, 10, 6) == 10 * 2 * 5 * 6 + 50 * of_words + 20 * 2 * 4 * 24


@pytest.mark.slow
def test_numpys_step_and_beams_equal_their_peers():
    for program in (against_numpy(small(), SMALL), beams(small(), SMALL)):
        assert len(program.calls) == 2


@pytest.mark.slow
def test_quick_run_without_peers(tmp_path):
    result = benchmark_captioning.main(
        dataclasses.replace(SMALL, peers=False, quick=True, rounds=2, run_dir=tmp_path / "run")
    )
    assert [row.ratio is None for row in result.rows] == [True, False, False]
    assert (tmp_path / "run" / "benchmark.md").read_text().startswith("| step | ours, ms | fastest others, ms |")


@pytest.mark.peers
def test_a_training_step_equals_pytorchs(monkeypatch):
    """And a step that is not the same is noticed before it is timed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    config = dataclasses.replace(SMALL, compile=False)
    assert set(training_step(small(), 4, config).calls) == {"ours", "eager", "eager, fused Adam"}
    monkeypatch.setattr(benchmark_captioning, "caption_loss", lambda model, *_: jax.numpy.sum(model.W_vocab))
    with pytest.raises(FloatingPointError, match="differ by"):
        training_step(small(), 4, config)

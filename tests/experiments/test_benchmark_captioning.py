"""The captioning benchmark compares programs that do the same; what it measures is no test."""

import jax
import numpy as np
import pytest

from experiments import benchmark_captioning
from experiments.benchmark_captioning import Sizes, batch, forward_operations, training_step
from experiments.benchmark_program import Setup
from jaxvision.captioning import captioner


def small():
    return captioner(jax.random.key(0), feature_size=5, vocabulary_size=20, embed_size=4, hidden_size=6)


def test_captions_start_and_end_and_differ_in_length():
    captions = np.asarray(batch(30, Sizes(max_length=17), seed=0)[1])
    assert (captions[:, 0] == 1).all()
    assert ((captions == 2).sum(axis=1) == 1).all()
    assert len(set(captions.argmin(axis=1))) > 3  # where NULL begins
    assert captions.max() < 1004


def test_operations_are_counted_by_hand():
    model = small()
    of_words = 2 * (6 * 24 + 6 * 20)  # of a word: from the state to the gates, and to the scores
    assert forward_operations(model, 1, 6) == 2 * 5 * 6 + 5 * (of_words + 2 * 4 * 24)
    assert forward_operations(model, 10, 6) == 10 * 2 * 5 * 6 + 50 * of_words + 20 * 2 * 4 * 24


@pytest.mark.peers
def test_a_training_step_equals_pytorchs(monkeypatch):
    """And a step that is not the same is noticed before it is timed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    sizes, setup = Sizes(words=20, max_length=6, features=5), Setup(compile=False)
    assert set(training_step(small(), 4, sizes, setup).calls) == {"ours", "eager", "eager, fused Adam"}
    monkeypatch.setattr(benchmark_captioning, "caption_loss", lambda model, *_: jax.numpy.sum(model.W_vocab))
    with pytest.raises(FloatingPointError, match="differ by"):
        training_step(small(), 4, sizes, setup)

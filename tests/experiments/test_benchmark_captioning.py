"""The captioning benchmark compares programs that do the same; what it measures is no test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import benchmark_attention, benchmark_captioning, benchmark_self_critical
from experiments.benchmark_captioning import Sizes, batch, forward_products, training_step
from experiments.benchmark_program import Setup
from experiments.matrix_products import Product, costs_of, training_costs
from experiments.timing import costs
from jaxvision.captioning import attempt, attention_captioner, attention_loss, caption_loss, captioner

SMALL = Sizes(images=6, words=20, max_length=6, features=5, embed=4, hidden=6)


def small(cell="lstm"):
    return captioner(jax.random.key(0), feature_size=5, vocabulary_size=20, embed_size=4, hidden_size=6, cell=cell)


def test_captions_start_and_end_and_differ_in_length():
    captions = np.asarray(batch(30, Sizes(max_length=17), seed=0)[1])
    assert (captions[:, 0] == 1).all()
    assert ((captions == 2).sum(axis=1) == 1).all()
    assert len(set(captions.argmin(axis=1))) > 3  # where NULL begins
    assert captions.max() < 1004


def test_operations_are_counted_by_hand():
    model = small()
    of_words = 2 * (6 * 24 + 6 * 20)  # of a word: from the state to the gates, and to the scores
    found = [costs_of(forward_products(model, n, 6)).operations for n in (1, 10)]
    assert found[0] == 2 * 5 * 6 + 5 * (of_words + 2 * 4 * 24)
    assert found[1] == 10 * 2 * 5 * 6 + 50 * of_words + 20 * 2 * 4 * 24


def test_a_product_of_a_loop_reads_its_weights_each_time_and_their_gradient_is_one():
    product = Product(2, 3, 5, times=10)
    assert costs_of([product]).bytes == 10 * 4 * (2 * 3 + 3 * 5 + 2 * 5)
    there, back, of_weights = 10 * (6 + 15 + 10), 10 * (10 + 15 + 6), 20 * 3 + 20 * 5 + 15
    assert training_costs([product], 15).bytes == 4 * (there + back + of_weights + 7 * 15)
    assert training_costs([product._replace(given=True)], 15).operations == 2 * 2 * 10 * 30


@pytest.mark.parametrize("kind", ["lstm", "attention"])
def test_operations_are_the_compilers_where_there_is_one_step(kind):
    """Of one word there is no loop, and products outweigh the rest: within a tenth."""
    n, width = 64, 64
    sizes = {"feature_size": width, "vocabulary_size": 300, "embed_size": width, "hidden_size": width}
    captions = jnp.ones((n, 2), jnp.int32)
    if kind == "lstm":
        model = captioner(jax.random.key(0), **sizes)
        arguments, products = (model, jnp.ones((n, width)), captions), forward_products(model, n, 2)
        found = costs(jax.grad(caption_loss), *arguments).operations
    else:
        model = attention_captioner(jax.random.key(0), **sizes, attention_size=width)
        arguments = (model, jnp.ones((n, 4, width)), captions)
        products = benchmark_attention.forward_products(model, n, 2, 4)
        found = costs(jax.grad(attention_loss), *arguments).operations
    assert training_costs(products, 0).operations == pytest.approx(found, rel=0.15)


def test_pytorchs_noise_draws_the_captions_of_the_program():
    model = small()._replace(b_vocab=jnp.linspace(0, 1, 20))
    features, key = jax.random.normal(jax.random.key(1), (3, 5)), jax.random.key(2)
    drawn = attempt(model, features, key, lambda tokens: jnp.zeros(len(tokens)), max_length=4).tokens[:, 0]
    noise = benchmark_self_critical.noise(key, 4, 3, 20)
    carry, logits = model.step(model.start(features), jnp.ones(3, jnp.int32))
    first = jnp.argmax(logits.at[:, jnp.array([0, 1, 3])].set(-jnp.inf) + noise[0], axis=1)
    np.testing.assert_array_equal(drawn[:, 0], first)
    second = jnp.argmax(model.step(carry, first)[1].at[:, jnp.array([0, 1, 3])].set(-jnp.inf) + noise[1], axis=1)
    np.testing.assert_array_equal(drawn[:, 1], jnp.where(first == 2, 0, second))


@pytest.mark.peers
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_a_training_step_equals_pytorchs(monkeypatch, cell):
    """And a step that is not the same is noticed before it is timed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    setup = Setup(compile=False)
    assert set(training_step(small(cell), 4, SMALL, setup).calls) == {"ours", "eager", "eager, fused Adam"}
    monkeypatch.setattr(benchmark_captioning, "caption_loss", lambda model, *_: jax.numpy.sum(model.W_vocab))
    with pytest.raises(FloatingPointError, match="differ by"):
        training_step(small(cell), 4, SMALL, setup)


@pytest.mark.peers
def test_a_step_with_attention_equals_pytorchs(monkeypatch):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    sizes = benchmark_attention.Sizes(captions=6, cells=4, attention=7, others=SMALL)
    prepare = next(iter(benchmark_attention.programs(Setup(compile=False), sizes).values()))
    assert set(prepare().calls) == {"ours", "eager", "eager, fused Adam"}
    monkeypatch.setattr(benchmark_attention, "attention_loss", lambda model, *_: jax.numpy.sum(model.W_vocab))
    with pytest.raises(FloatingPointError, match="differ by"):
        prepare()


@pytest.mark.peers
def test_a_self_critical_step_equals_pytorchs(monkeypatch):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    monkeypatch.setattr(benchmark_self_critical, "N_IMAGES", 10)
    prepare = next(iter(benchmark_self_critical.programs(Setup(compile=False), SMALL).values()))
    assert set(prepare().calls) == {"ours", "eager", "eager, fused Adam"}
    monkeypatch.setattr(benchmark_self_critical, "loss", lambda model, *_, max_length: jax.numpy.sum(model.W_vocab))
    with pytest.raises(FloatingPointError, match="differ by"):
        prepare()

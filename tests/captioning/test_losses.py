"""The loss of a caption: closed forms, then the laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.captioning import attention_captioner, attention_loss, temporal_softmax_loss

LOGITS = jax.random.normal(jax.random.key(0), (3, 4, 5))
TARGETS = jnp.array([[1, 4, 0, 0], [2, 0, 0, 0], [3, 3, 1, 2]])
MASK = jnp.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool)


def test_uniform_scores_cost_log_v_a_word():
    zeros = jnp.zeros((3, 4, 5))
    np.testing.assert_allclose(temporal_softmax_loss(zeros, TARGETS, MASK), 8 * np.log(5) / 3, rtol=1e-6)
    np.testing.assert_allclose(temporal_softmax_loss(zeros, TARGETS, MASK, per_token=True), np.log(5), rtol=1e-6)


def test_huge_scores_overflow_nothing():
    logits = jnp.array([[[1e4, -1e4, 0.0], [0.0, 1e4, 0.0]]])
    loss, gradient = jax.value_and_grad(temporal_softmax_loss)(logits, jnp.array([[1, 1]]), jnp.ones((1, 2), bool))
    assert loss == 2e4
    np.testing.assert_array_equal(gradient, [[[1, -1, 0], [0, 0, 0]]])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_the_sum_of_a_large_batch_is_in_single_precision_at_least(dtype):
    logits, targets, mask = jnp.zeros((2048, 16, 128), dtype), jnp.zeros((2048, 16), int), jnp.ones((2048, 16), bool)
    loss, gradient = jax.jit(jax.value_and_grad(temporal_softmax_loss))(logits, targets, mask)
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, 16 * np.log(128), rtol=1e-5)
    assert gradient.dtype == dtype


def test_double_precision_is_kept():
    with jax.enable_x64(True):
        assert temporal_softmax_loss(LOGITS.astype(jnp.float64), TARGETS, MASK).dtype == jnp.float64


def test_a_loss_with_a_penalty_takes_half_precision():
    model = attention_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, embed_size=3, hidden_size=5)
    grid = jax.random.normal(jax.random.key(1), (2, 7, 4))
    captions = jnp.array([[1, 5, 2, 0], [1, 6, 4, 2]])
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (model, grid))
    loss = attention_loss(*half, captions)
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, attention_loss(model, grid, captions), rtol=0.05)


@pytest.mark.parametrize("per_token", [False, True])
def test_nothing_to_predict_costs_nothing(per_token):
    value_and_gradient = jax.value_and_grad(
        lambda x: temporal_softmax_loss(x, TARGETS, MASK & False, per_token=per_token)
    )
    loss, gradient = value_and_gradient(LOGITS)
    assert loss == 0
    assert not gradient.any()


def test_masked_places_are_not_looked_at():
    """Neither their words, which may lie outside the vocabulary, nor their scores."""
    value_and_gradient = jax.jit(jax.value_and_grad(temporal_softmax_loss))
    loss, gradient = value_and_gradient(LOGITS, TARGETS, MASK)
    targets, logits = jnp.where(MASK, TARGETS, -7), jnp.where(MASK[:, :, None], LOGITS, 100.0)
    changed = value_and_gradient(logits, targets, MASK)
    np.testing.assert_array_equal(loss, changed[0])
    np.testing.assert_array_equal(gradient, changed[1])


def test_jit_is_eager_and_a_batch_is_the_mean_of_singles():
    loss = jax.jit(temporal_softmax_loss)(LOGITS, TARGETS, MASK)
    np.testing.assert_allclose(loss, temporal_softmax_loss(LOGITS, TARGETS, MASK), rtol=1e-6)
    single = jax.jit(temporal_softmax_loss)
    singles = [single(*(v[i : i + 1] for v in (LOGITS, TARGETS, MASK))) for i in range(3)]
    np.testing.assert_allclose(loss, np.mean(singles), rtol=1e-6)
    mapped = jax.jit(jax.vmap(lambda *example: temporal_softmax_loss(*(v[None] for v in example))))(
        LOGITS, TARGETS, MASK
    )
    np.testing.assert_allclose(mapped, singles, rtol=1e-6)


@pytest.mark.parametrize("per_token", [False, True])
def test_gradient_is_the_finite_difference(per_token):
    with jax.enable_x64(True):
        logits = jnp.asarray(LOGITS, jnp.float64)

        def loss(logits):
            return temporal_softmax_loss(jnp.asarray(logits), TARGETS, MASK, per_token=per_token)

        assert loss(logits).dtype == jnp.float64
        check_grads(jax.jit(loss), (logits,), order=1, modes=["rev"], atol=1e-6, rtol=1e-6, eps=1e-5)

"""Soft attention and the LSTM that attends: against loops in NumPy, finite differences, and automatic derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.errors import InputError
from jaxvision.recurrent import (
    Attended,
    LSTMState,
    attention_keys,
    attention_params,
    attentive_lstm,
    attentive_lstm_step,
    lstm_params,
    soft_attention,
)

N, T, L, D, H, A, W = 2, 4, 5, 3, 4, 6, 2


def problem(dtype=jnp.float32):
    """Weights large enough for attention that moves."""
    keys = jax.random.split(jax.random.key(0), 6)
    attention = attention_params(keys[0], cell_size=D, state_size=H, attention_size=A)
    attention = attention._replace(v=4 * attention.v, b=attention.b + 0.3, b_gate=jnp.asarray(0.2))
    x, grid = jax.random.normal(keys[1], (N, T, W)), jax.random.normal(keys[2], (N, L, D))
    state = LSTMState(*(jax.random.normal(key, (N, H)) for key in keys[3:5]))
    return jax.tree.map(lambda a: a.astype(dtype), (attention, lstm_params(keys[5], W + D, H), x, state, grid))


def step_by_step(attention, params, x, state, grid):
    """One step after the other, without a derivative by hand."""
    keys, states, seen = attention_keys(attention, grid), [], []
    for t in range(x.shape[1]):
        state, looked = attentive_lstm_step(attention, params, state, x[:, t], grid, keys)
        states, seen = [*states, state.h], [*seen, looked]
    return jnp.stack(states, axis=1), Attended(*(jnp.stack(some, axis=1) for some in zip(*seen, strict=True)))


def test_attention_is_a_loop_over_cells():
    attention, _, _, state, grid = problem()
    found = soft_attention(attention, state.h, grid, attention_keys(attention, grid))
    attention, state, grid = jax.tree.map(np.asarray, (attention, state, grid))
    for n in range(N):
        q = state.h[n] @ attention.W_state + attention.b
        scores = [attention.v @ np.tanh(cell @ attention.W_cells + q) for cell in grid[n]]
        weights = np.exp(scores) / np.exp(scores).sum()
        gate = 1 / (1 + np.exp(-(state.h[n] @ attention.w_gate + attention.b_gate)))
        np.testing.assert_allclose(found.weights[n], weights, rtol=1e-5)
        np.testing.assert_allclose(found.context[n], gate * (weights @ grid[n]), rtol=1e-5, atol=1e-6)


def test_several_states_of_an_image_are_as_many_images():
    attention, _, _, state, grid = problem()
    h, keys = jnp.concatenate([state.h, -state.h, 2 * state.h]), attention_keys(attention, grid)
    found = soft_attention(attention, h, grid, keys)
    expected = soft_attention(attention, h, jnp.repeat(grid, 3, axis=0), jnp.repeat(keys, 3, axis=0))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


def test_a_sequence_is_one_step_after_the_other():
    found, expected = attentive_lstm(*problem()), step_by_step(*problem())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


def test_indices_are_one_hot_vectors():
    attention, params, _, state, grid = problem()
    indices = jnp.array([[0, 1, 1, 0], [1, 1, 0, 0]])
    found = attentive_lstm(attention, params, indices, state, grid)
    expected = attentive_lstm(attention, params, jax.nn.one_hot(indices, W), state, grid)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)


def scalar(run):
    """Every result with weights of its own."""

    def of(arguments):
        h, (context, weights) = run(*arguments)
        parts = jnp.concatenate([h.ravel(), 2 * context.ravel(), 3 * weights.ravel()])
        return jnp.sum(jnp.sin(parts + jnp.arange(parts.size, dtype=parts.dtype)))

    return of


def test_the_gradient_by_hand_is_the_automatic_one():
    """Of all weights, the input, both first states and the grid; in double precision."""
    with jax.enable_x64(True):
        arguments = problem(jnp.float64)
        found = jax.jit(jax.grad(scalar(attentive_lstm)))(arguments)
        expected = jax.jit(jax.grad(scalar(step_by_step)))(arguments)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), found, expected)
        assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(found))


@pytest.mark.slow
def test_the_gradient_is_the_finite_difference_and_so_is_its_gradient():
    with jax.enable_x64(True):
        run = jax.jit(scalar(attentive_lstm))
        check_grads(run, (problem(jnp.float64),), order=2, modes=["rev"], rtol=1e-5, atol=1e-5, eps=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a, p, x, s, g: (a, p, x, s, g[:, :, :2]), "with D = 3"),
        (lambda a, p, x, s, g: (a, p, x, s, g[:, :0]), "a grid must have shape"),
        (lambda a, p, x, s, g: (a, p, x[:, :, :1], s, g), "x must have 2 features"),
        (lambda a, p, x, s, g: (a, p, x[:, :0], s, g), "at least one step"),
    ],
)
def test_what_does_not_fit_is_a_sentence(change, sentence):
    with pytest.raises(InputError, match=sentence):
        attentive_lstm(*change(*problem()))


def test_sizes_are_at_least_one():
    with pytest.raises(InputError, match="attention_size must be"):
        attention_params(jax.random.key(0), cell_size=1, state_size=1, attention_size=0)


def test_weights_begin_so_that_scores_have_unit_variance():
    params = attention_params(jax.random.key(0), cell_size=64, state_size=225, attention_size=900)
    for leaf, size in ((params.W_cells, 64), (params.W_state, 225), (params.v, 900), (params.w_gate, 225)):
        np.testing.assert_allclose(leaf.std() * size**0.5, 1, rtol=0.15)
        assert abs(leaf.mean()) * size**0.5 < 0.2
    assert not params.b.any()
    assert params.b_gate == 0

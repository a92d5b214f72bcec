"""The scans against their own steps in a loop: values, gradients, masks, segments."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.errors import InputError
from jaxvision.recurrent import (
    LSTMState,
    gru,
    gru_params,
    gru_step,
    lstm,
    lstm_params,
    lstm_step,
    rnn,
    rnn_params,
    rnn_step,
)

N, T, D, H = 3, 5, 4, 6
LENGTHS = np.array([5, 2, 2])
MASK = jnp.asarray(np.arange(T)[None] < LENGTHS[:, None])
X64 = np.random.default_rng(0).normal(size=(N, T, D))
X = jnp.asarray(X64, jnp.float32)


class Cell(NamedTuple):
    params: Callable
    step: Callable
    sequence: Callable
    begin: Callable  # one array (N, H) to the state


CELLS = {
    "rnn": Cell(rnn_params, rnn_step, rnn, lambda h: h),
    "lstm": Cell(lstm_params, lstm_step, lstm, lambda h: LSTMState(h, jnp.cos(3 * h))),
    "gru": Cell(gru_params, gru_step, gru, lambda h: h),
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
by_hand = pytest.mark.parametrize("cell", [CELLS["rnn"], CELLS["lstm"]], ids=["rnn", "lstm"])
# Compiling a loop and its gradient takes a second for each cell: the default run holds all against their steps, and the
# LSTM alone against the other laws.
slow_but_lstm = pytest.mark.parametrize(
    "cell",
    [pytest.param(cell, id=name, marks=[] if name == "lstm" else [pytest.mark.slow]) for name, cell in CELLS.items()],
)


def begin(cell, dtype=jnp.float32):
    """Parameters with biases that are not zero, and a state that is not."""
    params = cell.params(jax.random.key(0), D, H, dtype=dtype)
    params = jax.tree.map(lambda v: v + 0.1 * jnp.cos(jnp.arange(v.size, dtype=dtype)).reshape(v.shape), params)
    return params, cell.begin(0.3 * jnp.sin(jnp.arange(N * H, dtype=dtype)).reshape(N, H))


def plain(cell, params, x, state, mask=None):
    """One step after the other, differentiated by JAX alone."""
    mask = jnp.ones(x.shape[:2], bool) if mask is None else mask

    def step(state, inputs):
        x, mask = inputs
        new = cell.step(params, state, x)
        state = jax.tree.map(lambda a, b: jnp.where(mask[:, None], a, b), new, state)
        return state, jax.tree.leaves(state)[0]

    state, states = jax.lax.scan(step, state, (x.swapaxes(0, 1), mask.T))
    return states.swapaxes(0, 1), state


def total(outputs):
    """Every output counts, each with its own weight."""
    outputs = jax.tree.leaves(outputs)
    return sum(jnp.sum(jnp.cos(jnp.arange(v.size, dtype=v.dtype)).reshape(v.shape) * v) for v in outputs)


def outputs_and_gradients(run, *arguments):
    """As one program."""

    def loss(*arguments):
        outputs = run(*arguments)
        return total(outputs), outputs

    grads, outputs = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))(*arguments)
    return outputs, grads


def assert_close(a, b, **tolerances):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **{"rtol": 1e-5, "atol": 1e-6} | tolerances), a, b)


@every_cell
@pytest.mark.parametrize(
    "mask", [pytest.param(None, id="whole", marks=pytest.mark.slow), pytest.param(MASK, id="masked")]
)
def test_gradient_is_plain_differentiation_of_the_steps(cell, mask):
    with jax.enable_x64(True):
        params, state = begin(cell, jnp.float64)

        (found, found_grads), (expected, expected_grads) = (
            outputs_and_gradients(functools.partial(run, mask=mask), params, jnp.asarray(X64), state)
            for run in (cell.sequence, functools.partial(plain, cell))
        )
        assert_close(found, expected, rtol=1e-12, atol=1e-13)
        assert_close(found_grads, expected_grads, rtol=1e-10, atol=1e-11)
        assert all(v.dtype == jnp.float64 for v in jax.tree.leaves((found, found_grads)))


@pytest.mark.slow
@by_hand
def test_gradient_is_the_finite_difference(cell):
    with jax.enable_x64(True):
        params, state = begin(cell, jnp.float64)
        run = jax.jit(lambda *a: total(cell.sequence(*jax.tree.map(jnp.asarray, a), mask=MASK)))
        check_grads(run, (params, X64, state), order=1, modes=["rev"], atol=1e-6, rtol=1e-6, eps=1e-5)


@pytest.mark.slow
@by_hand
def test_reverse_mode_can_be_nested(cell):
    """The derivative of a gradient's square norm, against the plain form's."""
    with jax.enable_x64(True):
        params, state = begin(cell, jnp.float64)

        def square_norm(run, params):
            gradient = jax.grad(lambda p: total(run(p, jnp.asarray(X64), state)))(params)
            return sum(jnp.sum(v**2) for v in jax.tree.leaves(gradient))

        found = jax.jit(jax.grad(lambda p: square_norm(cell.sequence, p)))(params)
        expected = jax.jit(jax.grad(lambda p: square_norm(functools.partial(plain, cell), p)))(params)
        assert_close(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    "cell", [pytest.param(CELLS["rnn"], marks=pytest.mark.slow), CELLS["lstm"]], ids=["rnn", "lstm"]
)
def test_forward_mode_is_refused_by_jax(cell):
    params = jax.tree.map(jnp.zeros_like, cell.params(jax.random.key(0), D, H))
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jit(lambda x: jax.jvp(lambda x: cell.sequence(params, x)[0], (x,), (x,))).lower(X)


@slow_but_lstm
def test_padded_is_alone(cell):
    """States, last state and the gradient by the input, whatever stands behind the end."""
    params, state = begin(cell)
    padded = jnp.where(MASK[:, :, None], X, 99.0)

    @jax.jit
    def run(x, state, mask):
        def loss(x):
            h, last = cell.sequence(params, x, state, mask=mask)
            counted = jnp.sin(h) if mask is None else jnp.where(mask[:, :, None], jnp.sin(h), 0.0)
            return jnp.sum(counted), (h, last)

        dx, (h, last) = jax.grad(loss, has_aux=True)(x)
        return h, last, dx

    h, last, dx = jax.tree.map(np.asarray, run(padded, state, MASK))
    for i, length in enumerate(LENGTHS):
        one, its_state = X[i : i + 1, :length], jax.tree.map(lambda v, i=i: v[i : i + 1], state)
        alone, its_last, its_dx = run(one, its_state, None)
        assert_close(h[i : i + 1, :length], alone)
        assert_close(jax.tree.map(lambda v, i=i: v[i : i + 1], last), its_last)
        np.testing.assert_allclose(h[i, length:], np.broadcast_to(h[i, length - 1], (T - length, H)), rtol=1e-6)
        assert_close(dx[i : i + 1, :length], its_dx)
    assert not dx[~np.asarray(MASK)].any()


@slow_but_lstm
@pytest.mark.parametrize("segment", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_indices_are_one_hot_vectors(cell, segment):
    params, state = begin(cell)
    words = jnp.array([[0, 3, 3, 1, 2], [2, 2, 0, 1, 0], [1, 1, 1, 3, 0]])

    @jax.jit
    @jax.value_and_grad
    def run(params, x):
        return total(cell.sequence(params, x, state, mask=MASK, segment=segment))

    assert_close(run(params, words), run(params, jax.nn.one_hot(words, D)), rtol=1e-4)


@pytest.mark.slow
@every_cell
def test_two_halves_are_the_whole(cell):
    params, state = begin(cell)
    h, last = cell.sequence(params, X, state)
    first, middle = cell.sequence(params, X[:, :2], state)
    second, end = cell.sequence(params, X[:, 2:], middle)
    assert_close(h, jnp.concatenate([first, second], axis=1))
    assert_close(last, end)


@slow_but_lstm
def test_no_state_is_a_zero_state(cell):
    params, state = begin(cell)
    assert_close(cell.sequence(params, X), cell.sequence(params, X, jax.tree.map(jnp.zeros_like, state)))


@pytest.mark.slow
@every_cell
def test_vmap_is_a_loop_and_jit_is_eager(cell):
    params, state = begin(cell)
    sequences = jnp.stack([X, X[::-1]])

    @jax.jit
    def run(x):
        return cell.sequence(params, x, state, mask=MASK)

    mapped = jax.jit(jax.vmap(run))(sequences)
    for k in range(2):
        assert_close(jax.tree.map(lambda v, k=k: v[k], mapped), run(sequences[k]))
    gradient = jax.grad(lambda p, x: jnp.sum(cell.sequence(p, x)[0]))
    per_example = jax.jit(jax.vmap(gradient, in_axes=(None, 0)))(params, X[:, None])
    whole = jax.jit(gradient)(params, X)
    assert_close(jax.tree.map(lambda v: v.sum(0), per_example), whole, rtol=1e-4, atol=1e-5)
    with jax.disable_jit():
        eager = cell.sequence(params, X, state, mask=MASK)
    assert_close(run(X), eager)


def test_one_trace_for_all_values():
    traces = []

    @jax.jit
    def run(params, x):
        traces.append(x.shape)
        return jax.grad(lambda p: jnp.sum(lstm(p, x)[0]))(params)

    for seed in range(3):
        run(lstm_params(jax.random.key(seed), D, H), X + seed)
    assert len(traces) == 1


@pytest.mark.slow
@every_cell
@pytest.mark.parametrize("segment", [2, 5])
def test_segments_change_no_value_and_no_gradient(cell, segment):
    """Two segments of two steps and one of one; and one that holds all."""
    params, state = begin(cell)

    found, expected = (
        outputs_and_gradients(functools.partial(cell.sequence, mask=MASK, segment=length), params, X, state)
        for length in (segment, None)
    )
    assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_truncation_lets_no_gradient_pass():
    params, state = begin(CELLS["lstm"])

    def last(x, truncate):
        return jnp.sum(lstm(params, x, state, segment=2, truncate=truncate)[1].h)

    value_and_gradient = jax.jit(jax.value_and_grad(last), static_argnums=1)
    (cut, dx_cut), (whole, dx) = (jax.tree.map(np.asarray, value_and_gradient(X, cut)) for cut in (True, False))
    assert not dx_cut[:, :4].any()  # the last step is a segment of its own
    np.testing.assert_allclose(dx_cut[:, 4], dx[:, 4], rtol=1e-5)
    assert (dx != 0).all()
    np.testing.assert_allclose(cut, whole, rtol=1e-6)


@every_cell
@pytest.mark.parametrize("n_steps", [4, 5])
def test_truncation_leaves_the_initial_state_its_gradient(cell, n_steps):
    """That of the first segment alone: the later ones give it none."""
    params, state = begin(cell)

    def total(state, x, **options):
        return jnp.sum(cell.sequence(params, x, state, **options)[0])

    gradient = jax.grad(total)(state, X[:, :n_steps], segment=2, truncate=True)
    assert_close(gradient, jax.grad(total)(state, X[:, :2]))


@slow_but_lstm
def test_segments_need_less_memory(cell):
    params = cell.params(jax.random.key(0), 32, 32)
    x = jax.ShapeDtypeStruct((8, 1024, 32), jnp.float32)

    def temporary_bytes(segment):
        def last(params, x):
            return jnp.sum(cell.sequence(params, x, segment=segment)[1][0])

        return jax.jit(jax.grad(last)).lower(params, x).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(32) < 0.6 * temporary_bytes(None)


MISTAKES = [
    (X[0], {}, r"give one sequence as x\[None\]"),
    (X[:, :0], {}, "at least one step"),
    (jnp.zeros(5, int), {}, r"shape \(N, T\), got \(5,\): give one sequence as x\[None\]"),
    (X[:, :, :3], {}, "x must have 4 features"),
    (X, {"mask": MASK[:, :4]}, r"mask must be one bool for each step, shape \(3, 5\)"),
    (X, {"mask": MASK.astype(jnp.float32)}, "got float32"),
    (X, {"state": LSTMState(jnp.zeros((2, H)), jnp.zeros((2, H)))}, r"\(N, H\) = \(3, 6\), got \(2, 6\)"),
    (X, {"segment": 0}, "segment must be"),
    (X, {"truncate": True}, "give their length"),
]


@pytest.mark.parametrize(("x", "options", "message"), MISTAKES)
def test_mistakes_are_told_in_words(x, options, message):
    unchecked = getattr(lstm, "__wrapped__", lstm)  # shapes in the signature are checked in tests only
    with pytest.raises(InputError, match=message):
        unchecked(lstm_params(jax.random.key(0), D, H), x, **options)


def test_parameters_of_another_cell_are_refused():
    with pytest.raises(InputError, match="this cell has 4 gates"):
        lstm(rnn_params(jax.random.key(0), D, H), X)
    with pytest.raises(InputError, match="this cell has 1 gates"):
        rnn(lstm_params(jax.random.key(0), D, H), X)


@slow_but_lstm
def test_parameters_begin_orthogonal_and_with_unit_variance(cell):
    params = cell.params(jax.random.key(0), 256, 64)
    for gate in jnp.split(params.Wh, params.Wh.shape[1] // 64, axis=1):
        np.testing.assert_allclose(gate.T @ gate, np.eye(64), atol=1e-5)
    assert abs(float(jnp.std(params.Wx)) * 16 - 1) < 0.02
    with pytest.raises(InputError, match="H must be a size"):
        cell.params(jax.random.key(0), 4, 0)


@every_cell
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_parameters_in_half_precision_are_those_in_single_rounded(cell, dtype):
    found, single = (cell.params(jax.random.key(0), 5, 4, dtype=kind) for kind in (dtype, jnp.float32))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b.astype(dtype), strict=True), found, single)


def test_an_open_forget_gate_remembers():
    """With no input and no weights c decays by the forget gate alone."""
    params = jax.tree.map(jnp.zeros_like, lstm_params(jax.random.key(0), D, H))
    params = params._replace(b=lstm_params(jax.random.key(0), D, H, forget_bias=2.0).b)
    c = lstm(params, X, LSTMState(jnp.zeros((N, H)), jnp.ones((N, H))))[1].c
    np.testing.assert_allclose(c, jax.nn.sigmoid(2.0) ** T, rtol=1e-5)


def test_a_gru_moves_from_its_state_to_the_candidate():
    with jax.enable_x64(True):
        params, h = begin(CELLS["gru"], jnp.float64)
        found = gru_step(params, h, jnp.asarray(X64[:, 0]))
        Wx, Wh, b, bh, h, x = (np.asarray(v) for v in (params.Wx, params.Wh, params.b, params.bh, h, X64[:, 0]))
        x_r, x_z, x_n = np.split(x @ Wx + b, 3, axis=1)
        s_r, s_z, s_n = np.split(h @ Wh, 3, axis=1)
        r, z = 1 / (1 + np.exp(-(x_r + s_r))), 1 / (1 + np.exp(-(x_z + s_z)))
        np.testing.assert_allclose(found, (1 - z) * np.tanh(x_n + r * (s_n + bh)) + z * h, rtol=1e-12)

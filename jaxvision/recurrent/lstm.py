"""The long short-term memory."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvision.recurrent.lstm_cell import cell_gradient, gates_of, memory, once, split
from jaxvision.recurrent.parameters import RecurrentParams
from jaxvision.recurrent.sequence import Inputs, check_sequence, keep, outer_sum, over_sequence, project


class LSTMState(NamedTuple):
    """What an LSTM carries from step to step.

    Attributes:
        h: `(N, H)`, the state, which is also the output.
        c: `(N, H)`, the memory.
    """

    h: Float[Array, "n h"]
    c: Float[Array, "n h"]


def lstm_step(params: RecurrentParams, state: LSTMState, x: Float[Array, "n d"]) -> LSTMState:
    r"""One step of an LSTM.

    $$ (a^i, a^f, a^o, a^g) = x_t W_x + h_{t-1} W_h + b $$
    $$ c_t = \sigma(a^f) \odot c_{t-1} + \sigma(a^i) \odot \tanh(a^g), \qquad h_t = \sigma(a^o) \odot \tanh(c_t) $$

    Args:
        params: `Wx (D, 4H)`, `Wh (H, 4H)`, `b (4H,)`, the gates in the order i, f, o, g.
        state: h and c before, `(N, H)` each.
        x: `(N, D)`, the input.

    Returns:
        The next h and c.

    Example:
        >>> params = RecurrentParams(jnp.zeros((2, 4)), jnp.zeros((1, 4)), jnp.zeros(4))
        >>> state = LSTMState(jnp.zeros((1, 1)), jnp.full((1, 1), 2.0))
        >>> lstm_step(params, state, jnp.ones((1, 2))).c  # all gates half open, and the candidate 0
        Array([[1.]], dtype=float32)

    References:
        Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. Gers, Schmidhuber and
        Cummins, "Learning to forget", Neural Computation 12, 2000: the forget gate.
    """
    gates = gates_of(x @ params.Wx + state.h @ params.Wh + params.b[None])
    c = memory(gates, state.c)
    return LSTMState(split(gates)[2] * jnp.tanh(c), c)


def lstm(
    params: RecurrentParams,
    x: Inputs,
    state: LSTMState | None = None,
    *,
    mask: Bool[Array, "n t"] | None = None,
    segment: int | None = None,
    truncate: bool = False,
) -> tuple[Float[Array, "n t h"], LSTMState]:
    r"""An LSTM over whole sequences.

    $$ (h_t, c_t) = \mathrm{LSTM}(x_t, h_{t-1}, c_{t-1}), \qquad t = 1, \dots, T $$

    The backward pass is written by hand, see `numpy_reference.lstm` for its derivation. Reverse mode can be nested (a
    gradient of a gradient, `jax.jacrev`); forward mode (`jax.jvp`, `jax.jacfwd`, `jax.hessian`) is refused by JAX.

    Args:
        params: `Wx (D, 4H)`, `Wh (H, 4H)`, `b (4H,)`, the gates in the order i, f, o, g.
        x: `(N, T, D)`, or `(N, T)` indices in `[0, D)` for one-hot vectors: their products are rows of Wx.
        state: h and c to begin with, `(N, H)` each; zero if not given.
        mask: `(N, T)`, True where there is input. Elsewhere h and c are kept, so that a padded sequence ends with the
            state that it would have alone.
        segment: for long sequences, keep the state only every so many steps, and compute the others once more for the
            gradient: less memory, one more forward pass.
        truncate: let no gradient pass from a segment to the one before (truncated back-propagation through time).

    Returns:
        All h `(N, T, H)`, and the last h and c.

    Raises:
        InputError: if shapes or options do not fit.

    Example:
        >>> params = RecurrentParams(jnp.ones((2, 12)), jnp.ones((3, 12)), jnp.zeros(12))
        >>> h, last = lstm(params, jnp.ones((4, 5, 2)))
        >>> h.shape, last.c.shape
        ((4, 5, 3), (4, 3))

    References:
        Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997. Graves and Schmidhuber,
        "Framewise phoneme classification with bidirectional LSTM", Neural Networks 18, 2005: the full gradient. Chen
        et al., "Training deep nets with sublinear memory cost", https://arxiv.org/abs/1604.06174, 2016: segments.
    """
    check_sequence(x, mask, params, None if state is None else state.h, n_gates=4)
    if state is None:
        zero = jnp.zeros((x.shape[0], params.Wh.shape[0]), params.Wh.dtype)
        state = LSTMState(zero, zero)
    return over_sequence(_run, params, x, state, mask=mask, segment=segment, truncate=truncate)


def _run(params: RecurrentParams, x: Array, state: LSTMState, mask: Array | None) -> tuple[Array, LSTMState]:
    h, c = _states(project(x, params.Wx, params.b), params.Wh, state, mask)
    return h, LSTMState(h[-1], c)


@jax.custom_vjp
def _states(projected: Array, Wh: Array, state: LSTMState, mask: Array | None) -> tuple[Array, Array]:
    """States `(T, N, H)` and the last memory, from the input's share `(T, N, 4H)`."""

    def step(state: LSTMState, inputs: tuple[Array, Array | None]) -> tuple[LSTMState, Array]:
        _, state = _next(*inputs, Wh, state)
        return state, state.h

    last, states = jax.lax.scan(step, state, (projected, mask))
    return states, last.c


def _states_forward(
    projected: Array, Wh: Array, state: LSTMState, mask: Array | None
) -> tuple[tuple[Array, Array], tuple[Any, ...]]:
    """The same, every step's gates written over its share of the input: no second stack of the largest size."""
    n_steps = projected.shape[0]

    def step(t: Array, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        state, stack, states, memories = carry
        memories = _put(memories, state.c, t)  # those before each step: the ones after follow from the gates
        gates, state = _next(_take(stack, t), None if mask is None else _take(mask, t), Wh, state)
        return state, _put(stack, gates, t), _put(states, state.h, t), memories

    empty = jnp.zeros((n_steps, *state.h.shape), state.h.dtype)
    last, gates, states, memories = jax.lax.fori_loop(0, n_steps, step, (state, projected, empty, empty))
    return (states, last.c), (gates, states, memories, Wh, state.h, mask)


def _states_backward(
    residuals: tuple[Any, ...], derivatives: tuple[Array, Array]
) -> tuple[Array, Array, LSTMState, None]:
    """Back-propagation through time: the steps give only da, and then one product gives dWh."""
    gates, states, memories, Wh, h0, mask = residuals
    dstates, dc_last = derivatives

    def step(after: LSTMState, inputs: tuple[Array, Array, Array, Array | None]) -> tuple[LSTMState, Array]:
        dh_above, gates, c, mask = inputs
        dh = once(after.h + dh_above)
        da, dc = cell_gradient(gates, c, dh, after.c)
        da = once(keep(mask, da, jnp.zeros_like(da)))  # (N, 4H)
        return LSTMState(keep(mask, da @ Wh.T, dh), keep(mask, dc, after.c)), da

    after_last = LSTMState(jnp.zeros_like(h0), dc_last)
    first, da = jax.lax.scan(step, after_last, (dstates, gates, memories, mask), reverse=True)  # (T, N, 4H)
    before = jnp.concatenate([h0[None], states[:-1]])  # (T, N, H)
    return da, outer_sum(before, da), first, None


_states.defvjp(_states_forward, _states_backward)


def _next(projected: Array, mask: Array | None, Wh: Array, state: LSTMState) -> tuple[Array, LSTMState]:
    gates = once(gates_of(projected + state.h @ Wh))  # (N, 4H)
    c = once(memory(gates, state.c))
    h = split(gates)[2] * jnp.tanh(c)
    return gates, LSTMState(keep(mask, h, state.h), keep(mask, c, state.c))


def _take(stack: Array, t: Array) -> Array:
    return jax.lax.dynamic_index_in_dim(stack, t, keepdims=False)


def _put(stack: Array, value: Array, t: Array) -> Array:
    return jax.lax.dynamic_update_index_in_dim(stack, value, t, axis=0)

r"""An LSTM that looks at a grid of cells before every step.

Where the state's derivative goes needs no more than one pass over the cells: the scores of a softmax get derivatives
that sum to zero, and so

$$ \frac{\partial L}{\partial q_a} = v_a \sum_l \delta_l (1 - u_{la}^2) = -v_a \sum_l \delta_l u_{la}^2, \qquad
   u_{la} = \tanh(k_{la} + q_a). $$

u is computed anew on the way back, which is faster than to keep it, and takes T times less memory.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.recurrent.attention import Attended, AttentionParams, attention_keys, soft_attention
from jaxvision.recurrent.lstm import LSTMState
from jaxvision.recurrent.lstm_cell import cell_gradient, gates_of, memory, once, split
from jaxvision.recurrent.parameters import RecurrentParams
from jaxvision.recurrent.sequence import Inputs, check_sequence, outer_sum, project


def attentive_lstm_step(
    attention: AttentionParams,
    params: RecurrentParams,
    state: LSTMState,
    x: Float[Array, "m w"],
    grid: Float[Array, "n l d"],
    keys: Float[Array, "n l a"],
) -> tuple[LSTMState, Attended]:
    r"""One step of an LSTM that looks at a grid first.

    $$ (z_t, \alpha_t) = \mathrm{attend}(h_{t-1}), \qquad (h_t, c_t) = \mathrm{LSTM}([x_t, z_t], h_{t-1}, c_{t-1}) $$

    Args:
        attention: of the attention.
        params: of the LSTM, `Wx (W + D, 4H)`: the input's rows, then the context's.
        state: h and c before, `(M, H)` each.
        x: `(M, W)`, the input.
        grid: `(N, L, D)`; M as in `soft_attention`.
        keys: `(N, L, A)`, from `attention_keys`.

    Returns:
        The next state, and what was looked at.

    Example:
        >>> from jaxvision.recurrent import attention_params
        >>> attention = attention_params(jax.random.key(0), cell_size=3, state_size=1, attention_size=5)
        >>> params = RecurrentParams(jnp.ones((2 + 3, 4)), jnp.ones((1, 4)), jnp.zeros(4))
        >>> state, grid = LSTMState(jnp.zeros((2, 1)), jnp.zeros((2, 1))), jnp.ones((2, 7, 3))
        >>> keys = attention_keys(attention, grid)
        >>> attentive_lstm_step(attention, params, state, jnp.ones((2, 2)), grid, keys)[1].weights.shape
        (2, 7)

    References:
        Xu et al., https://arxiv.org/abs/1502.03044, 2015, equations 1 to 3.
    """
    seen = soft_attention(attention, state.h, grid, keys)
    Wx, Wz = params.Wx[: x.shape[1]], params.Wx[x.shape[1] :]
    gates = gates_of(x @ Wx + seen.context @ Wz + state.h @ params.Wh + params.b[None])
    c = memory(gates, state.c)
    return LSTMState(split(gates)[2] * jnp.tanh(c), c), seen


def attentive_lstm(
    attention: AttentionParams,
    params: RecurrentParams,
    x: Inputs,
    state: LSTMState,
    grid: Float[Array, "n l e"],
) -> tuple[Float[Array, "n t h"], Attended]:
    """`attentive_lstm_step` over whole sequences, with a backward pass written by hand.

    Reverse mode can be nested; forward mode is refused by JAX, as of `lstm`.

    Args:
        attention: of the attention.
        params: of the LSTM, `Wx (W + D, 4H)`.
        x: `(N, T, W)`, or `(N, T)` indices in `[0, W)` for one-hot vectors.
        state: h and c to begin with, `(N, H)` each.
        grid: `(N, L, D)`.

    Returns:
        All h `(N, T, H)`; contexts `(N, T, D)` and weights `(N, T, L)`.

    Raises:
        InputError: if shapes do not fit.

    Example:
        >>> from jaxvision.recurrent import attention_params
        >>> attention = attention_params(jax.random.key(0), cell_size=3, state_size=1, attention_size=5)
        >>> params = RecurrentParams(jnp.ones((2 + 3, 4)), jnp.ones((1, 4)), jnp.zeros(4))
        >>> state, grid = LSTMState(jnp.zeros((2, 1)), jnp.zeros((2, 1))), jnp.ones((2, 7, 3))
        >>> h, seen = attentive_lstm(attention, params, jnp.ones((2, 6, 2)), state, grid)
        >>> h.shape, seen.weights.shape
        ((2, 6, 1), (2, 6, 7))

    References:
        Xu et al., https://arxiv.org/abs/1502.03044, 2015, equations 1 to 5.
    """
    keys = attention_keys(attention, grid)
    rows = params.Wx.shape[0] - grid.shape[2]
    of_input = params._replace(Wx=params.Wx[: max(rows, 0)])
    check_sequence(x, None, of_input, state.h, n_gates=4)
    if grid.shape[0] != x.shape[0]:
        raise InputError(f"a grid is needed for each of the {x.shape[0]} sequences, got {grid.shape[0]}")
    projected = project(jnp.swapaxes(x, 0, 1), of_input.Wx, params.b)  # (T, N, 4H)
    # All products with the state are one: gates, query, gate of the context.
    of_state = jnp.concatenate([params.Wh, attention.W_state, attention.w_gate[:, None]], axis=1)
    weights = _Weights(of_state, params.Wx[rows:], attention.v, attention.b_gate)
    h, context, alphas = _states(projected, weights, state, grid, keys)
    return jnp.swapaxes(h, 0, 1), Attended(jnp.swapaxes(context, 0, 1), jnp.swapaxes(alphas, 0, 1))


class _Weights(NamedTuple):
    of_state: Array  # (H, 4H + A + 1)
    Wz: Array  # (D, 4H)
    v: Array  # (A,)
    b_gate: Array  # ()


class _Kept(NamedTuple):
    """Of every step, for the way back: leaves `(T, N, ...)`."""

    h: Array
    context: Array  # gated
    alphas: Array
    gates: Array
    query: Array
    opened: Array  # the context's gate
    c: Array  # before the step


@jax.custom_vjp
def _states(
    projected: Array, weights: _Weights, state: LSTMState, grid: Array, keys: Array
) -> tuple[Array, Array, Array]:
    """States `(T, N, H)`, contexts `(T, N, D)` and weights `(T, N, L)`."""
    return _states_forward(projected, weights, state, grid, keys)[0]


def _states_forward(
    projected: Array, weights: _Weights, state: LSTMState, grid: Array, keys: Array
) -> tuple[tuple[Array, Array, Array], tuple[Any, ...]]:
    n, n_cells, size = keys.shape

    def step(state: LSTMState, projected: Array) -> tuple[LSTMState, _Kept]:
        a, query, opened = _apart(state.h @ weights.of_state, size)
        u = once(jnp.tanh(keys + query[:, None]))  # (N, L, A)
        alphas = once(jax.nn.softmax((u.reshape(n * n_cells, size) @ weights.v).reshape(n, n_cells), axis=1))
        opened = jax.nn.sigmoid(opened + weights.b_gate[None, None])  # (N, 1)
        context = once(opened * jnp.einsum("nl,nld->nd", alphas, grid))
        gates = once(gates_of(projected + a + context @ weights.Wz))
        c = once(memory(gates, state.c))
        h = split(gates)[2] * jnp.tanh(c)
        return LSTMState(h, c), _Kept(h, context, alphas, gates, query, opened, state.c)

    _, kept = jax.lax.scan(step, state, projected)
    return (kept.h, kept.context, kept.alphas), (kept, weights, state.h, grid, keys)


def _states_backward(
    residuals: tuple[Any, ...], derivatives: tuple[Array, Array, Array]
) -> tuple[Array, _Weights, LSTMState, Array, Array]:
    """Back-propagation through time: the steps give only what the chain needs, products for the weights come after."""
    kept, weights, h0, grid, keys = residuals
    WzT, of_stateT = weights.Wz.T, weights.of_state.T

    def step(after: tuple[LSTMState, Array, Array], inputs: tuple[Any, ...]) -> tuple[Any, tuple[Array, ...]]:
        (dh, dc), dkeys, dv = after
        (dh_above, dcontext, dalphas), of_step = inputs
        da, dc = cell_gradient(of_step.gates, of_step.c, once(dh + dh_above), dc)
        dcontext = once(dcontext + once(da) @ WzT)  # (N, D)
        products = once(jnp.einsum("nd,nld->nl", dcontext, grid))
        dopened = jnp.sum(of_step.alphas * products, axis=1, keepdims=True) * of_step.opened * (1 - of_step.opened)
        dalphas = dalphas + of_step.opened * products
        de = once(of_step.alphas * (dalphas - jnp.sum(of_step.alphas * dalphas, axis=1, keepdims=True)))  # (N, L)
        u = once(jnp.tanh(keys + of_step.query[:, None]))  # (N, L, A)
        u2 = once(u * u)
        dquery = -weights.v[None] * jnp.einsum("nl,nla->na", de, u2)
        dkeys = dkeys + de[:, :, None] * (1 - u2)
        dv = dv + jnp.einsum("nl,nla->na", de, u)
        ds = once(jnp.concatenate([da, dquery, dopened], axis=1))  # (N, 4H + A + 1)
        return (LSTMState(ds @ of_stateT, dc), dkeys, dv), (ds, of_step.opened * dcontext)

    zero = jnp.zeros_like(h0)
    begin = LSTMState(zero, zero), jnp.zeros_like(keys), jnp.zeros_like(keys[:, 0])
    (first, dkeys, dv), (ds, dmean) = jax.lax.scan(step, begin, (derivatives, kept), reverse=True)
    before = jnp.concatenate([h0[None], kept.h[:-1]])  # (T, N, H)
    da = ds[:, :, : weights.Wz.shape[1]]
    dweights = _Weights(outer_sum(before, ds), outer_sum(kept.context, da), jnp.sum(dv, axis=0), jnp.sum(ds[:, :, -1]))
    dgrid = jnp.einsum("tnl,tnd->nld", kept.alphas, dmean)  # left out by the compiler where features are given
    return da, dweights, first, dgrid, dkeys * weights.v[None, None]


_states.defvjp(_states_forward, _states_backward)


def _apart(s: Array, size: int) -> tuple[Array, Array, Array]:
    """Gates `(N, 4H)`, query `(N, A)` and gate of the context `(N, 1)`."""
    return s[:, : -size - 1], s[:, -size - 1 : -1], s[:, -1:]

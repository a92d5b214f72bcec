"""The vanilla recurrent network."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvision.recurrent.parameters import RecurrentParams
from jaxvision.recurrent.sequence import Inputs, check_sequence, keep, outer_sum, over_sequence, project


def rnn_step(params: RecurrentParams, h: Float[Array, "n h"], x: Float[Array, "n d"]) -> Float[Array, "n h"]:
    r"""One step of a vanilla RNN.

    $$ h_t = \tanh(x_t W_x + h_{t-1} W_h + b) $$

    Args:
        params: `Wx (D, H)`, `Wh (H, H)`, `b (H,)`.
        h: `(N, H)`, the state before.
        x: `(N, D)`, the input.

    Returns:
        The next state, `(N, H)`.

    Example:
        >>> params = RecurrentParams(jnp.ones((2, 1)), jnp.ones((1, 1)), jnp.zeros(1))
        >>> rnn_step(params, jnp.zeros((1, 1)), jnp.full((1, 2), 0.25)) == jnp.tanh(0.5)
        Array([[ True]], dtype=bool)

    References:
        Elman, "Finding structure in time", Cognitive Science 14, 1990; there with the logistic function.
    """
    return jnp.tanh(x @ params.Wx + h @ params.Wh + params.b[None])


def rnn(
    params: RecurrentParams,
    x: Inputs,
    state: Float[Array, "n h"] | None = None,
    *,
    mask: Bool[Array, "n t"] | None = None,
    segment: int | None = None,
    truncate: bool = False,
) -> tuple[Float[Array, "n t h"], Float[Array, "n h"]]:
    r"""A vanilla RNN over whole sequences.

    $$ h_t = \tanh(x_t W_x + h_{t-1} W_h + b), \qquad t = 1, \dots, T $$

    The backward pass is written by hand, see `numpy_reference.rnn` for its derivation. Reverse mode can be nested (a
    gradient of a gradient, `jax.jacrev`); forward mode (`jax.jvp`, `jax.jacfwd`, `jax.hessian`) is refused by JAX.

    Args:
        params: `Wx (D, H)`, `Wh (H, H)`, `b (H,)`.
        x: `(N, T, D)`, or `(N, T)` indices in `[0, D)` for one-hot vectors: their products are rows of Wx.
        state: `(N, H)` to begin with; zero if not given.
        mask: `(N, T)`, True where there is input. Elsewhere the state is kept, so that a padded sequence ends with
            the state that it would have alone.
        segment: for long sequences, keep the state only every so many steps, and compute the others once more for the
            gradient: less memory, one more forward pass.
        truncate: let no gradient pass from a segment to the one before (truncated back-propagation through time).

    Returns:
        All states `(N, T, H)` and the last one `(N, H)`.

    Raises:
        InputError: if shapes or options do not fit.

    Example:
        >>> params = RecurrentParams(jnp.ones((2, 3)), jnp.ones((3, 3)), jnp.zeros(3))
        >>> h, last = rnn(params, jnp.ones((4, 5, 2)))
        >>> h.shape, last.shape
        ((4, 5, 3), (4, 3))

    References:
        Elman, "Finding structure in time", Cognitive Science 14, 1990. Werbos, "Backpropagation through time: what it
        does and how to do it", Proceedings of the IEEE 78, 1990. Chen et al., "Training deep nets with sublinear
        memory cost", https://arxiv.org/abs/1604.06174, 2016: segments.
    """
    check_sequence(x, mask, params, state, n_gates=1)
    if state is None:
        state = jnp.zeros((x.shape[0], params.Wh.shape[0]), params.Wh.dtype)
    return over_sequence(_run, params, x, state, mask=mask, segment=segment, truncate=truncate)


def _run(params: RecurrentParams, x: Array, h: Array, mask: Array | None) -> tuple[Array, Array]:
    states = _states(project(x, params.Wx, params.b), params.Wh, h, mask)
    return states, states[-1]


@jax.custom_vjp
def _states(projected: Array, Wh: Array, h: Array, mask: Array | None) -> Array:
    """States `(T, N, H)` from the input's share `(T, N, H)`."""

    def step(h: Array, inputs: tuple[Array, Array | None]) -> tuple[Array, Array]:
        projected, mask = inputs
        h = keep(mask, jnp.tanh(projected + h @ Wh), h)
        return h, h

    return jax.lax.scan(step, h, (projected, mask))[1]


def _states_forward(projected: Array, Wh: Array, h: Array, mask: Array | None) -> tuple[Array, tuple[Any, ...]]:
    states = _states(projected, Wh, h, mask)
    return states, (states, Wh, h, mask)


def _states_backward(residuals: tuple[Any, ...], dstates: Array) -> tuple[Array, Array, Array, None]:
    """Back-propagation through time: the steps give only da, and then one product gives dWh."""
    states, Wh, h0, mask = residuals

    def step(dh: Array, inputs: tuple[Array, Array, Array | None]) -> tuple[Array, Array]:
        dh_above, h, mask = inputs
        dh = dh + dh_above  # (N, H)
        da = keep(mask, dh * (1 - h**2), jnp.zeros_like(dh))
        return keep(mask, da @ Wh.T, dh), da

    dh0, da = jax.lax.scan(step, jnp.zeros_like(h0), (dstates, states, mask), reverse=True)  # (T, N, H)
    before = jnp.concatenate([h0[None], states[:-1]])  # (T, N, H)
    return da, outer_sum(before, da), dh0, None


_states.defvjp(_states_forward, _states_backward)

"""The gated recurrent unit."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvision.recurrent.parameters import GRUParams
from jaxvision.recurrent.sequence import Inputs, check_sequence, keep, over_sequence, project


def gru_step(params: GRUParams, h: Float[Array, "n h"], x: Float[Array, "n d"]) -> Float[Array, "n h"]:
    r"""One step of a gated recurrent unit.

    $$ (x^r, x^z, x^n) = x_t W_x + b, \qquad (s^r, s^z, s^n) = h_{t-1} W_h $$
    $$ r = \sigma(x^r + s^r), \quad z = \sigma(x^z + s^z), \quad n = \tanh(x^n + r \odot (s^n + b_h)) $$
    $$ h_t = (1 - z) \odot n + z \odot h_{t-1} $$

    Args:
        params: `Wx (D, 3H)`, `Wh (H, 3H)`, `b (3H,)`, the gates in the order r, z, n, and `bh (H,)`.
        h: `(N, H)`, the state before.
        x: `(N, D)`, the input.

    Returns:
        The next state, `(N, H)`.

    Example:
        >>> params = GRUParams(jnp.zeros((2, 3)), jnp.zeros((1, 3)), jnp.zeros(3), jnp.zeros(1))
        >>> gru_step(params, jnp.ones((1, 1)), jnp.ones((1, 2)))  # halfway from the state to the candidate, which is 0
        Array([[0.5]], dtype=float32)

    References:
        Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
        https://arxiv.org/abs/1406.1078, 2014, equations 5 to 8. Departures, as PyTorch and Flax have them: the reset
        gate acts after the product with the state (cuDNN's form, one product for all gates), and biases.
    """
    return _next(params, x @ params.Wx + params.b[None], None, h)


def gru(
    params: GRUParams,
    x: Inputs,
    state: Float[Array, "n h"] | None = None,
    *,
    mask: Bool[Array, "n t"] | None = None,
    segment: int | None = None,
    truncate: bool = False,
) -> tuple[Float[Array, "n t h"], Float[Array, "n h"]]:
    r"""A gated recurrent unit over whole sequences.

    $$ h_t = \mathrm{GRU}(x_t, h_{t-1}), \qquad t = 1, \dots, T $$

    Args:
        params: `Wx (D, 3H)`, `Wh (H, 3H)`, `b (3H,)`, the gates in the order r, z, n, and `bh (H,)`.
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
        >>> params = GRUParams(jnp.ones((2, 9)), jnp.ones((3, 9)), jnp.zeros(9), jnp.zeros(3))
        >>> h, last = gru(params, jnp.ones((4, 5, 2)))
        >>> h.shape, last.shape
        ((4, 5, 3), (4, 3))

    References:
        Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
        https://arxiv.org/abs/1406.1078, 2014; see `gru_step` for the form.
    """
    check_sequence(x, mask, params, state, n_gates=3)
    if state is None:
        state = jnp.zeros((x.shape[0], params.Wh.shape[0]), params.Wh.dtype)
    return over_sequence(_run, params, x, state, mask=mask, segment=segment, truncate=truncate)


def _run(params: GRUParams, x: Array, h: Array, mask: Array | None) -> tuple[Array, Array]:
    def step(h: Array, inputs: tuple[Array, Array | None]) -> tuple[Array, Array]:
        projected, mask = inputs
        h = _next(params, projected, mask, h)
        return h, h

    h, states = jax.lax.scan(step, h, (project(x, params.Wx, params.b), mask))
    return states, h


def _next(params: GRUParams, projected: Array, mask: Array | None, h: Array) -> Array:
    x_r, x_z, x_n = jnp.split(projected, 3, axis=1)  # (N, H) each
    s_r, s_z, s_n = jnp.split(h @ params.Wh, 3, axis=1)
    r, z = jax.nn.sigmoid(x_r + s_r), jax.nn.sigmoid(x_z + s_z)
    n = jnp.tanh(x_n + r * (s_n + params.bh[None]))
    return keep(mask, (1 - z) * n + z * h, h)

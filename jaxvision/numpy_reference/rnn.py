r"""The vanilla recurrent network: forward, and back-propagation through time by hand.

One step maps the input $x_t$ and the state $h_{t-1}$ to the next state:

$$ a_t = x_t W_x + h_{t-1} W_h + b, \qquad h_t = \tanh(a_t) $$

**One step backward.** Let $\bar v$ be the derivative of the loss by $v$. From $\tanh' = 1 - \tanh^2$,

$$ \bar a_t = \bar h_t \odot (1 - h_t^2) $$

and, $a_t$ being linear in everything it is made of,

$$ \bar x_t = \bar a_t W_x^\top, \quad \bar h_{t-1} = \bar a_t W_h^\top, \quad
   \bar W_x = x_t^\top \bar a_t, \quad \bar W_h = h_{t-1}^\top \bar a_t, \quad
   \bar b = \textstyle\sum_n \bar a_{t,n} $$

**Through time.** The state $h_t$ reaches the loss by two roads: as an output, with the derivative that the layers
above hand down, and through $h_{t+1}$. Both add up, so the steps are undone from the last to the first,

$$ \bar h_t = \bar h_t^{\,\text{above}} + \bar a_{t+1} W_h^\top, \qquad \bar a_{T+1} = 0 $$

The parameters are shared by all steps: their derivatives are the sums of the steps' own.
"""

import numpy as np
from jaxtyping import Float


def rnn_step_forward(
    x: Float[np.ndarray, "n d"],
    prev_h: Float[np.ndarray, "n h"],
    Wx: Float[np.ndarray, "d h"],
    Wh: Float[np.ndarray, "h h"],
    b: Float[np.ndarray, " h"],
) -> tuple[Float[np.ndarray, "n h"], tuple[np.ndarray, ...]]:
    r"""One step of a vanilla RNN.

    $$ h_t = \tanh(x_t W_x + h_{t-1} W_h + b) $$

    Args:
        x: `(N, D)`, the input.
        prev_h: `(N, H)`, the state before.
        Wx: `(D, H)`.
        Wh: `(H, H)`.
        b: `(H,)`.

    Returns:
        The next state `(N, H)`, and what `rnn_step_backward` needs.

    Example:
        >>> params = np.ones((2, 1)), np.ones((1, 1)), np.zeros(1)
        >>> next_h, _ = rnn_step_forward(np.ones((1, 2)), np.zeros((1, 1)), *params)
        >>> float(next_h.item() - np.tanh(2))
        0.0
    """
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)  # (N, H)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(
    dnext_h: Float[np.ndarray, "n h"], cache: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""The derivatives of one step, see the derivation above.

    Args:
        dnext_h: `(N, H)`, of the loss by the next state.
        cache: of `rnn_step_forward`.

    Returns:
        Of the loss by x `(N, D)`, prev_h `(N, H)`, Wx `(D, H)`, Wh `(H, H)` and b `(H,)`.

    Example:
        >>> one, zero = np.ones((1, 1)), np.zeros((1, 1))
        >>> _, cache = rnn_step_forward(zero, zero, one, one, np.zeros(1))
        >>> dx, dprev_h, *_ = rnn_step_backward(3 * one, cache)  # tanh'(0) = 1
        >>> dx.item(), dprev_h.item()
        (3.0, 3.0)
    """
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)  # (N, H)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def rnn_forward(
    x: Float[np.ndarray, "n t d"],
    h0: Float[np.ndarray, "n h"],
    Wx: Float[np.ndarray, "d h"],
    Wh: Float[np.ndarray, "h h"],
    b: Float[np.ndarray, " h"],
) -> tuple[Float[np.ndarray, "n t h"], list[tuple[np.ndarray, ...]]]:
    r"""A vanilla RNN over whole sequences.

    $$ h_t = \tanh(x_t W_x + h_{t-1} W_h + b), \qquad t = 1, \dots, T $$

    Args:
        x: `(N, T, D)`, the inputs.
        h0: `(N, H)`, the state to begin with.
        Wx: `(D, H)`.
        Wh: `(H, H)`.
        b: `(H,)`.

    Returns:
        The states `(N, T, H)`, and what `rnn_backward` needs.

    Example:
        >>> h, _ = rnn_forward(np.ones((2, 3, 4)), np.zeros((2, 5)), np.ones((4, 5)), np.ones((5, 5)), np.zeros(5))
        >>> h.shape
        (2, 3, 5)
    """
    h, caches, states = h0, [], []
    for t in range(x.shape[1]):
        h, cache = rnn_step_forward(x[:, t], h, Wx, Wh, b)  # (N, H)
        states.append(h)
        caches.append(cache)
    return np.stack(states, axis=1), caches  # (N, T, H)


def rnn_backward(
    dh: Float[np.ndarray, "n t h"], cache: list[tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Back-propagation through time, see the derivation above.

    Args:
        dh: `(N, T, H)`, of the loss by every state, as the layers above hand it down.
        cache: of `rnn_forward`.

    Returns:
        Of the loss by x `(N, T, D)`, h0 `(N, H)`, Wx `(D, H)`, Wh `(H, H)` and b `(H,)`.

    Example:
        >>> _, cache = rnn_forward(np.ones((2, 3, 4)), np.zeros((2, 5)), np.ones((4, 5)), np.ones((5, 5)), np.zeros(5))
        >>> [d.shape for d in rnn_backward(np.ones((2, 3, 5)), cache)]
        [(2, 3, 4), (2, 5), (4, 5), (5, 5), (5,)]
    """
    dprev_h = np.zeros_like(dh[:, 0])  # (N, H), nothing comes after the last step
    dx, steps = [], []
    for t in reversed(range(dh.shape[1])):
        dx_t, dprev_h, *dparams = rnn_step_backward(dh[:, t] + dprev_h, cache[t])
        dx.append(dx_t)
        steps.append(dparams)
    dWx, dWh, db = (np.sum(parts, axis=0) for parts in zip(*steps, strict=True))
    return np.stack(dx[::-1], axis=1), dprev_h, dWx, dWh, db

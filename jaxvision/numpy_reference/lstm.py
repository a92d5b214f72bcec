r"""The long short-term memory: forward, and back-propagation through time by hand.

One step maps the input $x_t$, the state $h_{t-1}$ and the memory $c_{t-1}$ to the next state and memory. One product
gives the four gates' pre-activations side by side, in the order input, forget, output, candidate:

$$ a_t = x_t W_x + h_{t-1} W_h + b = (a^i_t, a^f_t, a^o_t, a^g_t) $$
$$ i_t = \sigma(a^i_t), \quad f_t = \sigma(a^f_t), \quad o_t = \sigma(a^o_t), \quad g_t = \tanh(a^g_t) $$
$$ c_t = f_t \odot c_{t-1} + i_t \odot g_t, \qquad h_t = o_t \odot \tanh(c_t) $$

**One step backward.** Let $\bar v$ be the derivative of the loss by $v$; given are $\bar h_t$ and $\bar c_t$, the
latter from whatever reads the memory $c_t$ later. The state $h_t$ is a product, so each factor gets the derivative
times the other factor:

$$ \bar o_t = \bar h_t \odot \tanh(c_t) $$

The memory $c_t$ is read by $h_t$ as well as later, and the two add up ($\tanh' = 1 - \tanh^2$):

$$ \bar c_t \leftarrow \bar c_t + \bar h_t \odot o_t \odot (1 - \tanh^2 c_t) $$

Now $\bar c_t$ is complete, and it goes to the four things that $c_t$ is made of:

$$ \bar f_t = \bar c_t \odot c_{t-1}, \quad \bar c_{t-1} = \bar c_t \odot f_t, \quad
   \bar i_t = \bar c_t \odot g_t, \quad \bar g_t = \bar c_t \odot i_t $$

Through the nonlinearities ($\sigma' = \sigma (1 - \sigma)$), gate by gate and again side by side:

$$ \bar a^i_t = \bar i_t \odot i_t (1 - i_t), \quad \bar a^f_t = \bar f_t \odot f_t (1 - f_t), \quad
   \bar a^o_t = \bar o_t \odot o_t (1 - o_t), \quad \bar a^g_t = \bar g_t \odot (1 - g_t^2) $$

From here it is an affine map as any other:

$$ \bar x_t = \bar a_t W_x^\top, \quad \bar h_{t-1} = \bar a_t W_h^\top, \quad
   \bar W_x = x_t^\top \bar a_t, \quad \bar W_h = h_{t-1}^\top \bar a_t, \quad
   \bar b = \textstyle\sum_n \bar a_{t,n} $$

**Through time.** The steps are undone from the last to the first. Two derivatives travel back: $\bar h_{t-1}$, to which
the layers above add what they hand down for $h_{t-1}$ as an output, and $\bar c_{t-1}$, which nobody but the next step
gives, the memory not being an output:

$$ \bar h_t = \bar h_t^{\,\text{above}} + \bar a_{t+1} W_h^\top, \qquad
   \bar c_t = \bar c_{t+1} \odot f_{t+1} + \bar h_t \odot o_t \odot (1 - \tanh^2 c_t) $$

with $\bar a_{T+1} = 0$ and $\bar c_{T+1} = 0$. The second line is the point of the design: along the memory a
derivative is multiplied by the forget gates alone, not by $W_h^\top$ and a $\tanh'$ at each step as in the vanilla
network, so that where the gates stay open it neither vanishes nor explodes. The parameters are shared by all steps:
their derivatives are the sums of the steps' own.
"""

import numpy as np
from jaxtyping import Float


def lstm_step_forward(
    x: Float[np.ndarray, "n d"],
    prev_h: Float[np.ndarray, "n h"],
    prev_c: Float[np.ndarray, "n h"],
    Wx: Float[np.ndarray, "d 4*h"],
    Wh: Float[np.ndarray, "h 4*h"],
    b: Float[np.ndarray, " 4*h"],
) -> tuple[Float[np.ndarray, "n h"], Float[np.ndarray, "n h"], tuple[np.ndarray, ...]]:
    r"""One step of an LSTM, the gates side by side in the order i, f, o, g.

    $$ c_t = f_t \odot c_{t-1} + i_t \odot g_t, \qquad h_t = o_t \odot \tanh(c_t) $$

    Args:
        x: `(N, D)`, the input.
        prev_h: `(N, H)`, the state before.
        prev_c: `(N, H)`, the memory before.
        Wx: `(D, 4H)`.
        Wh: `(H, 4H)`.
        b: `(4H,)`.

    Returns:
        The next state `(N, H)`, the next memory `(N, H)`, and what `lstm_step_backward` needs.

    Example:
        >>> one = np.ones((1, 1))
        >>> next_h, next_c, _ = lstm_step_forward(one, one, 2 * one, np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(4))
        >>> next_c.item()  # all gates half open, and the candidate 0
        1.0
    """
    a = x @ Wx + prev_h @ Wh + b  # (N, 4H)
    ai, af, ao, ag = np.split(a, 4, axis=1)  # (N, H) each
    i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
    next_c = f * prev_c + i * g  # (N, H)
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)


def lstm_step_backward(
    dnext_h: Float[np.ndarray, "n h"], dnext_c: Float[np.ndarray, "n h"], cache: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""The derivatives of one step, see the derivation above.

    Args:
        dnext_h: `(N, H)`, of the loss by the next state.
        dnext_c: `(N, H)`, of the loss by the next memory, apart from what goes through the next state.
        cache: of `lstm_step_forward`.

    Returns:
        Of the loss by x `(N, D)`, prev_h `(N, H)`, prev_c `(N, H)`, Wx `(D, 4H)`, Wh `(H, 4H)` and b `(4H,)`.

    Example:
        >>> one = np.ones((1, 1))
        >>> *_, cache = lstm_step_forward(one, one, 2 * one, np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(4))
        >>> dprev_c = lstm_step_backward(0 * one, one, cache)[2]
        >>> dprev_c.item()  # the forget gate
        0.5
    """
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    do = dnext_h * tanh_c  # (N, H)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)  # (N, H)
    df, di, dg = dc * prev_c, dc * g, dc * i  # (N, H) each
    da = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)], axis=1)  # (N, 4H)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(
    x: Float[np.ndarray, "n t d"],
    h0: Float[np.ndarray, "n h"],
    Wx: Float[np.ndarray, "d 4*h"],
    Wh: Float[np.ndarray, "h 4*h"],
    b: Float[np.ndarray, " 4*h"],
) -> tuple[Float[np.ndarray, "n t h"], list[tuple[np.ndarray, ...]]]:
    r"""An LSTM over whole sequences; the memory begins at zero.

    $$ (h_t, c_t) = \mathrm{LSTM}(x_t, h_{t-1}, c_{t-1}), \qquad c_0 = 0, \qquad t = 1, \dots, T $$

    Args:
        x: `(N, T, D)`, the inputs.
        h0: `(N, H)`, the state to begin with.
        Wx: `(D, 4H)`, the gates in the order i, f, o, g.
        Wh: `(H, 4H)`.
        b: `(4H,)`.

    Returns:
        The states `(N, T, H)`, and what `lstm_backward` needs.

    Example:
        >>> h, _ = lstm_forward(np.ones((2, 3, 4)), np.zeros((2, 5)), np.ones((4, 20)), np.ones((5, 20)), np.zeros(20))
        >>> h.shape
        (2, 3, 5)
    """
    h, c, caches, states = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        h, c, cache = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)  # (N, H) each
        states.append(h)
        caches.append(cache)
    return np.stack(states, axis=1), caches  # (N, T, H)


def lstm_backward(
    dh: Float[np.ndarray, "n t h"], cache: list[tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    r"""Back-propagation through time, see the derivation above.

    Args:
        dh: `(N, T, H)`, of the loss by every state, as the layers above hand it down.
        cache: of `lstm_forward`.

    Returns:
        Of the loss by x `(N, T, D)`, h0 `(N, H)`, Wx `(D, 4H)`, Wh `(H, 4H)` and b `(4H,)`.

    Example:
        >>> params = np.ones((4, 20)), np.ones((5, 20)), np.zeros(20)
        >>> _, cache = lstm_forward(np.ones((2, 3, 4)), np.zeros((2, 5)), *params)
        >>> [d.shape for d in lstm_backward(np.ones((2, 3, 5)), cache)]
        [(2, 3, 4), (2, 5), (4, 20), (5, 20), (20,)]
    """
    dprev_h = np.zeros_like(dh[:, 0])  # (N, H), nothing comes after the last step
    dprev_c = np.zeros_like(dprev_h)
    dx, steps = [], []
    for t in reversed(range(dh.shape[1])):
        dx_t, dprev_h, dprev_c, *dparams = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dx.append(dx_t)
        steps.append(dparams)
    dWx, dWh, db = (np.sum(parts, axis=0) for parts in zip(*steps, strict=True))
    return np.stack(dx[::-1], axis=1), dprev_h, dWx, dWh, db


def sigmoid(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    r"""The logistic function, for any size of x without overflow.

    $$ \sigma(x) = \frac{1}{1 + e^{-x}} = \tfrac12 \tanh(\tfrac{x}{2}) + \tfrac12 $$

    Args:
        x: any shape.

    Returns:
        In [0, 1], of the same shape.

    Example:
        >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
        array([0. , 0.5, 1. ])
    """
    return 0.5 * np.tanh(0.5 * x) + 0.5

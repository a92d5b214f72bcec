r"""An affine map at every time step: forward, and backward by hand.

$$ y_{nt} = x_{nt} w + b $$

The same map stands at every step, so a step is no different from another example: with the two axes laid out as one,
of length $NT$, it is $Y = X w + b$.

**Backward.** By the product rule, entry by entry $Y_{km} = \sum_d X_{kd} w_{dm} + b_m$,

$$ \bar X = \bar Y w^\top, \qquad \bar w = X^\top \bar Y, \qquad \bar b = \textstyle\sum_k \bar Y_k $$
"""

import numpy as np
from jaxtyping import Float


def temporal_affine_forward(
    x: Float[np.ndarray, "n t d"], w: Float[np.ndarray, "d m"], b: Float[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, "n t m"], tuple[np.ndarray, np.ndarray]]:
    r"""The same affine map at every time step.

    $$ y_{nt} = x_{nt} w + b $$

    Args:
        x: `(N, T, D)`.
        w: `(D, M)`.
        b: `(M,)`.

    Returns:
        `(N, T, M)`, and what `temporal_affine_backward` needs.

    Example:
        >>> out, _ = temporal_affine_forward(np.ones((1, 2, 3)), np.ones((3, 1)), np.array([0.5]))
        >>> out.ravel()
        array([3.5, 3.5])
    """
    n, t, d = x.shape
    out = x.reshape(n * t, d) @ w + b  # (N*T, M)
    return out.reshape(n, t, -1), (x, w)


def temporal_affine_backward(
    dout: Float[np.ndarray, "n t m"], cache: tuple[np.ndarray, np.ndarray]
) -> tuple[Float[np.ndarray, "n t d"], Float[np.ndarray, "d m"], Float[np.ndarray, " m"]]:
    r"""The derivatives, see the derivation above.

    Args:
        dout: `(N, T, M)`, of the loss by the outputs.
        cache: of `temporal_affine_forward`.

    Returns:
        Of the loss by x `(N, T, D)`, w `(D, M)` and b `(M,)`.

    Example:
        >>> _, cache = temporal_affine_forward(np.ones((1, 2, 3)), np.ones((3, 1)), np.array([0.5]))
        >>> dx, dw, db = temporal_affine_backward(np.ones((1, 2, 1)), cache)
        >>> dx.shape, dw.ravel(), db
        ((1, 2, 3), array([2., 2., 2.]), array([2.]))
    """
    x, w = cache
    dy = dout.reshape(-1, dout.shape[2])  # (N*T, M)
    dx = (dy @ w.T).reshape(x.shape)  # (N, T, D)
    dw = x.reshape(-1, x.shape[2]).T @ dy  # (D, M)
    return dx, dw, dy.sum(axis=0)

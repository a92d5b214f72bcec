r"""The masked softmax loss of a sequence: value, and derivative by hand.

Scores $x_{nt}$ over the vocabulary become probabilities, and the loss is the negative logarithm of the right word's,
over the places that the mask keeps; summed over time, averaged over the batch:

$$ p_{ntv} = \frac{e^{x_{ntv}}}{\sum_u e^{x_{ntu}}}, \qquad
   L = -\frac1N \sum_{n,t} m_{nt} \log p_{nt,y_{nt}} $$

**In finite arithmetic.** A constant added to the scores of a place changes nothing. With the largest score taken off,
no exponential overflows and the sum is at least 1, so its logarithm is finite:

$$ \log p_{ntv} = z_{ntv} - \log \textstyle\sum_u e^{z_{ntu}}, \qquad z_{ntv} = x_{ntv} - \max_u x_{ntu} $$

**Backward.** For one place, $-\log p_y = -x_y + \log \sum_u e^{x_u}$. The derivative of the first term by $x_v$ is
$-[v = y]$, that of the second is $e^{x_v} / \sum_u e^{x_u} = p_v$, hence

$$ \bar x_{ntv} = \frac{m_{nt}}{N} \left( p_{ntv} - [v = y_{nt}] \right) $$
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def temporal_softmax_loss(
    x: Float[np.ndarray, "n t v"], y: Int[np.ndarray, "n t"], mask: Bool[np.ndarray, "n t"]
) -> tuple[np.floating, Float[np.ndarray, "n t v"]]:
    r"""Cross-entropy over the places that count, summed over time and averaged over the batch.

    $$ L = -\frac1N \sum_{n,t} m_{nt} \log p_{nt,y_{nt}} $$

    Args:
        x: `(N, T, V)`, scores.
        y: `(N, T)`, the right words as indices in `[0, V)`.
        mask: `(N, T)`, True where a word counts.

    Returns:
        The loss, and its derivative by x, `(N, T, V)`.

    Example:
        >>> loss, dx = temporal_softmax_loss(np.zeros((1, 2, 4)), np.array([[3, 0]]), np.array([[True, False]]))
        >>> bool(np.isclose(loss, np.log(4)))
        True
        >>> dx[0, 0]
        array([ 0.25,  0.25,  0.25, -0.75])
    """
    n = x.shape[0]
    z = x - x.max(axis=2, keepdims=True)  # (N, T, V)
    log_p = z - np.log(np.exp(z).sum(axis=2, keepdims=True))  # (N, T, V)
    of_target = y[:, :, None]  # (N, T, 1)
    right = np.take_along_axis(log_p, of_target, axis=2)[:, :, 0]  # (N, T)
    loss = -np.sum(right, where=mask) / n
    dx = np.exp(log_p)  # (N, T, V)
    np.put_along_axis(dx, of_target, np.take_along_axis(dx, of_target, axis=2) - 1, axis=2)
    return loss, dx * mask[:, :, None] / n

r"""Word embedding: forward, and backward by hand.

Word number $x_{nt}$ picks a row of the table $W$:

$$ y_{nt} = W_{x_{nt}} $$

**Backward.** A row of $W$ is read wherever its word stands, so its derivative is the sum over those places. With the
one-hot matrix $E_{nt,v} = [x_{nt} = v]$ the layer is $y = E W$, and $\bar W = E^\top \bar y$: the derivatives of the
places are *added into* the rows. (`W[x] += dy` would keep only the last of a word that stands twice.) The words
themselves, being integers, have no derivative.
"""

import numpy as np
from jaxtyping import Float, Int


def word_embedding_forward(
    x: Int[np.ndarray, "n t"], W: Float[np.ndarray, "v d"]
) -> tuple[Float[np.ndarray, "n t d"], tuple[np.ndarray, np.ndarray]]:
    r"""The rows of a table.

    $$ y_{nt} = W_{x_{nt}} $$

    Args:
        x: `(N, T)`, words as indices in `[0, V)`.
        W: `(V, D)`, a vector for each word.

    Returns:
        The vectors `(N, T, D)`, and what `word_embedding_backward` needs.

    Example:
        >>> out, _ = word_embedding_forward(np.array([[1, 0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> out
        array([[[3., 4.],
                [1., 2.]]])
    """
    return W[x], (x, W)


def word_embedding_backward(
    dout: Float[np.ndarray, "n t d"], cache: tuple[np.ndarray, np.ndarray]
) -> Float[np.ndarray, "v d"]:
    r"""The derivative by the table, see the derivation above.

    Args:
        dout: `(N, T, D)`, of the loss by the vectors.
        cache: of `word_embedding_forward`.

    Returns:
        Of the loss by W, `(V, D)`.

    Example:
        >>> _, cache = word_embedding_forward(np.array([[1, 1]]), np.zeros((3, 2)))
        >>> word_embedding_backward(np.ones((1, 2, 2)), cache)
        array([[0., 0.],
               [2., 2.],
               [0., 0.]])
    """
    x, W = cache
    dW = np.zeros_like(W)  # (V, D)
    np.add.at(dW, x, dout)
    return dW

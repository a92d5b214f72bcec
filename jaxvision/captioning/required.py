"""Beam search for captions that hold given words: a bank of hypotheses for each set of them that has been said."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


def requiring_extensions(
    merit: Float[Array, "n s w v"], required: tuple[int, ...], end: int, n_kept: int
) -> tuple[Float[Array, "n s k"], Int[Array, "n s k"]]:
    r"""For each set of required words the best extensions of which just these words have been said.

    Bank $s \in [0, 2^C)$ holds hypotheses that have said required word c where bit c of s is set. It takes extensions
    of its own hypotheses by any word but a required one it lacks, and those of bank $s \setminus c$ by word c. END
    is for the last bank alone, where all have been said.

    Args:
        merit: `(N, 2^C, W, V)`.
        required: C words, no two the same.
        end: ends a caption.
        n_kept: K, at most W V.

    Returns:
        Merit and place among the extensions of a row, both `(N, 2^C, K)`.

    Example:
        >>> merit = jnp.log(jnp.array([[[[0.1, 0.5, 0.4]], [[0.2, 0.3, 0.5]]]]))
        >>> best, place = requiring_extensions(merit, (2,), end=0, n_kept=2)
        >>> jnp.exp(best).round(1)  # of bank 0 word 1, neither END nor word 2; of bank 1 "2" here and "2" from bank 0
        Array([[[0.5, 0. ],
                [0.5, 0.4]]], dtype=float32)

    References:
        Anderson et al., "Guided open vocabulary image captioning with constrained beam search",
        https://arxiv.org/abs/1612.00576, 2017, section 3.2; there a beam for each state of an automaton.
    """
    n, n_states, width, n_words = merit.shape
    states, bits = np.arange(n_states), 1 << np.arange(len(required))
    lacks = (states[:, None] & bits) == 0  # (S, C)
    shut = np.zeros((n_states, n_words), bool)
    shut[:, list(required)] = lacks
    shut[:-1, end] = True
    own = jnp.where(shut[:, None], -jnp.inf, merit).reshape(n, n_states, -1)  # (N, S, W V)

    before = states[:, None] & ~bits  # (S, C), the bank that a new word comes from
    columns = np.asarray(required)
    new = merit[..., columns].transpose(0, 1, 3, 2)[:, before, np.arange(len(required))]  # (N, S, C, W)
    new = jnp.where(lacks[..., None], -jnp.inf, new).reshape(n, n_states, -1)
    at = (before[..., None] * width + np.arange(width)) * n_words + columns[:, None]  # (S, C, W)

    both = jnp.concatenate([own, new], axis=2).reshape(n * n_states, -1)
    best, local = jax.lax.top_k(both, n_kept)
    n_own, local = width * n_words, local.reshape(n, n_states, n_kept)
    of_own = local + jnp.asarray(states * n_own, local.dtype)[None, :, None]
    of_new = jnp.asarray(at.reshape(n_states, -1), local.dtype)[states[:, None], jnp.maximum(local - n_own, 0)]
    place = jnp.where(local < n_own, of_own, of_new)
    return best.reshape(place.shape), place

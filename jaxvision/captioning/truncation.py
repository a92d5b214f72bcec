"""Which words may be drawn: a distribution over words cut down to a part of it."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float


def most_probable(
    log_p: Float[Array, "n v"], temperature: Float[Array, ""], top_k: int, top_p: ArrayLike | None
) -> Bool[Array, "n v"]:
    """Of the `top_k` most probable words the fewest that hold `top_p` of their probability.

    Args:
        log_p: `(N, V)`, minus infinity where a word is forbidden.
        temperature: by which log_p is divided.
        top_k: in [1, V]; of equally probable words the first ones.
        top_p: in (0, 1], or none for all.

    Returns:
        `(N, V)`.

    Example:
        >>> most_probable(jnp.log(jnp.array([[0.25, 0.5, 0.15, 0.1]])), jnp.array(1.0), 3, 0.6)
        Array([[ True,  True, False, False]], dtype=bool)
    """
    n, n_words = log_p.shape
    if top_k == n_words and top_p is None:
        return jnp.ones((n, n_words), bool)
    best, places = jax.lax.top_k(log_p, top_k)  # (N, k), most probable first
    kept = jnp.ones((n, top_k), bool)
    if top_p is not None:
        share = jnp.asarray(top_p, log_p.dtype)
        p = jnp.exp(heated(best, temperature))
        kept = (jnp.cumsum(p, axis=1) - p < share) | (share >= 1)  # what stands before a word does not suffice
    return jnp.zeros((n, n_words), bool).at[jnp.arange(n)[:, None], places].set(kept)


def most_typical(
    log_p: Float[Array, "n v"], temperature: Float[Array, ""], typical_p: ArrayLike | None
) -> Bool[Array, "n v"]:
    r"""The words that surprise about as much as a word does on average, the fewest that hold `typical_p`.

    $$ \epsilon_v = \left| -\log q_v - H \right|, \qquad H = -\sum_v q_v \log q_v, \qquad q_v \propto p_v^{1/\tau} $$

    Words are kept from the smallest $\epsilon$ on; those that tie with the last one stay, too.

    Args:
        log_p: `(N, V)`, minus infinity where a word is forbidden.
        temperature: $\tau$.
        typical_p: in (0, 1], the share of the probability to keep, or none for all.

    Returns:
        `(N, V)`.

    Example:
        >>> most_typical(jnp.log(jnp.array([[0.1, 0.5, 0.2, 0.2]])), jnp.array(1.0), 0.3)
        Array([[False, False,  True,  True]], dtype=bool)
    """
    if typical_p is None:
        return jnp.ones(log_p.shape, bool)
    share = jnp.asarray(typical_p, log_p.dtype)
    log_q = heated(log_p, temperature)
    q = jnp.exp(log_q)
    entropy = jnp.sum(jnp.where(q > 0, -q * log_q, 0), axis=1, keepdims=True)
    gap = jnp.where(q > 0, jnp.abs(-log_q - entropy), jnp.inf)
    ordered, mass = jax.lax.sort((gap, q), num_keys=1)  # (N, V), most typical first
    n_before = jnp.sum(jnp.cumsum(mass, axis=1) < share, axis=1, keepdims=True)
    last = jnp.take_along_axis(ordered, jnp.minimum(n_before, log_p.shape[1] - 1), axis=1)
    return (gap <= last) | (share >= 1)


def heated(log_p: Float[Array, "n v"], temperature: Float[Array, ""]) -> Float[Array, "n v"]:
    r"""The logarithm of $q_v \propto p_v^{1/\tau}$; at $\tau = 0$ the most probable word holds everything.

    Example:
        >>> [round(float(x), 3) for x in jnp.exp(heated(jnp.log(jnp.array([[1.0, 3.0]])), jnp.array(0.5)))[0]]
        [0.1, 0.9]
    """
    best = jnp.max(log_p, axis=1, keepdims=True)
    return jax.nn.log_softmax((log_p - best) / jnp.maximum(temperature, jnp.finfo(log_p.dtype).tiny), axis=1)

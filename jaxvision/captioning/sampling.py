"""Captions drawn at random from the model's distribution, or from its more probable part."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Key

from jaxvision.captioning.decoding import NEVER_CHOSEN, Decoded, one_by_one
from jaxvision.captioning.steps import Words, check_step
from jaxvision.captioning.vocabulary import END, NULL, START
from jaxvision.errors import InputError
from jaxvision.pixels import Keys, example_keys, pytree_function
from jaxvision.signatures import StepFn


def sample(
    step: StepFn,
    carry: Any,
    key: Keys,
    *,
    max_length: int,
    temperature: ArrayLike = 1.0,
    top_k: int | None = None,
    top_p: ArrayLike | None = None,
    start: int = START,
    end: int = END,
    null: int = NULL,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> Decoded:
    r"""Words drawn at random, one after the other, until END.

    $$ w_t \sim q_t, \qquad q_t(v) \propto p(v \mid w_1, \dots, w_{t-1})^{1/\tau} \, [v \in S_t] $$

    $S_t$ are the words that are not forbidden; of these the `top_k` most probable; and of these the smallest set, most
    probable first, that holds at least `top_p` of their probability $\propto p^{1/\tau}$. The log-probabilities that
    are returned are the model's own, $\log p$, not $\log q$.

    Args:
        step: as in `greedy`.
        carry: as in `greedy`.
        key: one key, from which caption i takes `fold_in(key, i)`, or `(N,)` keys. A caption depends on its own key
            and row alone.
        max_length: T, words at most, END among them.
        temperature: $\tau$; at 1 the model's distribution, at 0 its most probable words, as `greedy` chooses them.
        top_k: how many words to draw from; none: all.
        top_p: in (0, 1], the share of the probability to draw from (the nucleus); none: all.
        start: read before the first word.
        end: ends a caption.
        null: fills up after the end.
        forbidden: words never chosen.

    Returns:
        Tokens, log-probabilities, and whether END was said.

    Raises:
        InputError: if carry, step, words, length, temperature, top_k or top_p do not fit.

    Example:
        >>> table = jnp.log(jnp.array([[0.0, 0.0, 0.3, 0.0, 0.7]]))
        >>> step = lambda carry, tokens: (carry, jnp.broadcast_to(table, (400, 5)))
        >>> decoded = sample(step, jnp.zeros((400, 0)), jax.random.key(0), max_length=1)
        >>> round(float(jnp.mean(decoded.tokens == 4)), 1)
        0.7

    References:
        Fan, Lewis and Dauphin, "Hierarchical neural story generation", https://arxiv.org/abs/1805.04833, 2018: the
        top k. Holtzman et al., "The curious case of neural text degeneration", https://arxiv.org/abs/1904.09751,
        2020, equations 2 and 3: the nucleus.
    """
    step, words = pytree_function(step), Words(start, end, null, tuple(forbidden))
    n, n_words, _ = check_step(step, carry, words, max_length)
    if not isinstance(temperature, Tracer) and not np.asarray(temperature) >= 0:
        raise InputError(f"temperature must be 0 (the most probable words) or more, got {temperature}")
    top_k = n_words if top_k is None else top_k
    if not 1 <= top_k <= n_words:
        raise InputError(f"top_k must be a number of words from 1 to the step's {n_words}, got {top_k}")
    if top_p is not None and not isinstance(top_p, Tracer) and not 0 < np.asarray(top_p) <= 1:
        raise InputError(f"top_p must be a share of the probability in (0, 1], got {top_p}")
    keys = example_keys(key, n)
    return _sample(step, carry, keys, temperature, top_p, top_k=top_k, words=words, max_length=max_length)


@functools.partial(jax.jit, static_argnames=("top_k", "words", "max_length"))
def _sample(
    step: StepFn,
    carry: Any,
    keys: Key[Array, " n"],
    temperature: ArrayLike,
    top_p: ArrayLike | None,
    *,
    top_k: int,
    words: Words,
    max_length: int,
) -> Decoded:
    def choose(log_p: Array, position: Array) -> Array:
        heat = jnp.asarray(temperature, log_p.dtype)
        log_p = jnp.where(drawn_from(log_p, heat, top_k, top_p), log_p, -jnp.inf)
        of_word = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, position)
        noise = jax.vmap(lambda key: jax.random.gumbel(key, log_p.shape[1:], log_p.dtype))(of_word)  # (N, V)
        # The largest of log p + heat * noise is distributed as p^(1 / heat); at 0 this is the most probable word.
        return jnp.argmax(log_p + heat * noise, axis=1)

    return one_by_one(step, carry, choose, words=words, max_length=max_length)


def drawn_from(
    log_p: Float[Array, "n v"], temperature: Float[Array, ""], top_k: int, top_p: ArrayLike | None
) -> Bool[Array, "n v"]:
    """The words to draw from: of the `top_k` most probable the fewest that hold `top_p` of their probability.

    Args:
        log_p: `(N, V)`, minus infinity where a word is forbidden.
        temperature: by which log_p is divided.
        top_k: in [1, V]; of equally probable words the first ones.
        top_p: in (0, 1], or none for all.

    Returns:
        `(N, V)`.

    Example:
        >>> drawn_from(jnp.log(jnp.array([[0.25, 0.5, 0.15, 0.1]])), jnp.array(1.0), 3, 0.6)
        Array([[ True,  True, False, False]], dtype=bool)
    """
    n, n_words = log_p.shape
    if top_k == n_words and top_p is None:
        return jnp.ones((n, n_words), bool)
    best, places = jax.lax.top_k(log_p, top_k)  # (N, k), most probable first
    kept = jnp.ones((n, top_k), bool)
    if top_p is not None:
        share = jnp.asarray(top_p, log_p.dtype)
        # At temperature 0 the first word holds all the probability; nothing is divided by zero.
        p = jax.nn.softmax((best - best[:, :1]) / jnp.maximum(temperature, jnp.finfo(log_p.dtype).tiny), axis=1)
        kept = (jnp.cumsum(p, axis=1) - p < share) | (share >= 1)  # what stands before a word does not suffice
    return jnp.zeros((n, n_words), bool).at[jnp.arange(n)[:, None], places].set(kept)

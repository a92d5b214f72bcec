"""Captions drawn at random from the model's distribution, or from its more probable part."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Key

from jaxvision.captioning.decoding import NEVER_CHOSEN, Decoded, one_by_one
from jaxvision.captioning.steps import Words, check_step, of_captions
from jaxvision.captioning.truncation import most_probable, most_typical
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
    typical_p: ArrayLike | None = None,
    num_return_sequences: int = 1,
    start: int = START,
    end: int = END,
    null: int = NULL,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> Decoded:
    r"""Words drawn at random, one after the other, until END.

    $$ w_t \sim q_t, \qquad q_t(v) \propto p(v \mid w_1, \dots, w_{t-1})^{1/\tau} \, [v \in S_t] $$

    $S_t$ are the words that are not forbidden; of these the `top_k` most probable; of these the smallest set, most
    probable first, that holds at least `top_p` of their probability $\propto p^{1/\tau}$; and of these the smallest
    set, most typical first, that holds at least `typical_p` of it. The log-probabilities that are returned are the
    model's own, $\log p$, not $\log q$.

    Args:
        step: as in `greedy`.
        carry: as in `greedy`.
        key: one key, from which row i takes `fold_in(key, i)`, or `(N,)` keys. A caption depends on its own key and row
            alone; of several captions of a row, caption j has `fold_in(key of the row, j)`.
        max_length: T, words at most, END among them.
        temperature: $\tau$; at 1 the model's distribution, at 0 its most probable words, as `greedy` chooses them.
        top_k: how many words to draw from; none: all.
        top_p: in (0, 1], the share of the probability to draw from (the nucleus); none: all.
        typical_p: in (0, 1], the share of the probability to draw from, of words that surprise about as much as a word
            does on average; none: all.
        num_return_sequences: R, captions of each row.
        start: read before the first word.
        end: ends a caption.
        null: fills up after the end.
        forbidden: words never chosen.

    Returns:
        Tokens, log-probabilities, and whether END was said, of N R captions, those of a row side by side.

    Raises:
        InputError: if carry, step, words, length or a number do not fit.

    Example:
        >>> table = jnp.log(jnp.array([[0.0, 0.0, 0.3, 0.0, 0.7]]))
        >>> step = lambda carry, tokens: (carry, jnp.broadcast_to(table, (400, 5)))
        >>> decoded = sample(step, jnp.zeros((400, 0)), jax.random.key(0), max_length=1)
        >>> round(float(jnp.mean(decoded.tokens == 4)), 1)
        0.7

    References:
        Fan, Lewis and Dauphin, "Hierarchical neural story generation", https://arxiv.org/abs/1805.04833, 2018: the
        top k. Holtzman et al., "The curious case of neural text degeneration", https://arxiv.org/abs/1904.09751,
        2020, equations 2 and 3: the nucleus. Meister et al., "Locally typical sampling",
        https://arxiv.org/abs/2202.00666, 2022: typical words.
    """
    step, words = pytree_function(step), Words(start, end, null, tuple(forbidden))
    n, n_words, dtype = check_step(step, carry, words, max_length)
    if not isinstance(temperature, Tracer) and not 0 <= np.asarray(temperature) <= float(jnp.finfo(dtype).max):
        raise InputError(f"temperature must be a finite number, 0 (the most probable words) or more, got {temperature}")
    top_k = n_words if top_k is None else top_k
    if not 1 <= top_k <= n_words:
        raise InputError(f"top_k must be a number of words from 1 to the step's {n_words}, got {top_k}")
    for name, share in (("top_p", top_p), ("typical_p", typical_p)):
        if share is not None and not isinstance(share, Tracer) and not 0 < np.asarray(share) <= 1:
            raise InputError(f"{name} must be a share of the probability in (0, 1], got {share}")
    if num_return_sequences < 1:
        raise InputError(f"num_return_sequences must be a number of captions of at least 1, got {num_return_sequences}")
    keys = example_keys(key, n)
    if num_return_sequences > 1:
        keys = _keys_of_each(keys, num_return_sequences)
        carry = of_captions(lambda leaf: jnp.repeat(leaf, num_return_sequences, axis=0), carry)
    return _sample(step, carry, keys, temperature, top_p, typical_p, top_k=top_k, words=words, max_length=max_length)


@functools.partial(jax.jit, static_argnames=("top_k", "words", "max_length"))
def _sample(
    step: StepFn,
    carry: Any,
    keys: Key[Array, " n"],
    temperature: ArrayLike,
    top_p: ArrayLike | None,
    typical_p: ArrayLike | None,
    *,
    top_k: int,
    words: Words,
    max_length: int,
) -> Decoded:
    def choose(log_p: Array, position: Array) -> Array:
        heat = jnp.asarray(temperature, log_p.dtype)
        log_p = jnp.where(most_probable(log_p, heat, top_k, top_p), log_p, -jnp.inf)
        log_p = jnp.where(most_typical(log_p, heat, typical_p), log_p, -jnp.inf)
        of_word = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, position)
        noise = jax.vmap(lambda key: jax.random.gumbel(key, log_p.shape[1:], log_p.dtype))(of_word)  # (N, V)
        # The largest of log p + heat * noise is distributed as p^(1 / heat); at 0 this is the most probable word.
        return jnp.argmax(log_p + heat * noise, axis=1)

    return one_by_one(step, carry, choose, words=words, max_length=max_length)


def _keys_of_each(keys: Key[Array, " n"], number: int) -> Key[Array, " nr"]:
    return jax.vmap(lambda key: jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(number)))(keys).ravel()

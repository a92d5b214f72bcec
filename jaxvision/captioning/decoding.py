"""A caption word by word: the most probable word each time, and how probable a given caption is."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Int32

from jaxvision.captioning.steps import Words, check_step, log_softmax, may_be_chosen
from jaxvision.captioning.vocabulary import END, NULL, START, UNK
from jaxvision.errors import InputError
from jaxvision.pixels import pytree_function
from jaxvision.signatures import StepFn

NEVER_CHOSEN = (NULL, START, UNK)
"""Words that no caption should say."""


class Decoded(NamedTuple):
    """Captions, one for each row.

    Attributes:
        tokens: `(N, T)`, the words after START, with END where there is one, then NULL.
        log_probs: `(N,)`, the log-probability of all words said, END among them; NaN where the step's scores were NaN
            before END, with NULL from there on.
        finished: `(N,)`, whether END was said.
    """

    tokens: Int32[Array, "n t"]
    log_probs: Float[Array, " n"]
    finished: Bool[Array, " n"]


class _State(NamedTuple):
    position: Array
    carry: Any
    last: Array  # (N,)
    so_far: Decoded


def greedy(
    step: StepFn,
    carry: Any,
    *,
    max_length: int,
    start: int = START,
    end: int = END,
    null: int = NULL,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> Decoded:
    r"""The most probable word, time after time, until END.

    $$ w_t = \arg\max_v \log p(v \mid w_1, \dots, w_{t-1}) $$

    One program for all captions, which leaves as soon as each has ended. Compiled on the first call for a step, a
    shape and a length. A forbidden word is passed over; the log-probabilities are the model's own, in which it keeps
    its share.

    Args:
        step: `(carry, tokens (N,)) -> (carry, logits (N, V))`, each row on its own. A pytree, or a method of one
            (`model.step`), keeps its weights out of the program.
        carry: to begin with, a pytree whose leaves have the leading axis N.
        max_length: T, words at most, END among them.
        start: read before the first word.
        end: ends a caption.
        null: fills up after the end.
        forbidden: words never chosen.

    Returns:
        Tokens, log-probabilities, and whether END was said.

    Raises:
        InputError: if carry, step, words or length do not fit.

    Example:
        >>> table = jnp.log(jnp.array([[0.1, 0.1, 0.1, 0.2, 0.5]] * 4 + [[0.0, 0.0, 0.75, 0.25, 0.0]]))
        >>> step = lambda carry, tokens: (carry, table[tokens])
        >>> decoded = greedy(step, jnp.zeros((1, 0)), max_length=4)
        >>> decoded.tokens, jnp.exp(decoded.log_probs).round(2)
        (Array([[4, 2, 0, 0]], dtype=int32), Array([0.38], dtype=float32))
    """
    step, words = pytree_function(step), Words(start, end, null, tuple(forbidden))
    check_step(step, carry, words, max_length)
    return _greedy(step, carry, words=words, max_length=max_length)


@functools.partial(jax.jit, static_argnames=("words", "max_length"))
def _greedy(step: StepFn, carry: Any, *, words: Words, max_length: int) -> Decoded:
    return one_by_one(step, carry, lambda log_p, _: jnp.argmax(log_p, axis=1), words=words, max_length=max_length)


def one_by_one(
    step: StepFn,
    carry: Any,
    choose: Callable[[Float[Array, "n v"], Int[Array, ""]], Int[Array, " n"]],
    *,
    words: Words,
    max_length: int,
) -> Decoded:
    """The loop: a step, a choice, a word, until every caption has ended or is full.

    Args:
        step: as in `greedy`.
        carry: as in `greedy`.
        choose: `(log p (N, V), position) -> words (N,)`; forbidden words have minus infinity.
        words: the words with a meaning of their own.
        max_length: T.

    Returns:
        The captions.

    Example:
        >>> step = lambda carry, tokens: (carry, jnp.zeros((1, 4)))
        >>> one_by_one(
        ...     step, jnp.zeros((1, 0)), lambda log_p, position: position[None] + 1, words=Words(1, 3, 0), max_length=5
        ... ).tokens
        Array([[1, 2, 3, 0, 0]], dtype=int32)
    """
    n, n_words, dtype = check_step(pytree_function(step), carry, words, max_length)
    may_be = may_be_chosen(n_words, words)

    def unfinished(state: _State) -> Array:
        return (state.position < max_length) & ~jnp.all(state.so_far.finished)

    def body(state: _State) -> _State:
        tokens, log_probs, finished = state.so_far
        carry, logits = step(state.carry, state.last)
        log_p = log_softmax(logits)  # (N, V)
        word = choose(jnp.where(may_be, log_p, -jnp.inf), state.position).astype(jnp.int32)
        gained = jnp.take_along_axis(log_p, word[:, None], axis=1)[:, 0]
        log_probs = log_probs + jnp.where(finished, 0.0, gained)
        over = finished | jnp.isnan(log_probs)  # of scores that are NaN no word is chosen, END neither
        finished = finished | (~over & (word == words.end))
        word = jnp.where(over, words.null, word)
        so_far = Decoded(tokens.at[:, state.position].set(word), log_probs, finished)
        return _State(state.position + 1, carry, word, so_far)

    nothing = Decoded(jnp.full((n, max_length), words.null, jnp.int32), jnp.zeros(n, dtype), jnp.zeros(n, bool))
    begin = _State(jnp.zeros((), jnp.int32), carry, jnp.full(n, words.start, jnp.int32), nothing)
    return jax.lax.while_loop(unfinished, body, begin).so_far


def log_prob(
    step: StepFn, carry: Any, tokens: Int[ArrayLike, "n t"], *, start: int = START, end: int = END, null: int = NULL
) -> Float[Array, " n"]:
    r"""How probable given captions are: the log-probability of all their words, END among them.

    $$ \log p(w) = \sum_t \log p(w_t \mid w_1, \dots, w_{t-1}) $$

    Differentiable in both modes by whatever `step` and `carry` hold.

    Args:
        step: as in `greedy`.
        carry: as in `greedy`.
        tokens: `(N, T)`, the words after START, as the decoders return them. What follows END, and NULL, is not
            counted; a caption without END is one that goes on.
        start: read before the first word.
        end: ends a caption.
        null: fills up after the end.

    Returns:
        `(N,)`.

    Raises:
        InputError: if carry, step or tokens do not fit.

    Example:
        >>> step = lambda carry, tokens: (carry, jnp.zeros((2, 8)))
        >>> log_prob(step, jnp.zeros((2, 0)), jnp.array([[4, 2, 0], [4, 5, 6]])) / jnp.log(2.0)
        Array([-6., -9.], dtype=float32)
    """
    step, words = pytree_function(step), Words(start, end, null)
    array = tokens if isinstance(tokens, jax.Array) else np.asarray(tokens)
    if array.ndim != 2 or not jnp.issubdtype(array.dtype, jnp.integer):
        raise InputError(f"tokens must be integers of shape (N, T), got {array.dtype} of shape {array.shape}")
    n, n_words, _ = check_step(step, carry, words, array.shape[1])
    if array.shape[0] != n:
        raise InputError(f"tokens must have one row for each of the {n} rows of carry, got shape {array.shape}")
    if not isinstance(array, Tracer):
        values = np.asarray(array)
        outside = values[(values != null) & ((values < 0) | (values >= n_words))]
        if outside.size:
            raise InputError(f"tokens must lie in [0, {n_words}), the step's {n_words} words, got {outside[0]}")
    return _log_prob(step, carry, jnp.asarray(array, jnp.int32), words=words)


@functools.partial(jax.jit, static_argnames="words")
def _log_prob(step: StepFn, carry: Any, tokens: Int32[Array, "n t"], *, words: Words) -> Float[Array, " n"]:
    ends = tokens == words.end
    read = jnp.concatenate([jnp.full_like(tokens[:, :1], words.start), tokens[:, :-1]], axis=1)
    over = jnp.cumsum(ends.astype(jnp.int32), axis=1) > ends.astype(jnp.int32)  # (N, T), END was said before
    counts = ~over & (ends | (tokens != words.null))

    def of_word(carry: Any, inputs: tuple[Array, Array, Array]) -> tuple[Any, Array]:
        read, said, counts = inputs  # (N,) each
        carry, logits = step(carry, read)
        log_p = jnp.take_along_axis(log_softmax(logits), jnp.where(counts, said, 0)[:, None], axis=1)[:, 0]
        return carry, jnp.where(counts, log_p, 0.0)

    _, log_p = jax.lax.scan(of_word, carry, (read.T, tokens.T, counts.T))  # (T, N)
    return jnp.sum(log_p, axis=0)

"""The inside of a beam search: hypotheses in banks, extended word by word, set aside when they end.

A bank is a beam of its own: it has so many places, which its best extensions take. A plain beam search has one bank, a
diverse one a bank for each group, one with required words a bank for each set of them that has been said. Which
extensions a bank may take is all that differs: `choose` says it.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvision.captioning.steps import Words, check_step, log_softmax, may_be_chosen, of_captions
from jaxvision.pixels import pytree_function
from jaxvision.signatures import StepFn

EarlyStopping = bool | Literal["never"]

Choose = Callable[[Array], tuple[Array, Array]]
"""The merit of every extension `(N, M, W, V)` -> of each bank the best `(N, M, K)`, best first: merit and place among
the M W V extensions of a row. An extension of merit minus infinity is none."""


class Banks(NamedTuple):
    """What hypotheses stand in.

    Attributes:
        number: M.
        width: W, hypotheses of each.
        one_search: whether banks are states of one search, which begins in the first and ends in the last; otherwise
            each is a search.
    """

    number: int
    width: int
    one_search: bool = False

    def are_groups(self) -> bool:
        """Whether there are several searches."""
        return self.number > 1 and not self.one_search

    def complete(self) -> np.ndarray:
        """Whether captions may end in a bank, `(M,)`."""
        return (np.arange(self.number) == self.number - 1) | (not self.one_search)


class Living(NamedTuple):
    """Captions that have begun.

    Attributes:
        tokens: `(N, M, W, T)`.
        log_probs: `(N, M, W)`.
        merit: `(N, M, W)`, what they are chosen by: log-probability less penalties; minus infinity: there is none.
    """

    tokens: Array
    log_probs: Array
    merit: Array


class Ended(NamedTuple):
    """Captions that were set aside.

    Attributes:
        tokens: `(N, M, W, T)`.
        log_probs: `(N, M, W)`.
        scores: `(N, M, W)`, descending, merit over the divisor of their length; minus infinity: there is none.
    """

    tokens: Array
    log_probs: Array
    scores: Array


class _State(NamedTuple):
    position: Array
    carry: Any  # leaves (N M W, ...), of images (N, ...)
    last: Array  # (N, M, W)
    living: Living
    ended: Ended


def search(
    step: StepFn,
    carry: Any,
    choose: Choose,
    divisors: Float[Array, " t"],
    *,
    banks: Banks,
    early_stopping: EarlyStopping,
    words: Words,
    max_length: int,
) -> Ended:
    """The loop: a step, a choice of extensions, until no row has a hypothesis that could change what is remembered.

    Args:
        step: as in `beam_search`.
        carry: as in `beam_search`.
        choose: which extensions each bank takes.
        divisors: `(T,)`, by length: a score is merit over it.
        banks: their number and width.
        early_stopping: as in `beam_search`.
        words: the words with a meaning of their own.
        max_length: T.

    Returns:
        The best captions of each bank.

    Example:
        >>> step = lambda carry, tokens: (carry, jnp.log(jnp.array([[0.1, 0.2, 0.3, 0.4]] * len(tokens))))
        >>> choose = lambda merit: best_extensions(merit, 4)
        >>> found = search(
        ...     step, jnp.zeros((1, 0)), choose, jnp.ones(2), banks=Banks(1, 2), early_stopping="never",
        ...     words=Words(start=0, end=2, null=0), max_length=2,
        ... )  # fmt: skip
        >>> found.tokens[0, 0], jnp.exp(found.scores[0, 0, 1]).round(2)
        (Array([[2, 0],
               [3, 3]], dtype=int32), Array(0.16, dtype=float32))
    """
    n, n_words, dtype = check_step(pytree_function(step), carry, words, max_length)
    may_be = may_be_chosen(n_words, words)
    hope_divisors = _hope_divisors(divisors, early_stopping)

    def any_lives(state: _State) -> Array:
        return (state.position < max_length) & jnp.any(state.living.merit > -jnp.inf)

    def body(state: _State) -> _State:
        carry, logits = step(state.carry, state.last.reshape(-1))
        log_p = jnp.where(may_be, log_softmax(logits), -jnp.inf).reshape(n, banks.number, banks.width, n_words)
        merit = state.living.merit[..., None] + log_p
        merit, place = choose(jnp.where(merit > -jnp.inf, merit, -jnp.inf))  # (N, M, K); what is NaN is none
        candidates, parent, word = _extended(state, log_p, merit, place)

        ends = (word == words.end) | (state.position == max_length - 1)
        counts = ends & banks.complete()[None, :, None]
        best = jax.tree.map(lambda leaf: leaf[:, :, : banks.width], candidates)  # to end they must be among the best W
        scores = jnp.where(counts[..., : banks.width], best.merit / divisors[state.position], -jnp.inf)
        ended = _remember(state.ended, Ended(best.tokens, best.log_probs, scores))

        goes_on = jnp.where(ends, -jnp.inf, merit)
        _, stay = jax.lax.top_k(goes_on, banks.width)
        living, parent, word = _pick((candidates._replace(merit=goes_on), parent, word), stay)
        # When a group falls silent matters to the next ones: as in Hugging Face it counts what has just ended, too.
        best = merit[..., 0] if banks.are_groups() else living.merit[..., 0]
        idle = _idle(best / hope_divisors[state.position], ended, banks, early_stopping)
        living = living._replace(merit=jnp.where(idle[..., None], -jnp.inf, living.merit))

        first = jnp.arange(n, dtype=parent.dtype) * (banks.number * banks.width)
        row = (first[:, None, None] + parent).reshape(-1)  # (N M W,)
        return _State(state.position + 1, of_captions(lambda leaf: leaf[row], carry), word, living, ended)

    return jax.lax.while_loop(any_lives, body, _begin(carry, n, dtype, banks, words, max_length)).ended


def best_extensions(merit: Float[Array, "n m w v"], n_kept: int) -> tuple[Float[Array, "n m k"], Int[Array, "n m k"]]:
    """Of one bank the best extensions, a `Choose`.

    Args:
        merit: `(N, 1, W, V)`.
        n_kept: K.

    Returns:
        Merit and place, both `(N, 1, K)`.

    Example:
        >>> best_extensions(jnp.array([[[[0.0, 3.0], [2.0, 1.0]]]]), 3)
        (Array([[[3., 2., 1.]]], dtype=float32), Array([[[1, 2, 3]]], dtype=int32))
    """
    best, place = jax.lax.top_k(merit.reshape(len(merit), -1), n_kept)
    return best[:, None], place[:, None]


def _begin(carry: Any, n: int, dtype: Any, banks: Banks, words: Words, max_length: int) -> _State:
    """One empty hypothesis for each search."""
    shape = n, banks.number, banks.width
    tokens = jnp.full((*shape, max_length), words.null, jnp.int32)
    none, zeros = jnp.full(shape, -jnp.inf, dtype), jnp.zeros(shape, dtype)
    n_begin = 1 if banks.one_search else banks.number
    return _State(
        position=jnp.zeros((), jnp.int32),
        carry=of_captions(lambda leaf: jnp.repeat(leaf, banks.number * banks.width, axis=0), carry),
        last=jnp.full(shape, words.start, jnp.int32),
        living=Living(tokens, zeros, none.at[:, :n_begin, 0].set(0.0)),
        ended=Ended(tokens, none, none),
    )


def _extended(state: _State, log_p: Array, merit: Array, place: Array) -> tuple[Living, Array, Array]:
    """The hypotheses with their new word, the row's hypothesis that each extends, and the word, `(N, M, K)`."""
    n, n_words = len(merit), log_p.shape[-1]
    parent, word = place // n_words, (place % n_words).astype(jnp.int32)
    flat, of_row = parent.reshape(n, -1), jax.tree.map(lambda leaf: leaf.reshape(n, -1, *leaf.shape[3:]), state.living)
    gained = jnp.take_along_axis(log_p.reshape(n, -1), place.reshape(n, -1), axis=1)
    log_probs = (jnp.take_along_axis(of_row.log_probs, flat, axis=1) + gained).reshape(place.shape)
    tokens = jnp.take_along_axis(of_row.tokens, flat[..., None], axis=1).reshape(*place.shape, -1)
    return Living(tokens.at[..., state.position].set(word), log_probs, merit), parent, word


def _remember(before: Ended, now: Ended) -> Ended:
    """The W best of those that ended before and those that end now; the earlier where they are equal."""
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=2), before, now)
    _, place = jax.lax.top_k(both.scores, before.scores.shape[2])
    return _pick(both, place)


def _hope_divisors(divisors: Array, early_stopping: EarlyStopping) -> Array:
    """By what the merit of a living hypothesis is divided, by position, to say what it may hope for."""
    if early_stopping != "never":
        return divisors
    longest = jax.lax.cummax(divisors, axis=0, reverse=True)
    return jnp.append(longest[1:], longest[-1:])  # the best of all lengths that it may still come to


def _idle(hope: Array, ended: Ended, banks: Banks, early_stopping: EarlyStopping) -> Array:
    """Whether no living hypothesis of a bank, `(N, M)`, can change what is remembered: scores that it may hope for."""
    worst = ended.scores[..., -1]
    if banks.one_search:
        worst = jnp.max(worst, axis=1, keepdims=True)
    if early_stopping is True:
        return jnp.broadcast_to(worst > -jnp.inf, hope.shape)
    return hope <= worst


def _pick(tree: Any, place: Array) -> Any:
    """Hypotheses `(N, M, K, ...)` by their places `(N, M, W)`."""
    return jax.tree.map(
        lambda leaf: jnp.take_along_axis(leaf, place.reshape(*place.shape, *[1] * (leaf.ndim - 3)), axis=2), tree
    )

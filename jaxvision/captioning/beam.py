r"""Beam search: several captions at a time, the most probable ones kept.

A hypothesis is a caption that has begun. From the empty one, at every step:

1. Every living hypothesis is extended by every word, and of all these extensions the B most probable are kept.
2. Those that end with END are set aside with their score $\log p(w) / |w|^\alpha$; of all that were ever set aside the
   B best by score are remembered. The others live on.

The search ends at the full length, or when nothing that lives can change what is remembered.

**When that is.** A word more can only lower $\log p$. A living hypothesis of $t$ words that ends does so with between
$t + 1$ and $T$ words, hence with a score of at most

$$ \max\left(\frac{\log p}{(t + 1)^\alpha}, \frac{\log p}{T^\alpha}\right), $$

the second for $\alpha \ge 0$. Once B captions are remembered and no living hypothesis can do better than the worst of
them, the rest of the search is idle, and what is returned is what the search would return without leaving early. To
stop at the first B captions that end, as is often done, is not: with $\alpha > 0$ a longer one may score higher.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int32

from jaxvision.captioning.decoding import NEVER_CHOSEN
from jaxvision.captioning.steps import Sizes, Words, check_step, log_softmax, may_be_chosen, of_captions
from jaxvision.captioning.vocabulary import END, NULL, START
from jaxvision.errors import InputError
from jaxvision.pixels import pytree_function
from jaxvision.signatures import StepFn


class BeamDecoded(NamedTuple):
    """Several captions for each row, the best first: those that ended by their score, then the others by theirs.

    Attributes:
        tokens: `(N, B, T)`, the words after START, with END where there is one, then NULL.
        scores: `(N, B)`, log-probability over length^length_penalty.
        log_probs: `(N, B)`, the log-probability of all words said, END among them; minus infinity, with NULL
            throughout, where the search found fewer than B captions.
        finished: `(N, B)`, whether END was said.
    """

    tokens: Int32[Array, "n b t"]
    scores: Float[Array, "n b"]
    log_probs: Float[Array, "n b"]
    finished: Bool[Array, "n b"]


class _Living(NamedTuple):
    tokens: Array  # (N, B, T)
    log_probs: Array  # (N, B), minus infinity: there is none


class _Ended(NamedTuple):
    tokens: Array  # (N, B, T)
    log_probs: Array  # (N, B)
    scores: Array  # (N, B), descending, minus infinity: there is none


class _State(NamedTuple):
    position: Array
    carry: Any  # leaves (N B, ...), of images (N, ...)
    last: Array  # (N, B)
    living: _Living
    ended: _Ended


def beam_search(
    step: StepFn,
    carry: Any,
    *,
    num_beams: int,
    max_length: int,
    length_penalty: ArrayLike = 0.0,
    start: int = START,
    end: int = END,
    null: int = NULL,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> BeamDecoded:
    r"""The best captions that a beam search finds.

    $$ \mathrm{score}(w) = \frac{\log p(w)}{|w|^\alpha}, \qquad |w| \text{ counts END} $$

    See the module for the search and when it stops. One program for all rows and hypotheses; `step` is called with
    N B rows. With one beam this is `greedy`; with as many beams as there are beginnings of captions it finds the best
    captions of all. Compiled on the first call for a step, a shape, a length and a number of beams.

    Args:
        step: as in `greedy`, for any number of rows.
        carry: as in `greedy`, leaves with the leading axis N.
        num_beams: B.
        max_length: T, words at most, END among them.
        length_penalty: $\alpha$; at 0 the most probable caption wins, often a short one, at 1 the one with the highest
            mean log-probability of a word.
        start: read before the first word.
        end: ends a caption.
        null: fills up after the end.
        forbidden: words never chosen; the log-probabilities stay the model's own.

    Returns:
        B captions for each row, the best first. Where fewer than B ended, the best unfinished ones follow.

    Raises:
        InputError: if carry, step, words, length, beams or penalty do not fit.

    Example:
        >>> p = jnp.array([[0, 0, 0.1, 0, 0.5, 0.4]] * 4 + [[0, 0, 0.4, 0, 0.3, 0.3], [0, 0, 0.9, 0, 0.1, 0]])
        >>> step = lambda carry, tokens: (carry, jnp.log(p[tokens]))
        >>> found = beam_search(step, jnp.zeros((1, 0)), num_beams=2, max_length=3)
        >>> found.tokens[0]  # of probability 0.4 * 0.9 and 0.5 * 0.4
        Array([[5, 2, 0],
               [4, 2, 0]], dtype=int32)

    References:
        Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks",
        https://arxiv.org/abs/1409.3215, 2014, section 3.2; there a caption that ends takes its place in the beam with
        it. Wu et al., "Google's neural machine translation system", https://arxiv.org/abs/1609.08144, 2016, equation
        14, has $((5 + |w|) / 6)^\alpha$ for $|w|^\alpha$.
    """
    if num_beams < 1:
        raise InputError(f"num_beams must be a number of hypotheses of at least 1, got {num_beams}")
    if not isinstance(length_penalty, Tracer) and not np.isfinite(length_penalty):
        raise InputError(f"length_penalty must be a finite number, got {length_penalty}")
    step, words = pytree_function(step), Words(start, end, null, tuple(forbidden))
    check_step(step, carry, words, max_length)
    return _beam_search(step, carry, length_penalty, num_beams=num_beams, words=words, max_length=max_length)


@functools.partial(jax.jit, static_argnames=("num_beams", "words", "max_length"))
def _beam_search(
    step: StepFn, carry: Any, length_penalty: ArrayLike, *, num_beams: int, words: Words, max_length: int
) -> BeamDecoded:
    sizes = n, n_words, dtype = check_step(step, carry, words, max_length)
    begin = _begin(carry, sizes, num_beams, words, max_length)
    may_be = may_be_chosen(n_words, words)
    divisors = jnp.arange(1, max_length + 1, dtype=dtype) ** jnp.asarray(length_penalty, dtype)  # by length

    def any_lives(state: _State) -> Array:
        return (state.position < max_length) & jnp.any(state.living.log_probs > -jnp.inf)

    def body(state: _State) -> _State:
        carry, logits = step(state.carry, state.last.reshape(-1))
        log_p = jnp.where(may_be, log_softmax(logits), -jnp.inf).reshape(n, num_beams, n_words)
        total = state.living.log_probs[:, :, None] + log_p  # (N, B, V)
        log_probs, place = jax.lax.top_k(total.reshape(n, -1), num_beams)  # (N, B)
        parent, word = place // n_words, (place % n_words).astype(jnp.int32)
        tokens = _pick(state.living.tokens, parent).at[:, :, state.position].set(word)

        ends = word == words.end
        just_ended = jnp.where(ends, log_probs, -jnp.inf)
        ended = _remember(state.ended, _Ended(tokens, just_ended, just_ended / divisors[state.position]))

        living = jnp.where(ends, -jnp.inf, log_probs)
        soonest = divisors[jnp.minimum(state.position + 1, max_length - 1)]
        hope = jnp.max(jnp.maximum(living / soonest, living / divisors[-1]), axis=1)  # (N,)
        living = jnp.where((hope <= ended.scores[:, -1])[:, None], -jnp.inf, living)

        row = (jnp.arange(n, dtype=parent.dtype)[:, None] * num_beams + parent).reshape(-1)  # (N B,)
        carry = of_captions(lambda leaf: leaf[row], carry)
        return _State(state.position + 1, carry, word, _Living(tokens, living), ended)

    return _best_first(jax.lax.while_loop(any_lives, body, begin), divisors[-1], words)


def _begin(carry: Any, sizes: Sizes, num_beams: int, words: Words, max_length: int) -> _State:
    """One empty hypothesis for each row."""
    n, _, dtype = sizes
    tokens = jnp.full((n, num_beams, max_length), words.null, jnp.int32)
    none = jnp.full((n, num_beams), -jnp.inf, dtype)
    return _State(
        position=jnp.zeros((), jnp.int32),
        carry=of_captions(lambda leaf: jnp.repeat(leaf, num_beams, axis=0), carry),
        last=jnp.full((n, num_beams), words.start, jnp.int32),
        living=_Living(tokens, none.at[:, 0].set(0.0)),
        ended=_Ended(tokens, none, none),
    )


def _remember(before: _Ended, now: _Ended) -> _Ended:
    """The B best of those that ended before and those that end now; the earlier where they are equal."""
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), before, now)
    _, place = jax.lax.top_k(both.scores, before.scores.shape[1])
    return jax.tree.map(lambda leaf: _pick(leaf, place), both)


def _best_first(state: _State, full_length: Array, words: Words) -> BeamDecoded:
    """Those that ended, then those that did not."""
    living = _Ended(*state.living, state.living.log_probs / full_length)
    finished = jnp.concatenate([state.ended.scores > -jnp.inf, jnp.zeros_like(living.scores, bool)], axis=1)
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), state.ended, living)  # (N, 2B, ...)
    place = jnp.lexsort((-both.scores, ~finished), axis=1)[:, : living.scores.shape[1]]
    best, finished = jax.tree.map(lambda leaf: _pick(leaf, place), (both, finished))
    tokens = jnp.where(best.scores[:, :, None] > -jnp.inf, best.tokens, words.null)
    return BeamDecoded(tokens, best.scores, best.log_probs, finished)


def _pick(leaf: Array, place: Array) -> Array:
    """Hypotheses `(N, B, ...)` by their places `(N, B)`."""
    return jnp.take_along_axis(leaf, place.reshape(*place.shape, *[1] * (leaf.ndim - 2)), axis=1)

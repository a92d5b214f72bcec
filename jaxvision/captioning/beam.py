r"""Beam search: several captions at a time, the most probable ones kept.

A hypothesis is a caption that has begun. From the empty one, at every step:

1. Every living hypothesis is extended by every word, and of all these extensions the 2 B most probable are looked at.
2. Those of the first B that end with END are set aside with their score $\log p(w) / |w|^\alpha$; of all that were ever
   set aside the B best by score are remembered. The first B that do not end live on.

At the full length all that live are set aside as they are. The search ends there, or when nothing that lives can change
what is remembered.

**When that is.** A word more can only lower $\log p$. A living hypothesis of $t$ words is set aside with between
$t + 1$ and $T$ words, hence with a score of at most

$$ \max\left(\frac{\log p}{(t + 1)^\alpha}, \frac{\log p}{T^\alpha}\right), $$

the second for $\alpha \ge 0$. Once B captions are remembered and no living hypothesis can do better than the worst of
them, the rest of the search is idle, and what is returned is what the search would return without leaving early. To
stop at the first B captions that end (`early_stopping=True`) is not: with $\alpha > 0$ a longer one may score higher.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int32

from jaxvision.captioning.decoding import NEVER_CHOSEN
from jaxvision.captioning.groups import diverse_extensions
from jaxvision.captioning.hypotheses import Banks, EarlyStopping, best_extensions, search
from jaxvision.captioning.required import requiring_extensions
from jaxvision.captioning.steps import Sizes, Words, check_step
from jaxvision.captioning.vocabulary import END, NULL, START
from jaxvision.errors import InputError
from jaxvision.pixels import pytree_function
from jaxvision.signatures import StepFn

LengthPenalty = Callable[[Array], Array]
"""Lengths `(T,)` -> what the log-probability of a caption of that length is divided by, positive."""


class BeamDecoded(NamedTuple):
    """Several captions for each row, the best first by their score.

    Attributes:
        tokens: `(N, R, T)`, the words after START, with END where there is one, then NULL.
        scores: `(N, R)`, log-probability, less penalties of diversity, over length^length_penalty.
        log_probs: `(N, R)`, the log-probability of all words said, END among them; minus infinity, with NULL
            throughout, where the search found fewer than R captions. A hypothesis whose scores are NaN is given up.
        finished: `(N, R)`, whether END was said; otherwise the caption was cut off at the full length.
    """

    tokens: Int32[Array, "n r t"]
    scores: Float[Array, "n r"]
    log_probs: Float[Array, "n r"]
    finished: Bool[Array, "n r"]


def beam_search(
    step: StepFn,
    carry: Any,
    *,
    num_beams: int,
    max_length: int,
    length_penalty: ArrayLike | LengthPenalty = 0.0,
    early_stopping: EarlyStopping = "never",
    num_return_sequences: int | None = None,
    num_beam_groups: int = 1,
    diversity_penalty: ArrayLike = 0.0,
    force_words_ids: Sequence[int | Sequence[int]] = (),
    start: int = START,
    end: int = END,
    null: int = NULL,
    forbidden: tuple[int, ...] = NEVER_CHOSEN,
) -> BeamDecoded:
    r"""The best captions that a beam search finds.

    $$ \mathrm{score}(w) = \frac{\log p(w)}{|w|^\alpha}, \qquad |w| \text{ counts END} $$

    See the module for the search and when it stops. One program for all rows and hypotheses; a row's captions do not
    depend on the others. `step` is called with N B rows. With one beam and no length penalty this is `greedy`; with
    as many beams as there are beginnings of captions it finds the best captions of all. Compiled on the first call for
    a step, a shape, a length and a number of beams.

    With `num_beam_groups` G the beams are G searches of B / G each, one after the other at each position, and
    `diversity_penalty` is taken off a word for each hypothesis of an earlier group that says it there (Hamming
    diversity). The penalty stays in the score, not in the log-probability.

    With `force_words_ids` captions hold each of these C words, in any order: B hypotheses for each of the $2^C$ sets
    of them that has been said, so `step` is called with $2^C N B$ rows.

    Args:
        step: as in `greedy`, for any number of rows.
        carry: as in `greedy`, leaves with the leading axis N.
        num_beams: B.
        max_length: T, words at most, END among them.
        length_penalty: $\alpha$; at 0 the most probable caption wins, often a short one, at 1 the one with the highest
            mean log-probability of a word. Or a function of the length to divide by: `gnmt_length_penalty`.
        early_stopping: "never" returns what the whole search would; True stops a row at its first B captions; False
            when no living hypothesis, were it to end now, would do better than the worst that is remembered.
        num_return_sequences: R, captions of each row to return; none: all B.
        num_beam_groups: G, a divisor of B.
        diversity_penalty: $\lambda \ge 0$, in units of log-probability.
        force_words_ids: words that every caption holds, each an id or, as in Hugging Face, a list of one; not together
            with groups.
        start: read before the first word.
        end: ends a caption.
        null: fills up after the end.
        forbidden: words never chosen; the log-probabilities stay the model's own.

    Returns:
        R captions for each row, the best first.

    Raises:
        InputError: if carry, step, words, length, beams, groups or penalties do not fit.

    Example:
        >>> p = jnp.array([[0, 0, 0.1, 0, 0.5, 0.4]] * 4 + [[0, 0, 0.4, 0, 0.3, 0.3], [0, 0, 0.9, 0, 0.1, 0]])
        >>> step = lambda carry, tokens: (carry, jnp.log(p[tokens]))
        >>> found = beam_search(step, jnp.zeros((1, 0)), num_beams=2, max_length=3)
        >>> found.tokens[0]  # of probability 0.4 * 0.9 and 0.5 * 0.4
        Array([[5, 2, 0],
               [4, 2, 0]], dtype=int32)
        >>> beam_search(step, jnp.zeros((1, 0)), num_beams=2, max_length=3, force_words_ids=(4, 5)).tokens[0, 0]
        Array([4, 5, 2], dtype=int32)

    References:
        Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks",
        https://arxiv.org/abs/1409.3215, 2014, section 3.2; there a caption that ends takes its place in the beam with
        it. Terms and results are those of `generate` in Hugging Face's transformers, https://arxiv.org/abs/1910.03771;
        docs/decoding.md lists the differences. Vijayakumar et al., "Diverse beam search",
        https://arxiv.org/abs/1610.02424, 2016: groups. Anderson et al., "Guided open vocabulary image captioning with
        constrained beam search", https://arxiv.org/abs/1612.00576, 2017: required words.
    """
    step, words = pytree_function(step), Words(start, end, null, tuple(forbidden))
    sizes = check_step(step, carry, words, max_length)
    n_return = num_beams if num_return_sequences is None else num_return_sequences
    _check_numbers(num_beams, n_return, num_beam_groups, diversity_penalty, early_stopping)
    required = _single_words(force_words_ids)
    _check_required(required, words, sizes, max_length, num_beam_groups)
    return _beam_search(
        step,
        carry,
        _divisors(length_penalty, max_length, sizes.dtype),
        jnp.asarray(diversity_penalty, sizes.dtype),
        banks=Banks(2 ** len(required), num_beams, one_search=True)
        if required
        else Banks(num_beam_groups, num_beams // num_beam_groups),
        required=required,
        early_stopping=early_stopping,
        n_return=n_return,
        words=words,
        max_length=max_length,
    )


def gnmt_length_penalty(alpha: ArrayLike) -> LengthPenalty:
    r"""The length penalty of Google's translation system, for `beam_search`.

    $$ \mathrm{lp}(w) = \left(\frac{5 + |w|}{5 + 1}\right)^\alpha $$

    Args:
        alpha: $\alpha$; at 0 there is no penalty. The paper uses 0.2 to 0.6.

    Returns:
        A function of lengths.

    Example:
        >>> gnmt_length_penalty(2.0)(jnp.array([1.0, 7.0]))
        Array([1., 4.], dtype=float32)

    References:
        Wu et al., "Google's neural machine translation system", https://arxiv.org/abs/1609.08144, 2016, equation 14,
        without the coverage penalty.
    """
    return Partial(_gnmt, alpha)


@functools.partial(jax.jit, static_argnames=("banks", "required", "early_stopping", "n_return", "words", "max_length"))
def _beam_search(
    step: StepFn,
    carry: Any,
    divisors: Array,
    diversity_penalty: Array,
    *,
    banks: Banks,
    required: tuple[int, ...],
    early_stopping: EarlyStopping,
    n_return: int,
    words: Words,
    max_length: int,
) -> BeamDecoded:
    def choose(merit: Array) -> tuple[Array, Array]:
        width, n_words = merit.shape[2:]
        n_kept = min(2 * width, width * n_words)  # as many as may end, and as many again to live on
        if required:
            return requiring_extensions(merit, required, words.end, n_kept)
        if banks.number > 1:
            return diverse_extensions(merit, diversity_penalty, words.end, n_kept)
        return best_extensions(merit, n_kept)

    ended = search(
        step, carry, choose, divisors, banks=banks, early_stopping=early_stopping, words=words, max_length=max_length
    )
    tokens, log_probs, scores = (leaf.reshape(len(leaf), -1, *leaf.shape[3:]) for leaf in ended)  # all banks together
    scores, place = jax.lax.top_k(scores, n_return)
    there = scores > -jnp.inf
    tokens = jnp.where(there[..., None], jnp.take_along_axis(tokens, place[..., None], axis=1), words.null)
    log_probs = jnp.where(there, jnp.take_along_axis(log_probs, place, axis=1), -jnp.inf)
    return BeamDecoded(tokens, scores, log_probs, jnp.any(tokens == words.end, axis=2) & there)


def _gnmt(alpha: ArrayLike, lengths: Array) -> Array:
    return ((5 + lengths) / 6) ** jnp.asarray(alpha, lengths.dtype)


def _divisors(length_penalty: ArrayLike | LengthPenalty, max_length: int, dtype: np.dtype) -> Array:
    """By length what a log-probability is divided by, `(T,)`."""
    lengths = jnp.arange(1, max_length + 1, dtype=dtype)
    if callable(length_penalty):
        divisors = jnp.asarray(length_penalty(lengths), dtype)
        if divisors.shape != lengths.shape or not _may_divide(divisors):
            raise InputError(f"length_penalty must give a positive number for each length ({max_length},)")
        return divisors
    if not isinstance(length_penalty, Tracer) and not np.isfinite(length_penalty):
        raise InputError(f"length_penalty must be a finite number or a function of lengths, got {length_penalty}")
    divisors = lengths ** jnp.asarray(length_penalty, dtype)
    if not _may_divide(divisors):
        raise InputError(
            f"length_penalty must leave length^length_penalty a positive number of {dtype} up to {max_length} words, "
            f"got {length_penalty}: give one nearer to 0"
        )
    return divisors


def _may_divide(divisors: Array) -> bool:
    """Whether all are positive and finite; of what is traced nobody knows."""
    if isinstance(divisors, Tracer):
        return True
    values = np.asarray(divisors)
    return bool(np.all((values > 0) & np.isfinite(values)))


def _check_numbers(
    num_beams: int, n_return: int, n_groups: int, diversity_penalty: ArrayLike, early_stopping: EarlyStopping
) -> None:
    if num_beams < 1:
        raise InputError(f"num_beams must be a number of hypotheses of at least 1, got {num_beams}")
    if not 1 <= n_return <= num_beams:
        raise InputError(f"num_return_sequences must be from 1 to num_beams, {num_beams}, got {n_return}")
    if n_groups < 1 or num_beams % n_groups:
        raise InputError(f"num_beam_groups must divide num_beams, {num_beams}, got {n_groups}")
    if not isinstance(diversity_penalty, Tracer):
        if not 0 <= np.asarray(diversity_penalty) < np.inf:
            raise InputError(f"diversity_penalty must be a finite number of 0 or more, got {diversity_penalty}")
        if n_groups == 1 and np.asarray(diversity_penalty) > 0:
            raise InputError("diversity_penalty is between groups: give num_beam_groups of 2 or more with it")
    if early_stopping not in (True, False, "never"):
        raise InputError(f'early_stopping must be True, False or "never", got {early_stopping!r}')


def _single_words(force_words_ids: Sequence[int | Sequence[int]]) -> tuple[int, ...]:
    """Each word once, in order."""
    found = dict[int, None]()
    for entry in force_words_ids:
        word = entry[0] if isinstance(entry, Sequence | np.ndarray) and len(entry) == 1 else entry
        if isinstance(word, Sequence | np.ndarray):
            raise InputError(
                f"force_words_ids must be single words, got {entry}: phrases and alternatives are not here, name each "
                "word that captions must hold"
            )
        found[int(word)] = None
    return tuple(found)


def _check_required(required: tuple[int, ...], words: Words, sizes: Sizes, max_length: int, n_groups: int) -> None:
    for word in required:
        if not 0 <= word < sizes.n_words:
            raise InputError(
                f"force_words_ids must be of the step's {sizes.n_words} words, in [0, {sizes.n_words}), got {word}"
            )
        if word == words.end or word in words.forbidden:
            raise InputError(f"force_words_ids must be words that captions may hold before their end, got {word}")
    if len(required) > max_length:
        raise InputError(f"captions of {max_length} words cannot hold {len(required)} required words")
    if required and n_groups > 1:
        raise InputError("force_words_ids and num_beam_groups do not go together: leave one of them out")

"""Steps made of steps: several captioners as one, and captions that keep a rule.

A decoder takes any `step(carry, tokens) -> (carry, logits)`. What remembers more than a captioner does, such as the
words said so far, is a step with a larger carry: every decoder takes it as it is, and in a beam search what is
remembered moves with its hypothesis. Probabilities are those of the new step: where words are ruled out, the others'
sum to one.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxvision.captioning.steps import count_rows, log_softmax
from jaxvision.captioning.vocabulary import END
from jaxvision.errors import InputError
from jaxvision.pixels import pytree_function
from jaxvision.signatures import StepFn


def ensemble(members: Sequence[tuple[StepFn, Any]]) -> tuple[StepFn, tuple[Any, ...]]:
    r"""Several captioners that speak as one, by the mean of their probabilities.

    $$ \log p(v) = \log \frac1M \sum_m p_m(v) $$

    Args:
        members: a step and its carry each, of the same captions and words; networks may differ in kind.

    Returns:
        A step, a pytree that holds the members' weights, and its carry.

    Raises:
        InputError: if there is no member; from the step, if members differ in captions or words.

    Example:
        >>> always = lambda p: (lambda carry, tokens: (carry, jnp.log(jnp.array([p]))))
        >>> step, carry = ensemble([(always([0.9, 0.1]), jnp.zeros((1, 0))), (always([0.3, 0.7]), jnp.zeros((1, 0)))])
        >>> jnp.exp(step(carry, jnp.array([1]))[1]).round(3)
        Array([[0.6, 0.4]], dtype=float32)

    References:
        Vinyals et al., "Show and tell: lessons learned from the 2015 MSCOCO image captioning challenge",
        https://arxiv.org/abs/1609.06647, 2016, section 5.4.
    """
    if not members:
        raise InputError("an ensemble needs at least one captioner: give a list of (step, carry)")
    return Partial(_mean, tuple(pytree_function(step) for step, _ in members)), tuple(carry for _, carry in members)


def with_min_length(step: StepFn, carry: Any, min_length: int, *, end: int = END) -> tuple[StepFn, tuple[Any, Array]]:
    """Captions of at least so many words: END is not said before.

    Args:
        step: `(carry, tokens (N,)) -> (carry, logits (N, V))`.
        carry: its first.
        min_length: words at least, END among them.
        end: ends a caption.

    Returns:
        A step and its first carry.

    Raises:
        InputError: if min_length is below 1.

    Example:
        >>> from jaxvision.captioning import greedy
        >>> silent = lambda carry, tokens: (carry, jnp.array([[0.0, 0.0, 9.0, 0.0, 0.0, 1.0]]))
        >>> step, carry = with_min_length(silent, jnp.zeros((1, 0)), 3)
        >>> greedy(step, carry, max_length=5).tokens
        Array([[5, 5, 2, 0, 0]], dtype=int32)
    """
    if min_length < 1:
        raise InputError(f"min_length must be a number of words of at least 1, END among them, got {min_length}")
    n_said = jnp.zeros(count_rows(carry), jnp.int32)
    return Partial(_not_before, pytree_function(step), min_length - 1, end), (carry, n_said)


def without_repeats(
    step: StepFn, carry: Any, no_repeat_ngram_size: int, *, max_length: int
) -> tuple[StepFn, tuple[Any, Array, Array]]:
    """Captions in which no n words in a row come twice.

    Args:
        step: `(carry, tokens (N,)) -> (carry, logits (N, V))`.
        carry: its first.
        no_repeat_ngram_size: n; 1 lets no word come twice.
        max_length: words at most, as the decoder has it.

    Returns:
        A step and its first carry.

    Raises:
        InputError: if a number is below 1.

    Example:
        >>> from jaxvision.captioning import greedy
        >>> stuck = lambda carry, tokens: (carry, jnp.array([[0.0, 0.0, 1.0, 0.0, 3.0, 2.0]]))
        >>> step, carry = without_repeats(stuck, jnp.zeros((1, 0)), 2, max_length=5)
        >>> greedy(step, carry, max_length=5).tokens  # after 4 comes 4, then 5, since "4 4" was said, then 4, ...
        Array([[4, 4, 5, 4, 2]], dtype=int32)

    References:
        Paulus, Xiong and Socher, "A deep reinforced model for abstractive summarization",
        https://arxiv.org/abs/1705.04304, 2017, section 2.5, for n = 3.
    """
    for name, number in (("no_repeat_ngram_size", no_repeat_ngram_size), ("max_length", max_length)):
        if number < 1:
            raise InputError(f"{name} must be a number of words of at least 1, got {number}")
    n = count_rows(carry)
    history = jnp.full((n, max_length + no_repeat_ngram_size), -1, jnp.int32)
    step = Partial(_no_repeats, pytree_function(step), jnp.zeros((no_repeat_ngram_size - 1, 0)))
    return step, (carry, jnp.zeros(n, jnp.int32), history)


def _mean(steps: tuple[StepFn, ...], carries: tuple[Any, ...], tokens: Array) -> tuple[tuple[Any, ...], Array]:
    results = [step(carry, tokens) for step, carry in zip(steps, carries, strict=True)]
    shapes = [logits.shape for _, logits in results]
    if len(set(shapes)) > 1:
        listed = ", ".join(map(str, shapes))
        raise InputError(f"captioners of an ensemble must score the same words, got logits (N, V) of shapes {listed}")
    log_p = jnp.stack([log_softmax(logits) for _, logits in results])  # (M, N, V)
    return tuple(carry for carry, _ in results), jax.nn.logsumexp(log_p, axis=0) - jnp.log(float(len(steps)))


def _not_before(
    step: StepFn, n_before: ArrayLike, end: ArrayLike, carry: tuple[Any, Array], tokens: Array
) -> tuple[tuple[Any, Array], Array]:
    inner, n_said = carry
    inner, logits = step(inner, tokens)
    is_end = jnp.arange(logits.shape[1])[None] == end
    logits = jnp.where((n_said < n_before)[:, None] & is_end, -jnp.inf, logits)
    return (inner, n_said + 1), logits


def _no_repeats(
    step: StepFn, size: Array, carry: tuple[Any, Array, Array], tokens: Array
) -> tuple[tuple[Any, Array, Array], Array]:
    """`size` says n - 1 by its shape, which is static. START, which is read first, is no word of the caption."""
    inner, n_read, history = carry
    inner, logits = step(inner, tokens)
    n_before = size.shape[0]
    rows = jnp.arange(len(tokens))
    history = history.at[rows, n_read - 1].set(jnp.where(n_read > 0, tokens, -1))  # place 0: the first word
    ends = jnp.arange(n_before, history.shape[1])  # where an n-gram may have ended
    last = n_read[:, None] - n_before + jnp.arange(n_before)[None]  # (N, n - 1), the places of the last words
    said = jnp.take_along_axis(history, jnp.maximum(last, 0), axis=1)
    windows = history[:, ends[:, None] - n_before + jnp.arange(n_before)[None]]  # (N, E, n - 1)
    again = jnp.all(windows == said[:, None], axis=2) & (ends[None] < n_read[:, None]) & (n_read >= n_before)[:, None]
    words = jnp.where(again, history[:, ends], logits.shape[1])  # one past the last word: dropped
    return (inner, n_read + 1, history), logits.at[rows[:, None], words].set(-jnp.inf, mode="drop")

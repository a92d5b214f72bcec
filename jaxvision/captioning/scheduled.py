"""Scheduled sampling: in training, some of the words that are read are the captioner's own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Int

from jaxvision.captioning.decoding import NEVER_CHOSEN
from jaxvision.captioning.steps import Words, check_step, log_softmax, may_be_chosen
from jaxvision.captioning.vocabulary import END, NULL, START
from jaxvision.errors import InputError
from jaxvision.pixels import Keys, example_keys, pytree_function
from jaxvision.signatures import StepFn


def scheduled_sampling(
    step: StepFn,
    carry: Any,
    captions: Int[Array, "n t"],
    key: Keys,
    rate: ArrayLike,
    *,
    forbidden: tuple[int, ...] = (*NEVER_CHOSEN, END),
) -> Int[Array, "n t"]:
    r"""What is read in training: each word of a caption is replaced, with a given probability, by one that was drawn.

    $$ y'_1 = y_1, \qquad y'_{t+1} = \begin{cases} w \sim p(w | y'_1, \dots, y'_t) & \text{with probability }
    \epsilon \\ y_{t+1} & \text{otherwise} \end{cases} $$

    No gradient goes through what is drawn. Read it in `caption_loss(..., read=...)`, where the captions themselves are
    predicted.

    Args:
        step: `(carry, tokens (N,)) -> (carry, logits (N, V))`, such as a captioner's `step`.
        carry: before the first word.
        captions: `(N, T)`: START, words, END, and NULL up to the length.
        key: one key, or N; a caption's words are drawn with its own.
        rate: $\epsilon$ in [0, 1], a scalar; may change from step to step.
        forbidden: words that are not drawn. END is among them, since nothing is ever read after it.

    Returns:
        `(N, T)`; NULL stays where it is.

    Raises:
        InputError: if carry, step, key or rate do not fit.

    Example:
        >>> step = lambda carry, tokens: (carry, jnp.zeros((2, 9)).at[:, 7].set(50.0))
        >>> captions = jnp.array([[1, 5, 6, 2], [1, 8, 2, 0]])
        >>> scheduled_sampling(step, jnp.zeros((2, 1)), captions, jax.random.key(0), 1.0)
        Array([[1, 7, 7, 7],
               [1, 7, 7, 0]], dtype=int32)

    References:
        Bengio et al., "Scheduled sampling for sequence prediction with recurrent neural networks",
        https://arxiv.org/abs/1506.03099, 2015, section 2.4 and algorithm of figure 1, where epsilon is the probability
        of the right word. Departure: END is not drawn.
    """
    if not isinstance(rate, Tracer) and not 0 <= np.asarray(rate) <= 1:
        raise InputError(f"rate must be the share of words that are drawn, in [0, 1], got {rate}")
    step, carry = jax.lax.stop_gradient((pytree_function(step), carry))
    words = Words(START, END, NULL, tuple(forbidden))
    n, n_words, _ = check_step(step, carry, words, captions.shape[1])
    keys, allowed = example_keys(key, n), may_be_chosen(n_words, words)

    def read_on(state: tuple[Any, Array], now: tuple[Array, Array]) -> tuple[tuple[Any, Array], Array]:
        carry, read = state
        right, position = now
        carry, logits = step(carry, read)
        log_p = log_softmax(jnp.where(allowed, logits, -jnp.inf))
        coins, draws = jnp.unstack(
            jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, position)))(keys), axis=1
        )
        drawn = jax.vmap(jax.random.categorical)(draws, log_p).astype(right.dtype)
        own = jax.vmap(lambda key: jax.random.bernoulli(key, rate))(coins) & (right != NULL)
        read = jnp.where(own, drawn, right)
        return (carry, read), read

    following = captions[:, 1:].T, jnp.arange(captions.shape[1] - 1)
    _, read = jax.lax.scan(read_on, (carry, captions[:, 0]), following)
    return jnp.concatenate([captions[:, :1], read.T], axis=1)

"""What a caption is worth: rewards of word ids, on the device."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from jaxvision.captioning.vocabulary import END, NULL
from jaxvision.metrics.captions import NgramWeights, token_cider_d

RewardFn = Callable[[Array], Array]
"""Captions of each image, tokens `(N, T)` as the decoders return them -> rewards `(N,)`."""


def cider_reward(
    weights: NgramWeights,
    references: Int[Array, "n r u"],
    reference_lengths: Int[Array, "n r"],
    *,
    end: bool = True,
) -> RewardFn:
    """CIDEr-D as a reward, a pytree whose references are inputs of a program.

    Args:
        weights: of the training set's n-grams, from `ngram_weights` over references that are counted as these are.
        references: `(N, R, U)`, of the batch's images, word ids words after START.
        reference_lengths: `(N, R)`; -1 where there is no such reference.
        end: whether END counts as a word, here and in the lengths of the references (`caption_lengths`). Without it
            nothing asks a caption to end well, and it learns to stop after `a` or `with`.

    Returns:
        Tokens `(N, T)` as the decoders return them -> `(N,)`.

    Example:
        >>> from jaxvision.metrics.captions import ngram_weights
        >>> references, lengths = jnp.array([[[5, 6, 2]], [[7, 8, 2]]]), jnp.array([[3], [3]])
        >>> reward = cider_reward(ngram_weights(references, lengths), references, lengths)
        >>> reward(jnp.array([[5, 6, 2, 0], [6, 5, 2, 0]])).round()
        Array([8., 0.], dtype=float32)
    """
    return jax.tree_util.Partial(partial(_cider_d, end=end), weights, references, reference_lengths)


def caption_lengths(tokens: Int[Array, "*n t"], *, end: bool = True) -> Int[Array, "*n"]:
    """How many words captions have, up to END or the first NULL.

    Args:
        tokens: `(..., T)`, the words after START.
        end: whether END is counted.

    Returns:
        `(...)`.

    Example:
        >>> caption_lengths(jnp.array([[5, 6, 2, 0], [5, 6, 7, 8], [0, 0, 0, 0]]))
        Array([3, 4, 0], dtype=int32)
    """
    before = jnp.cumsum(((tokens == END) | (tokens == NULL)).astype(jnp.int32), axis=-1) == 0
    ended = jnp.any((tokens == END) & (jnp.cumsum((tokens == NULL).astype(jnp.int32), axis=-1) == 0), axis=-1)
    return jnp.sum(before, axis=-1).astype(jnp.int32) + (ended & end).astype(jnp.int32)


def _cider_d(weights: NgramWeights, references: Array, reference_lengths: Array, tokens: Array, *, end: bool) -> Array:
    return token_cider_d(weights, tokens, caption_lengths(tokens, end=end), references, reference_lengths)

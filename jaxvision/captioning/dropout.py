r"""Dropout of what a captioner sees: one mask for a whole caption, whatever the captioner is made of.

A network that is read word by word sees its image and its words again and again. Masks that changed from word to word
would be noise that averages out over a caption; one mask for all of it is the dropout of a Bayesian network's weights.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxvision.captioning.vocabulary import END, NULL, START
from jaxvision.errors import InputError
from jaxvision.pixels import Keys, example_keys


def drop_features(features: Float[Array, "n *l d"], key: Keys, rate: float) -> Float[Array, "n *l d"]:
    r"""Features with some of them at zero, the same ones in every cell of an image's grid.

    $$ f'_{nld} = \frac{m_{nd}}{1 - p} f_{nld}, \qquad m_{nd} \sim \mathrm{Bernoulli}(1 - p) $$

    Args:
        features: `(N, D)`, or `(N, L, D)` of cells.
        key: one key, or N; an image's mask comes from its own.
        rate: p in [0, 1), the share that is dropped.

    Returns:
        Of the same shape.

    Raises:
        InputError: if the rate is not in [0, 1), or the keys do not fit.

    Example:
        >>> drop_features(jnp.ones((1, 2, 6)), jax.random.key(0), 0.5)[0]
        Array([[0., 2., 2., 2., 2., 0.],
               [0., 2., 2., 2., 2., 0.]], dtype=float32)

    References:
        Gal and Ghahramani, "A theoretically grounded application of dropout in recurrent neural networks",
        https://arxiv.org/abs/1512.05287, 2016, section 4. Departure: inputs are dropped, states are not.
    """
    _check_rate(rate)
    n, d = features.shape[0], features.shape[-1]
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, (d,)))(example_keys(key, n))
    keep = keep.reshape(n, *[1] * (features.ndim - 2), d)
    return jnp.where(keep, features / jnp.asarray(1 - rate, features.dtype), jnp.zeros((), features.dtype))


def drop_words(tokens: Int[Array, "n t"], key: Keys, rate: float) -> Int[Array, "n t"]:
    """Captions with some of their words missing; a word that is dropped is so wherever its caption has it.

    Args:
        tokens: `(N, T)`, what is read. START and END stay.
        key: one key, or N; what a caption loses comes from its own.
        rate: in [0, 1), the probability of a word.

    Returns:
        `(N, T)`, NULL in place of what was dropped.

    Raises:
        InputError: if the rate is not in [0, 1), or the keys do not fit.

    Example:
        >>> drop_words(jnp.array([[1, 5, 6, 5, 7, 6, 2]]), jax.random.key(1), 0.5)
        Array([[1, 5, 0, 5, 0, 0, 2]], dtype=int32)

    References:
        Gal and Ghahramani, https://arxiv.org/abs/1512.05287, 2016, section 4.2: rows of the embedding are dropped for
        a whole sequence. Departure: a word that is missing has the vector of NULL, which is learned, and not zero.
    """
    _check_rate(rate)

    def dropped(key: Array, token: Array) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(key, token), rate)

    gone = jax.vmap(jax.vmap(dropped, in_axes=(None, 0)))(example_keys(key, tokens.shape[0]), tokens)
    return jnp.where(gone & (tokens != START) & (tokens != END), jnp.full_like(tokens, NULL), tokens)


def _check_rate(rate: float) -> None:
    if not 0 <= rate < 1:
        raise InputError(f"rate must be the share that is dropped, at least 0 and below 1, got {rate}")

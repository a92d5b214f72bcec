"""A word of a caption as a class: what lets attribution say which pixels made it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Num

from jaxvision.captioning.vocabulary import START
from jaxvision.errors import InputError
from jaxvision.pixels import pytree_function
from jaxvision.signatures import LogitsFn


def word_logits_fn(
    encoder: Callable[[Array], Array],
    model: Callable[[Array, Array], Array],
    tokens: Num[ArrayLike, "..."],
    position: Num[ArrayLike, "..."],
    *,
    start: int | Int[Array, ""] = START,
) -> LogitsFn:
    r"""A captioner as a classifier of images, whose classes are the words that may stand at one place of a caption.

    $$ s_v(I) = \text{logit of } v \text{ after } w_1, \dots, w_{t-1} \text{, given } \mathrm{encoder}(I) $$

    The words before are held as they are, so that what changes with the image is this word alone. Handed to any method
    of `attribution` with the word that was said as the label, it shows which pixels made the word.

    Args:
        encoder: images `(N, H, W, C)` to what the captioner takes of them, such as features `(N, D)` or cells
            `(N, L, D)`, each image on its own. A pytree keeps its weights out of the program.
        model: `(features, tokens (N, T)) -> logits (N, T, V)`, such as a `Captioner` or an `AttentionCaptioner`.
        tokens: `(T,)`, the words after START of one caption, for all images; as the decoders return them.
        position: $t$, from 0 for the first word to T - 1. It, the tokens and the weights are arguments of the compiled
            program: one serves all words of all captions.
        start: read before the first word.

    Returns:
        Images to logits `(N, V)`, a pytree.

    Raises:
        InputError: if tokens or position have the wrong shape, type or range.

    Example:
        >>> from jaxvision.attribution import input_x_gradient
        >>> from jaxvision.captioning import captioner
        >>> model = captioner(jax.random.key(0), feature_size=3, vocabulary_size=9, embed_size=4, hidden_size=5)
        >>> mean_colour = lambda images: images.mean(axis=(1, 2))
        >>> said = jnp.array([5, 7, 2])
        >>> logits_fn = word_logits_fn(mean_colour, model, said, 1)
        >>> input_x_gradient(logits_fn, jnp.ones((1, 8, 8, 3)), said[1:2]).shape  # which pixels made word 7?
        (1, 8, 8, 3)
    """
    array = tokens if isinstance(tokens, jax.Array) else np.asarray(tokens)
    if array.ndim != 1 or not array.size or not jnp.issubdtype(array.dtype, jnp.integer):
        raise InputError(f"tokens must be integers of shape (T,), one caption, got {array.dtype} of {array.shape}")
    place = jnp.asarray(position)
    if place.ndim or not jnp.issubdtype(place.dtype, jnp.integer):
        raise InputError(f"position must be one integer, got {place.dtype} of shape {place.shape}")
    if not isinstance(place, Tracer) and not 0 <= int(place) < array.size:
        raise InputError(f"position must lie in [0, {array.size}), the caption's words, got {int(place)}")
    read = jnp.concatenate([jnp.full(1, start, jnp.int32), jnp.asarray(array, jnp.int32)[:-1]])
    return Partial(_word_logits, pytree_function(encoder), pytree_function(model), read, place.astype(jnp.int32))


def _word_logits(
    encoder: Callable[[Array], Array],
    model: Callable[[Array, Array], Array],
    read: Int[Array, " t"],
    position: Int[Array, ""],
    images: Float[Array, "n h w c"],
) -> Float[Array, "n v"]:
    features = encoder(images)
    logits = model(features, jnp.broadcast_to(read, (len(images), len(read))))  # (N, T, V)
    return jax.lax.dynamic_index_in_dim(logits, position, axis=1, keepdims=False)

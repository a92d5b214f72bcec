r"""CIDEr-D of captions that are rows of word ids, as one program: a reward for training on the device.

Nothing is hashed. Two n-grams are compared by their words. Weights are looked up in a tree of all n-grams that the
references have, four levels of arrays: the children of an n-gram are the n-grams of one word more that begin with it,
side by side and in the order of their last word, so that a binary search among them finds the next.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Int32

from jaxvision.errors import InputError
from jaxvision.metrics.captions.cider import MAX_ORDER

Ids = Int[ArrayLike, "..."]


class NgramWeights(NamedTuple):
    r"""How much n-grams weigh, $\log(|I| / d_k)$, in a tree; level n holds the n-grams of n words.

    Attributes:
        first: of each level, where the children of each n-gram of the level above begin, `(K + 1,)`.
        last: of each level, the n-grams' last words, `(K',)`.
        weights: of each level, `(K',)`.
        unknown: `()`, what an n-gram that is not there weighs, $\log |I|$.
    """

    first: tuple[Int32[Array, "..."], ...]
    last: tuple[Int32[Array, "..."], ...]
    weights: tuple[Float[Array, "..."], ...]
    unknown: Float[Array, ""]


class _Caption(NamedTuple):
    """One caption as four vectors of weighted n-grams, by the place where each begins."""

    tokens: Array  # (T,)
    valid: Array  # (4, T), where an n-gram of the caption begins
    weights: Array  # (4, T), zero elsewhere
    counts: Array  # (4, T), how often the caption has it
    norms: Array  # (4,)
    n_bigrams: Array  # ()


def ngram_weights(references: Ids, lengths: Ids) -> NgramWeights:
    """The weights of all n-grams of some references: counted once, for all rewards of a training.

    Args:
        references: `(M, R, T)`, word ids of up to R captions for each of M images.
        lengths: `(M, R)`, how many words each has; -1 where there is no such caption.

    Returns:
        The weights, for `token_cider_d`.

    Raises:
        InputError: if the shapes do not fit, or an image has no references.

    Example:
        >>> weights = ngram_weights(np.array([[[7, 8], [7, 9]], [[7, 0], [0, 0]]]), np.array([[2, 2], [1, -1]]))
        >>> weights.last[0], weights.weights[0].round(3)  # 7 is in both images
        (Array([7, 8, 9], dtype=int32), Array([0.   , 0.693, 0.693], dtype=float32))
    """
    ids, sizes = np.asarray(references, np.int64), np.asarray(lengths, np.int64)
    _check_references(ids, sizes)
    (n_images, _, n_steps), n_words = ids.shape, int(ids.max(initial=0)) + 1
    image = np.broadcast_to(np.arange(n_images)[:, None, None], ids.shape)
    parent, first, last, weights, n_parents = np.zeros_like(ids), [], [], [], 1
    for n in range(MAX_ORDER):
        rest = max(n_steps - n, 0)
        parent = parent[:, :, :rest]
        begins = np.arange(rest)[None, None] + n < sizes[:, :, None]  # an n-gram of n + 1 words
        codes = parent[begins] * n_words + ids[:, :, n:][begins]  # of sixty-two bits at most
        found, place = np.unique(codes, return_inverse=True)
        seen = np.unique(place * n_images + image[:, :, :rest][begins]) // n_images
        count = np.bincount(seen, minlength=len(found))
        first.append(np.searchsorted(found // n_words, np.arange(n_parents + 1)))
        last.append(found % n_words)
        weights.append(np.log(n_images) - np.log(count))
        parent = np.zeros_like(parent)
        parent[begins], n_parents = place, len(found)
    return NgramWeights(
        tuple(jnp.asarray(array, jnp.int32) for array in first),
        tuple(jnp.asarray(array, jnp.int32) for array in last),
        tuple(jnp.asarray(array, jnp.float32) for array in weights),
        jnp.asarray(np.log(n_images), jnp.float32),
    )


def token_cider_d(
    weights: NgramWeights,
    tokens: Int[Array, "n t"],
    lengths: Int[Array, " n"],
    references: Int[Array, "n r u"],
    reference_lengths: Int[Array, "n r"],
    *,
    sigma: ArrayLike = 6.0,
) -> Float[Array, " n"]:
    """`cider_d` of each image, of captions as word ids; may be part of a compiled program.

    Args:
        weights: from `ngram_weights`, which fixes the document frequencies.
        tokens: `(N, T)`, word ids of a caption for each image.
        lengths: `(N,)`, how many of them are words; what follows is not looked at.
        references: `(N, R, U)`, word ids of the references.
        reference_lengths: `(N, R)`, their lengths; -1 where there is no such reference.
        sigma: of the length term, in words.

    Returns:
        `(N,)`, in [0, 10]; 0 of an image without references.

    Raises:
        InputError: if an image has no references, unless this is part of a program.

    Example:
        >>> references = jnp.array([[[7, 8, 0], [5, 6, 8]], [[7, 9, 0], [0, 0, 0]]])
        >>> sizes = jnp.array([[2, 3], [2, -1]])
        >>> weights, captions = ngram_weights(references, sizes), jnp.array([[7, 8], [7, 4]])
        >>> scores = token_cider_d(weights, captions, jnp.array([2, 2]), references, sizes)
        >>> [round(float(score), 2) for score in scores]
        [3.21, 0.0]

    References:
        As `cider_d`, whose scores these are to 1e-5. Rennie et al., "Self-critical sequence training for image
        captioning", https://arxiv.org/abs/1612.00563, 2017, section 6: as a reward.
    """
    if not isinstance(reference_lengths, Tracer):
        _check_references(references, reference_lengths)
    return _token_cider_d(weights, tokens, lengths, references, reference_lengths, sigma)


@jax.jit
def _token_cider_d(
    weights: NgramWeights, tokens: Array, lengths: Array, references: Array, reference_lengths: Array, sigma: ArrayLike
) -> Array:
    def one(tokens: Array, length: Array, references: Array, lengths: Array) -> Array:
        """Of one image: `(T,)`, `()`, `(R, U)`, `(R,)`."""
        said = _caption(weights, tokens, length)
        written = jax.vmap(_caption, in_axes=(None, 0, 0))(weights, references, lengths)
        cosines = jax.vmap(_cosines, in_axes=(None, 0))(said, written)  # (R,)
        further = (said.n_bigrams[None] - written.n_bigrams).astype(cosines.dtype)
        alike = cosines * jnp.exp(-(further**2) / (2 * jnp.asarray(sigma, cosines.dtype) ** 2))
        given = lengths >= 0
        total = jnp.sum(jnp.where(given, alike, 0.0)) * (10 / MAX_ORDER)
        return total / jnp.maximum(jnp.sum(given), 1).astype(cosines.dtype)

    return jax.vmap(one)(tokens, lengths, references, reference_lengths)


def _caption(tree: NgramWeights, tokens: Array, length: Array) -> _Caption:
    valid = jnp.arange(tokens.shape[0])[None] + jnp.arange(MAX_ORDER)[:, None] < length  # (4, T)
    place, found = jnp.zeros(tokens.shape, jnp.int32), list[Array]()
    for n in range(MAX_ORDER):
        place, weight = _child(tree, n, place, jnp.roll(tokens, -n))
        found.append(weight)
    weights = jnp.where(valid, jnp.stack(found), 0.0)
    alone = _Caption(tokens, valid, weights, jnp.zeros_like(valid, jnp.int32), jnp.zeros(MAX_ORDER), length)
    counts = jnp.sum(_same(alone, alone), axis=2)  # (4, T)
    # Each of the places where an n-gram begins has its part of the n-gram's square.
    norms = jnp.sqrt(jnp.sum(counts.astype(weights.dtype) * weights**2, axis=1))
    return alone._replace(counts=counts, norms=norms, n_bigrams=jnp.maximum(length - 1, 0))


def _cosines(said: _Caption, written: _Caption) -> Array:
    """The sum over orders of the clipped cosines."""
    there = jnp.sum(_same(said, written), axis=2)  # (4, T), how often the reference has it
    clipped = jnp.minimum(said.counts, there) * there
    shares = clipped.astype(said.weights.dtype) / jnp.maximum(said.counts, 1).astype(said.weights.dtype)
    norms = said.norms * written.norms
    products = jnp.sum(shares * said.weights**2, axis=1)
    return jnp.sum(jnp.where(norms > 0, products / jnp.where(norms > 0, norms, 1.0), 0.0))


def _same(a: _Caption, b: _Caption) -> Array:
    """Where n-grams of two captions are the same, `(4, T, U)`; what `roll` brings round the end is not valid."""
    equal, found = jnp.ones((1, 1), bool), list[Array]()
    for n in range(MAX_ORDER):
        equal = equal & (jnp.roll(a.tokens, -n)[:, None] == jnp.roll(b.tokens, -n)[None])
        found.append(equal)
    return jnp.stack(found) & a.valid[:, :, None] & b.valid[:, None]


def _child(tree: NgramWeights, n: int, parent: Array, token: Array) -> tuple[Array, Array]:
    """The place of an n-gram of one word more, -1 where it is not there, and what it weighs."""
    first, last, weights = tree.first[n], tree.last[n], tree.weights[n]
    n_ngrams = last.shape[0]
    if n_ngrams == 0:
        return jnp.full_like(parent, -1), jnp.full(parent.shape, tree.unknown)
    known = parent >= 0
    low, end = first[jnp.maximum(parent, 0)], first[jnp.maximum(parent, 0) + 1]

    def halve(_: Array, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) // 2
        further = (low < high) & (last[jnp.minimum(middle, n_ngrams - 1)] < token)
        return jnp.where(further, middle + 1, low), jnp.where(further, high, middle)

    place, _ = jax.lax.fori_loop(0, n_ngrams.bit_length(), halve, (low, end))
    at = jnp.minimum(place, n_ngrams - 1)
    there = known & (place < end) & (last[at] == token)
    return jnp.where(there, at, -1), jnp.where(there, weights[at], tree.unknown)


def _check_references(references: Any, lengths: Any) -> None:
    ids, sizes = np.asarray(references), np.asarray(lengths)
    if ids.ndim != 3 or sizes.shape != ids.shape[:2] or sizes.size == 0:
        raise InputError(
            "references must be word ids (N, R, T) of at least one image, and their lengths (N, R), "
            f"got shapes {ids.shape} and {sizes.shape}"
        )
    if ids.size and (ids.min() < 0 or ids.max() >= 2**31):
        raise InputError(f"word ids must lie in [0, 2^31), got {ids.min()} to {ids.max()}")
    if sizes.max() > ids.shape[2]:
        raise InputError(f"a reference cannot have {sizes.max()} words in a row of {ids.shape[2]}")
    if (without := (sizes < 0).all(axis=1)).any():
        raise InputError(f"image {without.argmax()} has no references: give it at least one, or leave it out")

"""What decoding asks of a step: any function `(carry, tokens (N,)) -> (carry, logits (N, V))`."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvision.errors import InputError
from jaxvision.signatures import StepFn

Values = TypeVar("Values")


class OfImages(NamedTuple, Generic[Values]):
    """Marks what a carry holds of each image and no step changes, such as the cells that an attention looks at.

    Where an image has several captions, as in a beam search, each has a row in the rest of the carry, side by side;
    this stays as it is, one row for each image.

    Attributes:
        values: a pytree whose leaves have one row for each image.

    Example:
        >>> OfImages(jnp.zeros((2, 49, 512))).values.shape
        (2, 49, 512)
    """

    values: Values


class Words(NamedTuple):
    """The words with a meaning of their own, by their ids.

    Attributes:
        start: read before the first word.
        end: ends a caption.
        null: fills up after the end.
        forbidden: never chosen.
    """

    start: int
    end: int
    null: int
    forbidden: tuple[int, ...] = ()


class Sizes(NamedTuple):
    """What the arrays of a decoder are made of.

    Attributes:
        n: captions.
        n_words: V.
        dtype: of log-probabilities.
    """

    n: int
    n_words: int
    dtype: np.dtype


def check_step(step: StepFn, carry: Any, words: Words, max_length: int) -> Sizes:
    """How many captions and how many words there are, or one sentence saying what does not fit.

    Args:
        step: a pytree, see `pixels.pytree_function`; it is traced, not run.
        carry: a pytree whose leaves have the leading axis N, those in `OfImages` one that divides it.
        words: the words with a meaning of their own.
        max_length: words at most.

    Returns:
        N, V, and the type of log-probabilities.

    Raises:
        InputError: if carry, step, words or length do not fit.

    Example:
        >>> step = jax.tree_util.Partial(lambda carry, tokens: (carry, carry[:, :3]))
        >>> check_step(step, jnp.zeros((2, 3)), Words(start=1, end=5, null=0), 10)
        Traceback (most recent call last):
        jaxvision.errors.InputError: end must be one of the step's 3 words, in [0, 3), got 5
    """
    if max_length < 1:
        raise InputError(f"max_length must be a number of words of at least 1, got {max_length}")
    n = count_rows(carry)
    logits = _check_result(step, carry, n)
    n_words = logits.shape[1]
    named = [("start", words.start), ("end", words.end), *(("forbidden", word) for word in words.forbidden)]
    for name, word in named:
        if not 0 <= word < n_words:
            raise InputError(f"{name} must be one of the step's {n_words} words, in [0, {n_words}), got {word}")
    if len(set(words.forbidden)) == n_words:
        raise InputError(f"forbidden holds all {n_words} words: leave one that can be chosen")
    return Sizes(n, n_words, jax.eval_shape(log_softmax, logits).dtype)


def of_captions(function: Callable[[Array], Array], carry: Any) -> Any:
    """The carry with a function applied to all that has a row for each caption; `OfImages` stays as it is.

    Args:
        function: of an array `(M, ...)`.
        carry: a pytree.

    Returns:
        A pytree of the same structure.

    Example:
        >>> of_captions(lambda leaf: leaf[1:], (jnp.arange(2), OfImages(jnp.arange(2))))
        (Array([1], dtype=int32), OfImages(values=Array([0, 1], dtype=int32)))
    """
    return jax.tree.map(
        lambda node: node if isinstance(node, OfImages) else function(node),
        carry,
        is_leaf=lambda node: isinstance(node, OfImages),
    )


def log_softmax(logits: Float[Array, "n v"]) -> Float[Array, "n v"]:
    r"""Each word's log-probability, in single precision at least.

    $$ \log p_v = s_v - \log \sum_u e^{s_u} $$

    Args:
        logits: `(N, V)`.

    Returns:
        `(N, V)`, at least float32: half precision would round the sum over a caption.

    Example:
        >>> log_softmax(jnp.zeros((1, 2), jnp.bfloat16))
        Array([[-0.6931472, -0.6931472]], dtype=float32)
    """
    return jax.nn.log_softmax(logits.astype(jnp.float32) if logits.dtype.itemsize < 4 else logits, axis=1)


def may_be_chosen(n_words: int, words: Words) -> Bool[np.ndarray, "1 v"]:
    """True for the words that are not forbidden.

    Args:
        n_words: V.
        words: with those that are forbidden.

    Returns:
        `(1, V)`.

    Example:
        >>> may_be_chosen(4, Words(start=1, end=2, null=0, forbidden=(0, 1))).tolist()
        [[False, False, True, True]]
    """
    return ~np.isin(np.arange(n_words), words.forbidden)[None]


def count_rows(carry: Any) -> int:
    """The number of captions that a carry is of, or one sentence saying what does not fit.

    Args:
        carry: a pytree whose leaves have the leading axis N, those in `OfImages` one that divides it.

    Returns:
        N.

    Raises:
        InputError: if there is no array, or arrays differ in N.

    Example:
        >>> count_rows((jnp.zeros((4, 3)), OfImages(jnp.zeros((2, 9)))))
        4
    """
    nodes = jax.tree.leaves(carry, is_leaf=lambda node: isinstance(node, OfImages))
    shapes = [np.shape(leaf) for leaf in nodes if not isinstance(leaf, OfImages)]
    if not shapes:
        raise InputError(
            "carry must hold an array with one row for each caption, got no array: "
            "give jnp.zeros((N, 0)) where the step remembers nothing"
        )
    if any(shape[:1] != shapes[0][:1] or not shape for shape in shapes):
        listed = ", ".join(map(str, dict.fromkeys(shapes)))
        raise InputError(f"every array of carry must have one row for each caption, shape (N, ...), got {listed}")
    n = shapes[0][0]
    images = [np.shape(leaf) for node in nodes if isinstance(node, OfImages) for leaf in jax.tree.leaves(node)]
    if any(not shape or shape[0] == 0 or n % shape[0] for shape in images):
        listed = ", ".join(map(str, dict.fromkeys(images)))
        raise InputError(f"{n} captions must be equally many of each image, got arrays of images {listed}")
    return n


def _check_result(step: StepFn, carry: Any, n: int) -> jax.ShapeDtypeStruct:
    before, result = jax.eval_shape(_call, step, carry, jax.ShapeDtypeStruct((n,), jnp.int32))
    if not isinstance(result, tuple) or len(result) != 2:
        raise InputError(f"step must return (carry, logits), got a {type(result).__name__}")
    after, logits = result
    if not isinstance(logits, jax.ShapeDtypeStruct) or len(logits.shape) != 2 or logits.shape[0] != n:
        got = f"shape {logits.shape}" if isinstance(logits, jax.ShapeDtypeStruct) else f"a {type(logits).__name__}"
        raise InputError(f"step must return logits (N, V) with N = {n} for {n} words, got {got}")
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise InputError(f"step must return logits that are floats, got {logits.dtype}")
    if _described(after) != _described(before):
        raise InputError(
            "step must return a carry of the structure, shapes and types that it was given, "
            f"got {_in_words(after)} for {_in_words(before)}"
        )
    return logits


def _described(tree: Any) -> tuple[Any, ...]:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _in_words(tree: Any) -> str:
    return ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(tree)) or "nothing"


def _call(step: StepFn, carry: Any, tokens: Array) -> tuple[Any, Any]:
    """A function of its own: with the step as an argument one trace serves all its weights."""
    return carry, step(carry, tokens)

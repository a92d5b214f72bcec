"""The Square attack: random squares of noise, kept where they help. It asks for logits alone, never for a gradient."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets, check_known
from jaxvision.adversarial.losses import margin_loss
from jaxvision.adversarial.pgd import AttackResult, LossFn
from jaxvision.adversarial.sizes import linf_size, over_images
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, Keys, example_keys, in_chunks, margin, pytree_function
from jaxvision.signatures import LogitsFn

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10000 steps: the share of pixels is halved after each


def square(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike,
    key: Keys,
    n_steps: int = 5000,
    share: ArrayLike = 0.8,
    bounds: Bounds = (0.0, 1.0),
    loss: LossFn = margin_loss,
) -> AttackResult:
    r"""Random search in $\ell_\infty$: set a random square to plus or minus eps, and keep it where the loss rises.

    $$ \delta' = \Pi(\delta + 2 \epsilon\, \rho_c\, [\text{pixel in square}]), \qquad \rho_c \in \{-1, 1\}, \qquad
       \delta \leftarrow \delta' \text{ where } L(x + \delta') > L(x + \delta) $$

    It begins with vertical stripes of plus or minus eps. The square covers a share $p$ of the pixels, which is halved
    as the search goes on: after 0.1, 0.5, 2, 5, 10, 20, 40, 60 and 80 percent of the steps. A step is one forward pass.
    An image that is fooled is done, one that is so from the first is returned as it is, and the program ends with the
    last of them. Each image has its own squares.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own; it need not have a derivative.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`, the true classes.
        eps: $\epsilon$, in the images' unit: a number, or one for each image `(N,)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.
        n_steps: squares tried.
        share: $p$ at first, above 0 and at most 1.
        bounds: the lowest and the highest value, numbers or one for each channel `(C,)`.
        loss: `(logits (N, K), labels (N,)) -> (N,)`, higher the more wrong the classifier is.

    Returns:
        Images, success, loss and size (the largest change of a value).

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images.mean((1, 2, 3)), jnp.full(len(images), 0.3)], axis=1)
        >>> image = jnp.full((1, 8, 8, 1), 0.5)  # fooled where it is darker than 0.3
        >>> result = square(logits_fn, image, jnp.array([0]), eps=0.25, key=jax.random.key(0))
        >>> result.success, result.size
        (Array([ True], dtype=bool), Array([0.25], dtype=float32))

    References:
        Andriushchenko, Croce, Flammarion and Hein, "Square attack: a query-efficient black-box adversarial attack via
        random search", https://arxiv.org/abs/1912.00049, 2019, algorithms 1 and 2, and section 3.2: the shares, here
        for any number of steps. Departure: a square may touch every edge.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    eps = check_budgets(eps, images, "eps")
    if n_steps < 0:
        raise InputError(f"expected n_steps of at least 0, got {n_steps}")
    check_known("share", share, "above 0 and at most 1", lambda x: (x > 0) & (x <= 1))
    limits = check_bounds(images, bounds)
    search = _Search(
        pytree_function(logits_fn), pytree_function(loss), limits, n_steps, jnp.asarray(share, images.dtype)
    )
    return jax.lax.stop_gradient(_square(search, images, labels, eps, example_keys(key, len(images))))


class _Search(NamedTuple):
    """What is the same for all images."""

    logits_fn: LogitsFn
    loss_fn: LossFn
    bounds: tuple[Array, Array]
    n_steps: ArrayLike
    share: Array


class _State(NamedTuple):
    step: Int[Array, ""]
    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]
    loss: Float[Array, " n"]


@jax.jit
def _square(
    search: _Search,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, " n"],
    keys: Key[Array, " n"],
) -> AttackResult:
    return in_chunks(functools.partial(_find, search), images, labels, eps, keys)


def _find(search: _Search, clean: Array, labels: Array, eps: Array, keys: Array) -> AttackResult:
    low, high = search.bounds
    budget = over_images(eps)
    lowest, highest = jnp.maximum(clean - budget, low), jnp.minimum(clean + budget, high)
    _, height, width, channels = clean.shape

    def judge(images: Array, step: ArrayLike) -> _State:
        logits = search.logits_fn(images)
        success, loss = margin(logits, labels) < 0, search.loss_fn(logits, labels)
        return _State(jnp.asarray(step, jnp.int32), images, success, loss)

    def better(old: _State, new: _State) -> _State:
        """Success first, then the higher loss; after a success nothing is."""
        improves = ~old.success & (new.success | (new.loss > old.loss))
        images, success, loss = jax.tree.map(functools.partial(jax.vmap(jnp.where), improves), new[1:], old[1:])
        return _State(new.step, images, success, loss)

    def step(state: _State) -> _State:
        side = _side(search, state.step, height, width)
        squares = jax.vmap(functools.partial(_draw, side, clean.shape[1:], clean.dtype))(
            jax.vmap(jax.random.fold_in, (0, None))(keys, state.step + 1)
        )
        images = jnp.clip(state.images + 2 * budget * squares, lowest, highest)
        return better(state, judge(images, state.step + 1))

    def unfinished(state: _State) -> Array:
        return (state.step < search.n_steps) & ~jnp.all(state.success)

    stripes = jax.vmap(lambda key: jax.random.rademacher(jax.random.fold_in(key, 0), (1, width, channels), clean.dtype))
    first = judge(jnp.clip(clean + budget * stripes(keys), lowest, highest), 0)
    given = judge(clean, 0)
    state = better(given._replace(loss=jnp.where(given.success, given.loss, -jnp.inf)), first)
    state = jax.lax.while_loop(unfinished, step, state)
    return AttackResult(state.images, state.success, state.loss, linf_size(state.images - clean))


def _side(search: _Search, step: Array, height: int, width: int) -> Int[Array, ""]:
    """Of the square, in pixels: at least one, and less than the image where that has more than one."""
    gone = 10_000 * (step.astype(jnp.float32) / jnp.maximum(jnp.asarray(search.n_steps, jnp.float32), 1))
    n_halvings = jnp.sum(jnp.floor(gone) > jnp.asarray(HALVINGS, jnp.float32), dtype=jnp.int32)
    share = search.share.astype(jnp.float32) * 0.5 ** n_halvings.astype(jnp.float32)
    side = jnp.round(jnp.sqrt(share * height * width)).astype(jnp.int32)
    return jnp.clip(side, 1, max(min(height, width) - 1, 1))


def _draw(side: Array, shape: tuple[int, ...], dtype: jnp.dtype, key: Array) -> Float[Array, "h w c"]:
    """A square somewhere in the image, plus or minus 1 in each channel, and 0 around it."""
    height, width, channels = shape
    where, signs = jax.random.split(key)
    room = (jnp.array([height, width], jnp.int32) - side + 1).astype(jnp.float32)
    top, left = (jax.random.uniform(where, (2,), jnp.float32) * room).astype(jnp.int32)
    rows, columns = jnp.arange(height, dtype=jnp.int32) - top, jnp.arange(width, dtype=jnp.int32) - left
    inside = ((rows >= 0) & (rows < side))[:, None] & ((columns >= 0) & (columns < side))[None]
    return inside.astype(dtype)[:, :, None] * jax.random.rademacher(signs, (1, 1, channels), dtype)

"""DeepFool: the shortest way out of a class, along a classifier's own straight-line picture of itself."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_known
from jaxvision.adversarial.sizes import l2_size, or_one, over_images
from jaxvision.errors import InputError
from jaxvision.pixels import in_chunks, margin, pytree_function, target_logit
from jaxvision.signatures import LogitsFn

NUDGE = 1e-4  # added to each step, in the images' unit: beyond a boundary, and off it where there is a tie


class DeepFoolResult(NamedTuple):
    """Images just beyond a boundary and how they got there.

    Attributes:
        images: `(N, H, W, C)`, in the range of the images given.
        success: `(N,)` bool, whether another class than at first is the one prediction for these images.
        size: `(N,)`, the perturbation's Euclidean length in the images' unit.
        steps: `(N,)` int32, steps made.
    """

    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]
    size: Float[Array, " n"]
    steps: Int[Array, " n"]


def deepfool(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    *,
    n_steps: int = 50,
    n_classes: int = 10,
    overshoot: ArrayLike = 0.02,
    bounds: Bounds = (0.0, 1.0),
) -> DeepFoolResult:
    r"""Step to the nearest boundary as if the logits were linear, until the prediction changes.

    $$ f_k = s_k(x_t) - s_{\hat k}(x_t), \quad w_k = \nabla f_k, \quad
       l = \arg\min_{k \ne \hat k} \frac{|f_k|}{\lVert w_k \rVert_2}, \quad
       r_t = \frac{|f_l|}{\lVert w_l \rVert_2^2}\, w_l, \quad
       x_{t+1} = x_0 + (1 + \eta) \sum_{i \le t} r_i $$

    $\hat k$ is the classifier's own prediction for the image; no label is asked for. An image that has left its class
    stands still while others go on, and the program ends with the last of them. All derivatives of a step come from one
    forward pass.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        n_steps: steps at most.
        n_classes: how many classes are looked at, the highest at first and its own among them: a step costs a backward
            pass for each but its own.
        overshoot: $\eta$.
        bounds: the lowest and the highest value, to which every $x_t$ is clipped: numbers, or one for each channel.

    Returns:
        Images, success, size and steps.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)
        >>> image = jnp.array([0.75, 0.25]).reshape(1, 1, 2, 1)  # the boundary is where both are 0.5
        >>> result = deepfool(logits_fn, image)
        >>> [round(value, 2) for value in result.images.ravel().tolist()], result.steps.item()
        ([0.49, 0.51], 1)

    References:
        Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep neural networks",
        https://arxiv.org/abs/1511.04599, 2015, algorithm 2. Departures, as in the authors' program: the overshoot is
        part of every $x_t$, 1e-4 is added to the length of $r_t$, and only the `n_classes` likeliest classes count.
        The bounds are not the authors'.
    """
    images, _ = check_attacked(logits_fn, images, np.zeros(np.shape(images)[:1], np.int32))  # logits_fn gives logits
    if n_classes < 2 or n_steps < 0:
        raise InputError(f"expected n_classes of at least 2 and n_steps of at least 0, got {n_classes} and {n_steps}")
    check_known("overshoot", overshoot, "finite", np.isfinite)
    limits = check_bounds(images, bounds)
    scale = 1 + jnp.asarray(overshoot, images.dtype)
    result = _deepfool(n_classes, pytree_function(logits_fn), images, n_steps, scale, limits)
    return jax.lax.stop_gradient(result)


class _State(NamedTuple):
    step: Int[Array, ""]
    images: Float[Array, "n h w c"]
    total: Float[Array, "n h w c"]  # the sum of the steps
    fooled: Bool[Array, " n"]
    steps: Int[Array, " n"]


@functools.partial(jax.jit, static_argnums=0)
def _deepfool(
    n_classes: int,
    logits_fn: LogitsFn,
    images: Float[Array, "n h w c"],
    n_steps: ArrayLike,
    scale: Array,
    bounds: tuple[Array, Array],
) -> DeepFoolResult:
    logits_fn, images = jax.lax.stop_gradient((logits_fn, images))
    return in_chunks(functools.partial(_leave, logits_fn, n_classes, n_steps, scale, bounds), images)


def _leave(
    logits_fn: LogitsFn, n_classes: int, n_steps: ArrayLike, scale: Array, bounds: tuple[Array, Array], clean: Array
) -> DeepFoolResult:
    n, logits = len(clean), logits_fn(clean)
    classes = jax.lax.top_k(logits, min(n_classes, logits.shape[1]))[1]  # (N, C), the prediction first

    def step(state: _State) -> _State:
        logits, pull_back = jax.vjp(logits_fn, state.images)
        fooled = state.fooled | (margin(logits, classes[:, 0]) < 0)
        moves = ~fooled & (state.step < n_steps)

        def move(state: _State) -> _State:
            total = state.total + _to_nearest(logits, lambda y: pull_back(y)[0], classes)
            images = jnp.clip(clean + scale * total, *bounds)
            keep = functools.partial(jax.vmap(jnp.where), moves)
            steps = state.steps + moves.astype(jnp.int32)
            return state._replace(images=keep(images, state.images), total=keep(total, state.total), steps=steps)

        state = jax.lax.cond(jnp.any(moves), move, lambda state: state, state)  # the last pass is forward only
        return state._replace(step=state.step + 1, fooled=fooled)

    def unfinished(state: _State) -> Array:
        return (state.step <= n_steps) & ~jnp.all(state.fooled)

    nothing = jnp.zeros(n, jnp.int32)
    state = _State(jnp.zeros((), jnp.int32), clean, jnp.zeros_like(clean), jnp.zeros(n, bool), nothing)
    state = jax.lax.while_loop(unfinished, step, state)
    return DeepFoolResult(state.images, state.fooled, l2_size(state.images - clean), state.steps)


def _to_nearest(logits: Array, pull_back: Callable[[Array], Array], classes: Int[Array, "n c"]) -> Array:
    """A step to the boundary that is nearest if logits are linear: `pull_back` takes `(N, K)` to `(N, H, W, C)`."""
    n_classes = logits.shape[1]
    own = jax.nn.one_hot(classes[:, 0], n_classes, dtype=logits.dtype)
    others = jax.nn.one_hot(classes[:, 1:].T, n_classes, dtype=logits.dtype)  # (C - 1, N, K)
    slopes = jax.vmap(pull_back)(others - own[None])  # (C - 1, N, H, W, C)
    lengths = jax.vmap(l2_size)(slopes)  # (C - 1, N)
    gaps = jnp.abs(
        jax.vmap(target_logit, (None, 0))(logits, classes[:, 1:].T) - target_logit(logits, classes[:, 0])[None]
    )
    distances = jnp.where(lengths > 0, gaps / jnp.where(lengths > 0, lengths, 1), jnp.inf)
    nearest = jnp.argmin(distances, axis=0)  # (N,)

    def chosen(values: Array) -> Array:
        return jax.vmap(lambda column, index: column[index], (1, 0))(values, nearest)

    slope, length, distance = chosen(slopes), chosen(lengths), chosen(distances)
    reach = jnp.where(length > 0, (distance + NUDGE) / or_one(length), 0)
    return over_images(reach) * slope

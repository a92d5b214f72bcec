"""FAB, the fast adaptive boundary attack: the smallest perturbation that fools, by steps along the boundary."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets, check_known
from jaxvision.adversarial.losses import margin_loss
from jaxvision.adversarial.norms import L2, LINF, Norm
from jaxvision.adversarial.pgd import AttackResult
from jaxvision.adversarial.planes import onto_plane
from jaxvision.adversarial.sizes import over_images
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, in_chunks, margin, pytree_function, target_logit
from jaxvision.signatures import LogitsFn

NEAREST = 1e-8  # a distance to the boundary is at least this, so that two of zero can be weighed


def fab(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike = 0.0,
    n_target_classes: int = 9,
    n_steps: int = 100,
    norm: Norm = LINF,
    bounds: Bounds = (0.0, 1.0),
    bias: ArrayLike = 0.1,
    overshoot: ArrayLike = 1.05,
    backward: ArrayLike = 0.9,
) -> AttackResult:
    r"""Step to the boundary as if it were a plane, with a pull towards where the plane is nearest to the image itself.

    $$ x_{t+1} = \operatorname{clip}\bigl( (1 - \alpha) (x_t + \eta\, \delta_t) + \alpha (x + \eta\, \delta) \bigr),
       \qquad \alpha = \min \Bigl( \frac{\lVert \delta_t \rVert}{\lVert \delta_t \rVert + \lVert \delta \rVert},
       \alpha_{\max} \Bigr) $$

    $\delta_t$ and $\delta$ are the smallest perturbations of $x_t$ and of the image $x$ to the plane $s_k - s_y = 0$,
    linearised at $x_t$, that stay within the bounds. A fooling $x_{t+1}$ is kept if it is the nearest so far, and the
    next step begins at $x + \beta (x_{t+1} - x)$. Each of the likeliest other classes $k$ is aimed at in turn, from the
    image itself. No key is asked for: nothing is random. A step is two passes forward and one backward.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`, the true classes.
        eps: what is small enough, in the images' unit: a number, or one for each image `(N,)`. An image fooled by a
            perturbation of at most this size is done; 0 looks for the smallest to the end.
        n_target_classes: how many targets; all others where the classifier has no more.
        n_steps: steps for each target.
        norm: of the perturbation: `LINF` or `L2`.
        bounds: the lowest and the highest value, numbers or one for each channel `(C,)`.
        bias: $\alpha_{\max}$, from 0 to 1.
        overshoot: $\eta$, 1 or more.
        backward: $\beta$, from 0 to 1.

    Returns:
        Images, success (whether another class than the label wins, whatever the size), loss (`margin_loss`) and size;
        where there is no success, the image itself.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)
        >>> image = jnp.array([0.75, 0.25]).reshape(1, 1, 2, 1)  # the boundary is where both are 0.5
        >>> result = fab(logits_fn, image, jnp.array([0]))
        >>> result.success, result.size.round(2)
        (Array([ True], dtype=bool), Array([0.25], dtype=float32))

    References:
        Croce and Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack",
        https://arxiv.org/abs/1907.02044, 2019, algorithm 1. Croce and Hein, "Reliable evaluation of adversarial
        robustness with an ensemble of diverse parameter-free attacks", https://arxiv.org/abs/2003.01690, 2020,
        section 5: aimed at classes in turn. Departures: no restarts from random points, no last search by halving.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    eps = check_budgets(eps, images, "eps")
    if norm not in (LINF, L2):
        raise InputError("norm must be LINF or L2")
    if n_target_classes < 1 or n_steps < 0:
        raise InputError(
            f"expected n_target_classes of at least 1 and n_steps of at least 0, got {n_target_classes} and {n_steps}"
        )
    for name, share in (("bias", bias), ("backward", backward)):
        check_known(name, share, "from 0 to 1", lambda x: (x >= 0) & (x <= 1))
    check_known("overshoot", overshoot, "1 or more and finite", lambda x: (x >= 1) & (x < np.inf))
    rates = (jnp.asarray(x, images.dtype) for x in (bias, overshoot, backward))
    problem = _Problem(pytree_function(logits_fn), check_bounds(images, bounds), n_steps, *rates)
    return jax.lax.stop_gradient(_fab(norm, n_target_classes, problem, images, labels, eps))


class _Problem(NamedTuple):
    """What is the same for all images."""

    logits_fn: LogitsFn
    bounds: tuple[Array, Array]
    n_steps: ArrayLike
    bias: Array
    overshoot: Array
    backward: Array


class _State(NamedTuple):
    step: Int[Array, ""]
    images: Float[Array, "n h w c"]
    nearest: Float[Array, "n h w c"]
    size: Float[Array, " n"]  # of the nearest, infinite where none fools


@functools.partial(jax.jit, static_argnums=(0, 1))
def _fab(
    norm: Norm,
    n_targets: int,
    problem: _Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, " n"],
) -> AttackResult:
    problem, images, eps = jax.lax.stop_gradient((problem, images, eps))
    return in_chunks(functools.partial(_attack, norm, n_targets, problem), images, labels, eps)


def _attack(norm: Norm, n_targets: int, problem: _Problem, clean: Array, labels: Array, eps: Array) -> AttackResult:
    low, high = problem.bounds
    logits = problem.logits_fn(clean)
    n_classes = logits.shape[1]
    others = jnp.where(jax.nn.one_hot(labels, n_classes, dtype=bool), -jnp.inf, logits)
    targets = jax.lax.top_k(others, min(n_targets, n_classes - 1))[1]  # (N, T), the likeliest first

    def fooled(logits: Array) -> Array:
        return margin(logits, labels) < 0

    def moved(images: Array, target: Array) -> Array:
        def lead(images: Array) -> Array:
            logits = problem.logits_fn(images)
            return target_logit(logits, target) - target_logit(logits, labels)

        gap, pull_back = jax.vjp(lead, images)
        (normal,) = pull_back(jnp.ones_like(gap))
        from_clean = gap + jnp.sum(normal * (clean - images), axis=(1, 2, 3))
        here = onto_plane(norm, normal, -gap, low - images, high - images)
        there = onto_plane(norm, normal, -from_clean, low - clean, high - clean)
        near, far = (jnp.maximum(norm.size(x), NEAREST) for x in (here, there))
        pull = over_images(jnp.minimum(near / (near + far), problem.bias))
        step = (1 - pull) * (images + problem.overshoot * here) + pull * (clean + problem.overshoot * there)
        return jnp.clip(step, low, high)

    def step(target: Array, state: _State) -> _State:
        images = moved(state.images, target)
        success, size = fooled(problem.logits_fn(images)), norm.size(images - clean)
        keep = functools.partial(jax.vmap(jnp.where), success & (size < state.size) & (state.size > eps))
        back = jnp.clip(clean + problem.backward * (images - clean), low, high)
        images, nearest = jax.vmap(jnp.where)(success, back, images), keep(images, state.nearest)
        return _State(state.step + 1, images, nearest, keep(size, state.size))

    def unfinished(state: _State) -> Array:
        return (state.step < problem.n_steps) & jnp.any(state.size > eps)

    def run(trial: ArrayLike, state: _State) -> _State:
        begin = state._replace(step=jnp.zeros((), jnp.int32), images=clean)
        return jax.lax.while_loop(unfinished, functools.partial(step, jnp.take(targets, trial, axis=1)), begin)

    size = jnp.where(fooled(logits), jnp.zeros_like(eps), jnp.inf)
    state = jax.lax.fori_loop(0, targets.shape[1], run, _State(jnp.zeros((), jnp.int32), clean, clean, size))
    success, loss = state.size < jnp.inf, margin_loss(problem.logits_fn(state.nearest), labels)
    return AttackResult(state.nearest, success, loss, norm.size(state.nearest - clean))

"""The climb of Auto-PGD: what `apgd` and `apgd_targeted` do, which differ in the loss alone."""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets
from jaxvision.adversarial.norms import L2, LINF, Norm
from jaxvision.adversarial.pgd import AttackResult, LossFn
from jaxvision.adversarial.sizes import over_images
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, Keys, example_keys, in_chunks, margin, pytree_function
from jaxvision.signatures import LogitsFn

TargetedLossFn = Callable[[Array, Array, Array], Array]
"""Logits `(N, K)`, labels `(N,)` and targets `(N,)` -> `(N,)`, higher the nearer the classifier is to the target."""

Tree = TypeVar("Tree")

MOMENTUM = 0.75  # the share of the new step; the rest is the step before
RISES = 0.75  # the share of steps that must raise the loss, or the step size is halved


def climb(
    norm: Norm,
    n_targets: int,
    loss: LossFn | TargetedLossFn,
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    eps: ArrayLike,
    key: Keys,
    n_steps: int,
    n_restarts: int,
    bounds: Bounds,
) -> AttackResult:
    """Looks at what was given, then attacks: the arguments of `apgd`, in which all is told.

    Args:
        norm: `LINF` or `L2`.
        n_targets: how many classes are aimed at in turn; 0 for none.
        loss: of logits and labels; where there are targets, of logits, labels and targets.
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`.
        images: `(N, H, W, C)`.
        labels: `(N,)`.
        eps: a number, or `(N,)`.
        key: one key, or `(N,)` keys.
        n_steps: of each restart.
        n_restarts: of each target.
        bounds: the lowest and the highest value.

    Returns:
        Images, success, loss and size.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: images[:, 0, :, 0]
        >>> image = jnp.array([0.75, 0.5]).reshape(1, 1, 2, 1)
        >>> arguments = (image, jnp.array([0]), 0.25, jax.random.key(0), 100, 1, (0.0, 1.0))
        >>> climb(LINF, 0, lambda logits, labels: -logits[:, 0], logits_fn, *arguments).success
        Array([ True], dtype=bool)
    """
    images, labels = check_attacked(logits_fn, images, labels)
    eps = check_budgets(eps, images, "eps")
    if norm not in (LINF, L2):
        raise InputError("norm must be LINF or L2")
    if n_restarts < 1 or n_steps < 0:
        raise InputError(f"expected n_restarts of at least 1 and n_steps of at least 0, got {n_restarts} and {n_steps}")
    limits = check_bounds(images, bounds)
    problem = _Problem(pytree_function(logits_fn), pytree_function(loss), limits, n_steps, n_restarts)
    return jax.lax.stop_gradient(
        _climb(_Rule(norm, n_targets), problem, images, labels, eps, example_keys(key, len(images)))
    )


class _Rule(NamedTuple):
    """What is part of the program."""

    norm: Norm
    n_targets: int  # 0: no target


class _Problem(NamedTuple):
    """What is an operand of the program, the same for all images."""

    logits_fn: LogitsFn
    loss_fn: LossFn | TargetedLossFn
    bounds: tuple[Array, Array]
    n_steps: ArrayLike
    n_restarts: ArrayLike


class _Found(NamedTuple):
    """The best images so far."""

    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]
    loss: Float[Array, " n"]


class _State(NamedTuple):
    """Of one restart. What belongs to the checkpoints comes last."""

    step: Int[Array, ""]
    images: Float[Array, "n h w c"]
    before: Float[Array, "n h w c"]
    gradient: Float[Array, "n h w c"]
    loss: Float[Array, " n"]  # of the images before, until this step's is known
    rates: Float[Array, " n"]
    best: _Found
    best_gradient: Float[Array, "n h w c"]
    window: Int[Array, ""]
    checkpoint: Int[Array, ""]
    rises: Int[Array, " n"]  # since the last checkpoint
    best_loss: Float[Array, " n"]  # at the last checkpoint
    halved: Bool[Array, " n"]  # there


@functools.partial(jax.jit, static_argnums=0)
def _climb(
    rule: _Rule,
    problem: _Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, " n"],
    keys: Key[Array, " n"],
) -> AttackResult:
    problem, images, eps = jax.lax.stop_gradient((problem, images, eps))
    return in_chunks(functools.partial(_attack, rule, problem), images, labels, eps, keys)


def _attack(rule: _Rule, problem: _Problem, clean: Array, labels: Array, eps: Array, keys: Array) -> AttackResult:
    low, high = problem.bounds
    logits = problem.logits_fn(clean)
    n_classes = logits.shape[1]
    others = jnp.where(jax.nn.one_hot(labels, n_classes, dtype=bool), -jnp.inf, logits)
    targets = jax.lax.top_k(others, min(max(rule.n_targets, 1), n_classes - 1))[1]  # (N, T), the likeliest first

    def moved(images: Array) -> Array:
        """The nearest image within eps and the bounds."""
        return jnp.clip(clean + rule.norm.project(images - clean, eps, low - clean, high - clean), low, high)

    def judge(images: Array, target: Array) -> tuple[Array, Array]:
        logits = problem.logits_fn(images)
        aims = (labels, target) if rule.n_targets else (labels,)
        return problem.loss_fn(logits, *aims), margin(logits, labels) < 0

    def step(target: Array, state: _State) -> _State:
        loss, pull_back, success = jax.vjp(lambda x: judge(x, target), state.images, has_aux=True)
        (gradient,) = pull_back(jnp.ones_like(loss))  # each image's own: image i alone moves loss i
        state = _noted(state, loss, success, gradient, problem.n_steps)
        direction = rule.norm.ascend(state.gradient, low - state.images, high - state.images)
        climbed = moved(state.images + over_images(state.rates) * direction)
        share = jnp.where(state.step == 0, 1, jnp.asarray(MOMENTUM, clean.dtype))
        images = moved(state.images + share * (climbed - state.images) + (1 - share) * (state.images - state.before))
        return state._replace(step=state.step + 1, images=images, before=state.images)

    def goes_on(state: _State) -> Array:
        return (state.step < problem.n_steps) & ~jnp.all(state.best.success)

    def run(carry: tuple[Array, _Found]) -> tuple[Array, _Found]:
        trial, found = carry
        target = jnp.take(targets, trial // problem.n_restarts, axis=1)
        drawn = rule.norm.sample(jax.vmap(jax.random.fold_in, (0, None))(keys, trial), clean.shape[1:], clean.dtype)
        begin = moved(clean + over_images(eps) * drawn)
        state = _first(begin, eps, found, problem.n_steps)
        state = jax.lax.while_loop(goes_on, functools.partial(step, target), state)
        loss, success = judge(state.images, target)
        last = _better(state.best, _Found(state.images, success, loss))
        return trial + 1, _better(found, last)

    def unfinished(carry: tuple[Array, _Found]) -> Array:
        trial, found = carry
        return (trial < problem.n_restarts * targets.shape[1]) & ~jnp.all(found.success)

    loss, success = judge(clean, targets[:, 0])
    none = _Found(clean, success, jnp.where(success, loss, -jnp.inf))
    found = jax.lax.while_loop(unfinished, run, (jnp.zeros((), jnp.int32), none))[1]
    return AttackResult(*found, rule.norm.size(found.images - clean))


def _first(images: Array, eps: Array, found: _Found, n_steps: ArrayLike) -> _State:
    """What is fooled already has nothing to look for."""
    n = len(images)
    best = found._replace(loss=jnp.where(found.success, found.loss, -jnp.inf))
    step, window = jnp.zeros((), jnp.int32), _share_of(n_steps, 22)
    unknown, nothing, none, yes = (
        jnp.full(n, jnp.inf, images.dtype),
        0 * images,
        jnp.zeros(n, jnp.int32),
        jnp.ones(n, bool),
    )
    ascent = (step, images, images, nothing, unknown, 2 * eps, best, nothing)
    return _State(*ascent, window, window, none, -unknown, yes)


def _noted(state: _State, loss: Array, success: Array, gradient: Array, n_steps: ArrayLike) -> _State:
    """The state knowing the images' loss, at a checkpoint with other step sizes and images, and their gradient."""
    improves = _improves(state.best, success, loss)
    best = _chosen(improves, _Found(state.images, success, loss), state.best)
    best_gradient = _chosen(improves, gradient, state.best_gradient)
    rises = state.rises + (loss > state.loss).astype(jnp.int32)
    here = state.step == state.checkpoint
    slow = rises.astype(loss.dtype) <= RISES * state.window.astype(loss.dtype)
    halves = slow | (~state.halved & (best.loss <= state.best_loss))
    window = jnp.maximum(state.window - _share_of(n_steps, 3), _share_of(n_steps, 6))
    back = here & halves
    return state._replace(
        images=_chosen(back, best.images, state.images),
        gradient=_chosen(back, best_gradient, gradient),
        loss=loss,
        rates=jnp.where(back, 0.5 * state.rates, state.rates),
        best=best,
        best_gradient=best_gradient,
        window=jnp.where(here, window, state.window),
        checkpoint=jnp.where(here, state.checkpoint + window, state.checkpoint),
        rises=jnp.where(here, 0, rises),
        best_loss=jnp.where(here, best.loss, state.best_loss),
        halved=jnp.where(here, halves, state.halved),
    )


def _share_of(n_steps: ArrayLike, percent: int) -> Int[Array, ""]:
    return jnp.maximum(jnp.asarray(n_steps, jnp.int32) * percent // 100, 1)


def _improves(old: _Found, success: Array, loss: Array) -> Array:
    """Success first, then the higher loss; after a success nothing does, nor a loss that is not a number."""
    return ~old.success & (success | (loss > old.loss))


def _better(old: _Found, new: _Found) -> _Found:
    return _chosen(_improves(old, new.success, new.loss), new, old)


def _chosen(first: Array, one: Tree, other: Tree) -> Tree:
    return jax.tree.map(functools.partial(jax.vmap(jnp.where), first), one, other)

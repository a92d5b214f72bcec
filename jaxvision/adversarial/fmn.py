"""FMN: a small perturbation in L-infinity, L2 or L1, within a ball whose radius follows the boundary."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.adversarial.annealing import annealed
from jaxvision.adversarial.ascent import l2_ascent
from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets, check_known
from jaxvision.adversarial.nearest import choose, keep_nearer
from jaxvision.adversarial.norms import LINF, Norm
from jaxvision.adversarial.pgd import AttackResult
from jaxvision.adversarial.sizes import or_one, over_images
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, in_chunks, margin, pytree_function
from jaxvision.signatures import LogitsFn

LAST_STEP = 0.01  # of the first step
LAST_GAMMA = 0.001


def fmn(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    norm: Norm = LINF,
    n_steps: int = 100,
    step_size: ArrayLike = 1.0,
    gamma: ArrayLike = 0.05,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
) -> AttackResult:
    r"""Descend the margin within a ball that shrinks while the image is adversarial and grows while it is not.

    $$ \epsilon_{t+1} = \begin{cases}
         \min\bigl((1 - \gamma_t)\, \epsilon_t,\; \lVert \delta^* \rVert\bigr) & x_t \text{ is adversarial} \\
         (1 + \gamma_t)\, \epsilon_t & \text{only an earlier } x \text{ was} \\
         (1 + \gamma_T) \bigl(\lVert \delta_t \rVert + |m_t| / \lVert \nabla m_t \rVert_*\bigr) & \text{none was yet}
       \end{cases} $$

    $$ \delta_{t+1} = \Pi_{\epsilon_{t+1}} \bigl(\delta_t - \alpha_t \nabla m_t / \lVert \nabla m_t \rVert_2\bigr) $$

    $m$ is the label's margin, or minus a target's; the last case is the distance to the boundary if $m$ were linear,
    its slope that along the norm's own steepest direction. $\Pi$ goes to the nearest image in the ball and the bounds.
    $\alpha_t$ and $\gamma_t$ fall along half a cosine. The nearest adversarial image on the way, $\delta^*$, is kept.
    One program, a pass forward and backward for each step and one forward at the end; its memory does not depend on the
    number of steps.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`: the true classes, or the targets where `targeted`.
        norm: to be small in: `LINF`, `L2` or `L1`.
        n_steps: steps.
        step_size: $\alpha_0$, a Euclidean length in the images' unit: a number, or one for each image `(N,)`.
        gamma: $\gamma_0$, above 0 and below 1: a number, or one for each image.
        targeted: reach the target in place of leaving the label.
        bounds: $l$ and $h$, numbers or one for each channel `(C,)`.

    Returns:
        Images, success, `margin_loss` and the size in the norm. An image that is adversarial already, or for which
        nothing was found, is returned as it is.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)
        >>> image = jnp.array([0.75, 0.25]).reshape(1, 1, 2, 1)  # the boundary is where both are 0.5
        >>> result = fmn(logits_fn, image, jnp.array([0]))
        >>> [round(value, 2) for value in result.images.ravel().tolist()], result.success
        ([0.5, 0.5], Array([ True], dtype=bool))

    References:
        Pintor, Roli, Brendel and Biggio, "Fast minimum-norm adversarial attacks through adaptive norm constraints",
        https://arxiv.org/abs/2102.12827, 2021, algorithm 1. Departures: the projection knows the bounds; in `L1` the
        slope is the mean of the steepest 1 % of the values that can move; the last image counts as well; beyond the
        boundary by $\gamma_T$ = 0.001, so that a boundary met exactly is crossed.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    if n_steps < 1:
        raise InputError(f"expected n_steps of at least 1, got {n_steps}")
    check_known("gamma", gamma, "above 0 and below 1", lambda x: (x > 0) & (x < 1))
    problem = _Problem(pytree_function(logits_fn), check_bounds(images, bounds), n_steps)
    rates, gammas = check_budgets(step_size, images, "step_size"), check_budgets(gamma, images, "gamma")
    return jax.lax.stop_gradient(_fmn(_Rule(norm, targeted), problem, images, labels, rates, gammas))


class _Rule(NamedTuple):
    """What is part of the program."""

    norm: Norm
    targeted: bool


class _Problem(NamedTuple):
    """Operands of the program, the same for all images."""

    logits_fn: LogitsFn
    bounds: tuple[Array, Array]
    n_steps: ArrayLike


class _State(NamedTuple):
    step: Int[Array, ""]
    images: Float[Array, "n h w c"]
    eps: Float[Array, " n"]
    best: AttackResult


@functools.partial(jax.jit, static_argnums=0)
def _fmn(
    rule: _Rule,
    problem: _Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    rates: Float[Array, " n"],
    gammas: Float[Array, " n"],
) -> AttackResult:
    problem, images, rates, gammas = jax.lax.stop_gradient((problem, images, rates, gammas))
    return in_chunks(functools.partial(_follow, rule, problem), images, labels, rates, gammas)


def _follow(rule: _Rule, problem: _Problem, clean: Array, labels: Array, rates: Array, gammas: Array) -> AttackResult:
    (low, high), n_steps, norm, sign = problem.bounds, problem.n_steps, rule.norm, (-1 if rule.targeted else 1)
    farthest = norm.size(jnp.maximum(clean - low, high - clean))

    def judge(images: Array) -> tuple[Array, AttackResult]:
        lead = margin(problem.logits_fn(images), labels)
        return -sign * lead, AttackResult(images, sign * lead < 0, -lead, norm.size(images - clean))

    def step(state: _State) -> _State:
        gain, pull_back, found = jax.vjp(judge, state.images, has_aux=True)
        (gradient,) = pull_back(jnp.ones_like(gain))  # each image's own: image i alone moves gain i
        first = jnp.broadcast_to(state.step == 0, gain.shape)  # before it nothing was judged
        best = keep_nearer(choose(first, found, state.best), found)

        room = low - state.images, high - state.images
        slope = jnp.sum(gradient * norm.ascend(gradient, *room), axis=(1, 2, 3))
        boundary = (1 + LAST_GAMMA) * (found.size + jnp.abs(gain) / or_one(slope))
        gamma = annealed(state.step, n_steps, gammas, jnp.full_like(gammas, LAST_GAMMA))
        nearer = jnp.minimum(state.eps * (1 - gamma), best.size)
        eps = jnp.where(found.success, nearer, jnp.where(best.success, state.eps * (1 + gamma), boundary))
        eps = jnp.minimum(eps, farthest)

        rate = annealed(state.step, n_steps, rates, LAST_STEP * rates)
        moved = state.images - clean + over_images(rate) * l2_ascent(gradient, *room)
        images = jnp.clip(clean + norm.project(moved, eps, low - clean, high - clean), low, high)
        going = ~finished(state.best)
        return _State(state.step + 1, choose(going, images, state.images), choose(going, eps, state.eps), best)

    def finished(best: AttackResult) -> Array:
        return best.success & (best.size == 0)  # nothing is nearer than the image itself

    def unfinished(state: _State) -> Array:
        return (state.step < n_steps) & ~jnp.all(finished(state.best))

    none = AttackResult(clean, jnp.zeros(len(clean), bool), jnp.zeros_like(rates), jnp.zeros_like(rates))
    state = _State(jnp.zeros((), jnp.int32), clean, jnp.full_like(rates, jnp.inf), none)
    state = jax.lax.while_loop(unfinished, step, state)
    return keep_nearer(state.best, judge(state.images)[1])

"""EAD: a small perturbation in L1 with few changed values, by shrinkage and thresholding."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds
from jaxvision.adversarial.nearest import choose, keep_nearer
from jaxvision.adversarial.pgd import AttackResult
from jaxvision.adversarial.sizes import l1_size, over_images
from jaxvision.adversarial.tradeoff import Plan, Search, advance, begin, check_plan
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, in_chunks, margin, pytree_function
from jaxvision.signatures import LogitsFn


def ead(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    n_steps: int = 1000,
    n_searches: int = 9,
    step_size: float = 0.01,
    regularization: float = 0.01,
    confidence: float = 0.0,
    initial_weight: float = 1e-3,
    abort_early: bool = True,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
) -> AttackResult:
    r"""The shortest perturbation in L1 on the way of a descent that leaves most values as they are.

    $$ \min_x\; c \max\bigl(m(x) + \kappa,\, 0\bigr) + \lVert x - x_{\text{clean}} \rVert_2^2
       + \beta \lVert x - x_{\text{clean}} \rVert_1, \qquad m(x) = s_y(x) - \max_{k \ne y} s_k(x) $$

    $$ x_{t+1} = S_\beta\bigl(y_t - \alpha_t \nabla g(y_t)\bigr), \qquad
       y_{t+1} = x_{t+1} + \tfrac{t}{t + 3} (x_{t+1} - x_t), \qquad \alpha_t = \alpha \sqrt{1 - t / T} $$

    $g$ is the first two terms; $S_\beta$ brings every value nearer to the clean one by $\beta$, those within it all
    the way, and into the bounds. With a target, $m$ is its negative. The weights $c$ are searched as by
    `carlini_wagner`, each image at its own pace, and of all $x_t$ with $m < -\kappa$ the nearest in L1 is kept. One
    program, two passes forward and one backward for each step; its memory does not depend on the number of steps.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`: the true classes, or the targets where `targeted`.
        n_steps: $T$, steps with one weight, at most.
        n_searches: weights tried.
        step_size: $\alpha$.
        regularization: $\beta$, zero or more, in the images' unit.
        confidence: $\kappa$, zero or more: by how much another class, or the target, must lead.
        initial_weight: the first $c$, above zero.
        abort_early: whether a run ends once its loss has not fallen by 0.01 % during a tenth of its steps.
        targeted: reach the target in place of leaving the label.
        bounds: numbers or one for each channel `(C,)`.

    Returns:
        Images, success (with the confidence asked for), `margin_loss` and size in L1. An image that is adversarial
        already, or for which nothing was found, is returned as it is.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([2 * images[:, 0, 0, 0], images[:, 0, 1, 0] + 0.5], axis=1)
        >>> image = jnp.array([0.75, 0.25]).reshape(1, 1, 2, 1)  # the first value counts double
        >>> result = ead(logits_fn, image, jnp.array([0]), n_steps=200)
        >>> [round(value, 2) for value in result.images.ravel().tolist()], result.success
        ([0.37, 0.25], Array([ True], dtype=bool))

    References:
        Chen et al., "EAD: elastic-net attacks to deep neural networks via adversarial examples",
        https://arxiv.org/abs/1709.04114, 2017, section 3, algorithm 1 with the L1 rule. Departure: each image ends its
        runs by its own loss, not by the sum over a batch.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    plan = check_plan(n_steps, n_searches, abort_early)
    if step_size <= 0 or initial_weight <= 0 or confidence < 0 or regularization < 0:
        raise InputError(
            "expected a step_size and an initial_weight above 0 and a confidence and regularization of at least 0, "
            f"got {step_size}, {initial_weight}, {confidence} and {regularization}"
        )
    problem = _Problem(
        pytree_function(logits_fn),
        check_bounds(images, bounds),
        jnp.asarray(confidence, images.dtype),
        jnp.asarray(step_size, images.dtype),
        jnp.asarray(regularization, images.dtype),
        plan,
    )
    weights = jnp.full(len(images), initial_weight, images.dtype)
    return jax.lax.stop_gradient(_ead(targeted, problem, images, labels, weights))


class _Problem(NamedTuple):
    """Operands of the program, the same for all images."""

    logits_fn: LogitsFn
    bounds: tuple[Array, Array]
    confidence: Array
    step_size: Array
    regularization: Array
    plan: Plan


class _State(NamedTuple):
    search: Search
    images: Float[Array, "n h w c"]
    ahead: Float[Array, "n h w c"]  # where the next gradient is taken
    best: AttackResult


@functools.partial(jax.jit, static_argnums=0)
def _ead(
    targeted: bool,
    problem: _Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    weights: Float[Array, " n"],
) -> AttackResult:
    problem, images, weights = jax.lax.stop_gradient((problem, images, weights))
    return in_chunks(functools.partial(_descend, targeted, problem), images, labels, weights)


def _descend(targeted: bool, problem: _Problem, clean: Array, labels: Array, weights: Array) -> AttackResult:
    (low, high), plan, sign = problem.bounds, problem.plan, (-1 if targeted else 1)

    def lead_of(images: Array) -> Array:
        return sign * margin(problem.logits_fn(images), labels)

    def objective(images: Array, weights: Array) -> Array:
        penalty = weights * jnp.maximum(lead_of(images) + problem.confidence, 0)
        return penalty + jnp.sum((images - clean) ** 2, axis=(1, 2, 3))

    def judge(images: Array) -> AttackResult:
        lead = lead_of(images)
        return AttackResult(images, lead < -problem.confidence, -sign * lead, l1_size(images - clean))

    def step(state: _State) -> _State:
        search = state.search
        losses, pull_back = jax.vjp(lambda x: objective(x, search.weight), state.ahead)
        (gradient,) = pull_back(jnp.ones_like(losses))  # each image's own: image i alone moves loss i
        t = search.step.astype(clean.dtype)
        rate = problem.step_size * jnp.sqrt(1 - t / jnp.asarray(plan.n_steps, clean.dtype))
        moved = state.ahead - over_images(rate) * gradient - clean
        shrunk = jnp.sign(moved) * jnp.maximum(jnp.abs(moved) - problem.regularization, 0)
        images = jnp.clip(clean + shrunk, low, high)
        ahead = images + over_images(t / (t + 3)) * (images - state.images)
        found = judge(images)
        after, ended = advance(search, losses, found.success, plan)
        images, ahead = choose(ended, (clean, clean), (images, ahead))
        stepped = _State(after, images, ahead, keep_nearer(state.best, found))
        return choose(search.runs < plan.n_searches, stepped, state)  # an image that has finished stands still

    def unfinished(state: _State) -> Array:
        return jnp.any(state.search.runs < plan.n_searches)

    best = judge(clean)
    state = _State(begin(weights, best.success, plan), clean, clean, best)
    return jax.lax.while_loop(unfinished, step, state).best

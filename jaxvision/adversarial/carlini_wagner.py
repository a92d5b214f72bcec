"""The attack of Carlini and Wagner: the nearest adversarial image, by Adam in a space without bounds."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds
from jaxvision.adversarial.nearest import choose, keep_nearer
from jaxvision.adversarial.pgd import AttackResult
from jaxvision.adversarial.sizes import l2_size, over_images
from jaxvision.adversarial.tradeoff import Plan, Search, advance, begin, check_plan
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, in_chunks, margin, pytree_function
from jaxvision.signatures import LogitsFn

INSIDE = 0.9999  # of the way from the middle to a bound, where a value that lies on it begins
DECAY, DECAY_OF_SQUARES, TINY = 0.9, 0.999, 1e-8  # Adam's


def carlini_wagner(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    n_steps: int = 1000,
    n_searches: int = 9,
    learning_rate: float = 0.01,
    confidence: float = 0.0,
    initial_weight: float = 1e-3,
    abort_early: bool = True,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
) -> AttackResult:
    r"""The shortest perturbation in L2 that Adam finds, with a binary search for the weight of being adversarial.

    $$ \min_w \lVert x(w) - x_{\text{clean}} \rVert_2^2 + c \max\bigl(m(x(w)) + \kappa,\, 0\bigr), \qquad
       x(w) = \tfrac{l + h}{2} + \tfrac{h - l}{2} \tanh w, \qquad m(x) = s_y(x) - \max_{k \ne y} s_k(x) $$

    With a target, $m$ is its negative. Any $w$ is an image within the bounds. Each image has its own $c$: ten times
    larger until something is found, then halfway between the largest that fails and the smallest that succeeds. Of all
    images on the way the nearest with $m < -\kappa$ is kept. A run whose loss stops falling ends early, and its image
    begins the next one without waiting for others. One program; its memory does not depend on the number of steps.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`: the true classes, or the targets where `targeted`.
        n_steps: steps of Adam with one weight, at most.
        n_searches: weights tried.
        learning_rate: Adam's, in the unit of $w$.
        confidence: $\kappa$, zero or more: by how much another class, or the target, must lead.
        initial_weight: the first $c$, above zero.
        abort_early: whether a run ends once its loss has not fallen by 0.01 % during a tenth of its steps.
        targeted: reach the target in place of leaving the label.
        bounds: $l$ and $h$, numbers or one for each channel `(C,)`.

    Returns:
        Images, success (with the confidence asked for), `margin_loss` and Euclidean size. An image that is adversarial
        already, or for which nothing was found, is returned as it is.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)
        >>> image = jnp.array([0.75, 0.25]).reshape(1, 1, 2, 1)  # the boundary is where both are 0.5
        >>> result = carlini_wagner(logits_fn, image, jnp.array([0]), n_steps=200)
        >>> [round(value, 2) for value in result.images.ravel().tolist()], result.success
        ([0.5, 0.5], Array([ True], dtype=bool))

    References:
        Carlini and Wagner, "Towards evaluating the robustness of neural networks", https://arxiv.org/abs/1608.04644,
        2016, sections V and VI-A. Departures: each image ends its runs by its own loss, not by the sum over a batch;
        values on a bound begin 5e-5 of the range away from it, where the tangent has a slope; one start, not several.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    plan = check_plan(n_steps, n_searches, abort_early)
    if learning_rate <= 0 or initial_weight <= 0 or confidence < 0:
        raise InputError(
            "expected a learning_rate and an initial_weight above 0 and a confidence of at least 0, "
            f"got {learning_rate}, {initial_weight} and {confidence}"
        )
    problem = _Problem(
        pytree_function(logits_fn),
        check_bounds(images, bounds),
        jnp.asarray(confidence, images.dtype),
        jnp.asarray(learning_rate, images.dtype),
        plan,
    )
    weights = jnp.full(len(images), initial_weight, images.dtype)
    return jax.lax.stop_gradient(_carlini_wagner(targeted, problem, images, labels, weights))


class _Problem(NamedTuple):
    """Operands of the program, the same for all images."""

    logits_fn: LogitsFn
    bounds: tuple[Array, Array]
    confidence: Array
    learning_rate: Array
    plan: Plan


class _State(NamedTuple):
    search: Search
    w: Float[Array, "n h w c"]
    mean: Float[Array, "n h w c"]  # of gradients, decaying
    square: Float[Array, "n h w c"]
    best: AttackResult


@functools.partial(jax.jit, static_argnums=0)
def _carlini_wagner(
    targeted: bool,
    problem: _Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    weights: Float[Array, " n"],
) -> AttackResult:
    problem, images, weights = jax.lax.stop_gradient((problem, images, weights))
    return in_chunks(functools.partial(_nearest, targeted, problem), images, labels, weights)


def _nearest(targeted: bool, problem: _Problem, clean: Array, labels: Array, weights: Array) -> AttackResult:
    (low, high), plan, sign = problem.bounds, problem.plan, (-1 if targeted else 1)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    start = jnp.arctanh(INSIDE * (clean - middle) / jnp.where(half > 0, half, 1))  # equal bounds leave one value

    def objective(w: Array, weights: Array) -> tuple[Array, tuple[Array, Array]]:
        images = jnp.clip(middle + half * jnp.tanh(w), low, high)
        lead = sign * margin(problem.logits_fn(images), labels)
        distance = jnp.sum((images - clean) ** 2, axis=(1, 2, 3))
        return distance + weights * jnp.maximum(lead + problem.confidence, 0), (images, lead)

    def step(state: _State) -> _State:
        search = state.search
        losses, pull_back, (images, lead) = jax.vjp(lambda w: objective(w, search.weight), state.w, has_aux=True)
        (gradient,) = pull_back(jnp.ones_like(losses))  # each image's own: image i alone moves loss i
        reached = lead < -problem.confidence
        size = l2_size(images - clean)
        best = keep_nearer(state.best, AttackResult(images, reached, -sign * lead, size))

        count = (search.step + 1).astype(clean.dtype)
        mean = DECAY * state.mean + (1 - DECAY) * gradient
        square = DECAY_OF_SQUARES * state.square + (1 - DECAY_OF_SQUARES) * gradient**2
        unbiased = mean / over_images(1 - DECAY**count)
        spread = jnp.sqrt(square / over_images(1 - DECAY_OF_SQUARES**count))
        w = state.w - problem.learning_rate * unbiased / (spread + TINY)

        after, ended = advance(search, losses, reached, plan)
        zero = jnp.zeros_like(clean)
        w, mean, square = choose(ended, (start, zero, zero), (w, mean, square))
        moved = _State(after, w, mean, square, best)
        return choose(search.runs < plan.n_searches, moved, state)  # an image that has finished stands still

    def unfinished(state: _State) -> Array:
        return jnp.any(state.search.runs < plan.n_searches)

    lead = sign * margin(problem.logits_fn(clean), labels)
    done = lead < -problem.confidence
    best = AttackResult(clean, done, -sign * lead, jnp.zeros_like(weights))
    zero = jnp.zeros_like(clean)
    state = _State(begin(weights, done, plan), start, zero, zero, best)
    return jax.lax.while_loop(unfinished, step, state).best

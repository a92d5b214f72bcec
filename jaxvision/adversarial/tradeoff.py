r"""How much being adversarial weighs against being near: the search for that weight, for each image apart.

Attacks such as `carlini_wagner` minimise a distance plus $c$ times a penalty. A small $c$ finds nothing, a large one
finds something far away. Images search at their own pace: one whose run ends early begins its next run at once, beside
neighbours that are in the middle of theirs.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxvision.errors import InputError

PROGRESS = 0.9999  # a run goes on while its loss falls at least to this share between two looks
LARGEST = 1e10  # weight


class Plan(NamedTuple):
    """How long to search: operands of a program.

    Attributes:
        n_steps: of a run, at most.
        n_searches: runs, each with a weight of its own.
        abort_early: whether a run ends once its loss has stopped falling, looked at ten times in a run.
    """

    n_steps: ArrayLike
    n_searches: ArrayLike
    abort_early: ArrayLike


class Search(NamedTuple):
    """Where each image is in its search.

    Attributes:
        step: of the present run, from 0.
        runs: finished.
        weight: $c$, of the present run.
        low: the largest weight that found nothing.
        high: the smallest that found something, or infinity.
        found: whether the present run has found something.
        seen: the loss at the last look.
    """

    step: Int[Array, " n"]
    runs: Int[Array, " n"]
    weight: Float[Array, " n"]
    low: Float[Array, " n"]
    high: Float[Array, " n"]
    found: Bool[Array, " n"]
    seen: Float[Array, " n"]


def check_plan(n_steps: int, n_searches: int, abort_early: bool) -> Plan:
    """A plan, or one sentence saying what is wrong with it.

    Args:
        n_steps: of a run.
        n_searches: runs.
        abort_early: whether runs may end early.

    Returns:
        The plan.

    Raises:
        InputError: if there is no step or no run.

    Example:
        >>> check_plan(0, 9, True)
        Traceback (most recent call last):
        jaxvision.errors.InputError: expected n_steps and n_searches of at least 1, got 0 and 9
    """
    if n_steps < 1 or n_searches < 1:
        raise InputError(f"expected n_steps and n_searches of at least 1, got {n_steps} and {n_searches}")
    return Plan(n_steps, n_searches, abort_early)


def begin(weights: Float[Array, " n"], done: Bool[Array, " n"], plan: Plan) -> Search:
    """Before the first step.

    Args:
        weights: `(N,)`, of the first runs.
        done: `(N,)`, images for which there is nothing to search: all their runs count as finished.
        plan: how long to search.

    Returns:
        The search.

    Example:
        >>> begin(jnp.ones(2), jnp.array([True, False]), Plan(10, 3, False)).runs
        Array([3, 0], dtype=int32)
    """
    none = jnp.zeros(weights.shape, jnp.int32)
    infinity = jnp.full_like(weights, jnp.inf)
    runs = jnp.where(done, jnp.asarray(plan.n_searches, jnp.int32), none)
    return Search(none, runs, weights, jnp.zeros_like(weights), infinity, jnp.zeros_like(done), infinity)


def advance(
    search: Search, losses: Float[Array, " n"], reached: Bool[Array, " n"], plan: Plan
) -> tuple[Search, Bool[Array, " n"]]:
    r"""After a step: go on with the run, or end it and choose the next weight.

    $$ c \leftarrow \begin{cases} 10\, c & \text{while nothing was found with any weight} \\
                    (c_{\text{low}} + c_{\text{high}}) / 2 & \text{afterwards} \end{cases} $$

    Where there are 10 runs or more, the last one repeats the best weight.

    Args:
        search: before the step.
        losses: `(N,)`, the loss of the step.
        reached: `(N,)`, whether the step's image is adversarial.
        plan: how long to search.

    Returns:
        The search after it, and `(N,)` whether a run ended: its image begins anew.

    Example:
        >>> plan = Plan(1, 3, False)
        >>> search = begin(jnp.ones(2), jnp.zeros(2, bool), plan)
        >>> advance(search, jnp.ones(2), jnp.array([True, False]), plan)[0].weight
        Array([ 0.5, 10. ], dtype=float32)
    """
    every = jnp.maximum(1, -(-jnp.asarray(plan.n_steps, jnp.int32) // 10))
    looks = (search.step % every == 0) & jnp.asarray(plan.abort_early)
    stuck = looks & ~(losses <= PROGRESS * search.seen)
    seen = jnp.where(looks, losses, search.seen)
    found = search.found | reached
    ended = stuck | (search.step + 1 >= plan.n_steps)

    high = jnp.where(ended & found, jnp.minimum(search.high, search.weight), search.high)
    low = jnp.where(ended & ~found, search.weight, search.low)
    runs = search.runs + ended.astype(jnp.int32)
    weight = jnp.where(jnp.isinf(high), 10 * search.weight, 0.5 * (low + high))
    last = (runs == plan.n_searches - 1) & (jnp.asarray(plan.n_searches) >= 10)
    weight = jnp.where(last, jnp.minimum(high, LARGEST), weight)
    return Search(
        step=jnp.where(ended, 0, search.step + 1),
        runs=runs,
        weight=jnp.where(ended, weight, search.weight),
        low=low,
        high=high,
        found=found & ~ended,
        seen=jnp.where(ended, jnp.inf, seen),
    ), ended

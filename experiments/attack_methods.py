"""The attacks that `experiments.attack` compares, all in one form: budgets in, pictures and their fate out."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.adversarial import (
    L2,
    LINF,
    AttackResult,
    ResizeAndPad,
    apgd,
    apgd_targeted,
    autoattack,
    carlini_wagner,
    ddn,
    deepfool,
    dlr_loss,
    fab,
    fgsm,
    fmn,
    pgd,
    square,
)
from jaxvision.signatures import LogitsFn

NORMS = {"linf": LINF, "l2": L2}
NormName = Literal["linf", "l2"]
QUERIES = 5  # of an attack without gradients, for each step of one with them
SEARCHES = 6  # of the weight of Carlini and Wagner's loss


class Problem(NamedTuple):
    """What every attack is given.

    Attributes:
        logits_fn: pictures in [0, 1] to logits; a pytree.
        images: `(N, H, W, C)` in [0, 1].
        labels: `(N,)`.
        eps: `(E,)` budgets, ascending.
        norm: of the budgets.
        n_steps: of an iterative attack; of apgd_targeted and fab for each target.
        n_queries: of an attack without gradients.
        key: of random starts.
    """

    logits_fn: LogitsFn
    images: Float[Array, "n h w c"]
    labels: Int[Array, " n"]
    eps: Float[Array, " e"]
    norm: NormName
    n_steps: int
    n_queries: int
    key: Key[Array, ""]


class Outcome(NamedTuple):
    """What became of N pictures under E budgets.

    Attributes:
        images: `(E, N, H, W, C)`, the pictures of each budget; of an attack that looks for the least change, those
            that lie within it, and the clean ones otherwise.
        broken: `(E, N)`, whether another class than the label wins.
        median_size: of an attack that looks for the least change: its median, infinite where most were not broken.
    """

    images: Float[np.ndarray, "e n h w c"]
    broken: Bool[np.ndarray, "e n"]
    median_size: float | None


Attack = Callable[[Problem], Outcome]


def at_budgets(call: Callable[..., tuple[Array, Array]]) -> Attack:
    """An attack that is given a budget, run once for all budgets: each picture comes once for each.

    Args:
        call: `(problem, images, labels, eps, key) -> (images, success)`, with one budget and key for each picture.
    """

    def attack(problem: Problem) -> Outcome:
        n, e = len(problem.images), len(problem.eps)
        images, labels = jnp.tile(problem.images, (e, 1, 1, 1)), jnp.tile(problem.labels, e)
        keys = jnp.tile(jax.vmap(jax.random.fold_in, (None, 0))(problem.key, jnp.arange(n)), e)
        found, success = call(problem, images, labels, jnp.repeat(problem.eps, n), keys)
        return Outcome(np.asarray(found).reshape(e, *problem.images.shape), np.asarray(success).reshape(e, n), None)

    return attack


def by_size(call: Callable[[Problem], tuple[Array, Array, Array]]) -> Attack:
    """An attack that looks for the least change: one run answers for every budget.

    Args:
        call: `problem -> (images, success, size)`.
    """

    def attack(problem: Problem) -> Outcome:
        images, success, size = (np.asarray(x) for x in call(problem))
        sizes = np.where(success, size, np.inf)
        broken = sizes[None] <= np.asarray(problem.eps)[:, None]
        pictures = np.where(broken[..., None, None, None], images[None], np.asarray(problem.images)[None])
        return Outcome(pictures, broken, float(np.median(sizes)))

    return attack


def _fgsm(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    found = fgsm(problem.logits_fn, images, labels, eps=eps, norm=NORMS[problem.norm])
    return found.images, found.success


def _momentum(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array, **how: Any) -> AttackResult:
    """Steps of one length from the image itself to the last image: as attacks that carry over are published."""
    return pgd(
        problem.logits_fn,
        images,
        labels,
        eps=eps,
        step_size=eps / problem.n_steps,
        n_steps=problem.n_steps,
        norm=NORMS[problem.norm],
        key=keys,
        random_start=False,
        keep_best=False,
        **how,
    )


def _mi_fgsm(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    found = _momentum(problem, images, labels, eps, keys, momentum=1.0)
    return found.images, found.success


def _ni_fgsm(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    found = _momentum(problem, images, labels, eps, keys, momentum=1.0, nesterov=True)
    return found.images, found.success


def _di_fgsm(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    found = _momentum(problem, images, labels, eps, keys, transform=ResizeAndPad())
    return found.images, found.success


def _pgd(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    found = pgd(problem.logits_fn, images, labels, eps=eps, n_steps=problem.n_steps, norm=NORMS[problem.norm], key=keys)
    return found.images, found.success


def _apgd(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    found = apgd(
        problem.logits_fn, images, labels, eps=eps, n_steps=problem.n_steps, norm=NORMS[problem.norm], key=keys
    )
    return found.images, found.success


def _apgd_dlr(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    norm, n_steps = NORMS[problem.norm], problem.n_steps
    found = apgd(problem.logits_fn, images, labels, eps=eps, n_steps=n_steps, norm=norm, key=keys, loss=dlr_loss)
    return found.images, found.success


def _apgd_targeted(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    norm, n_steps = NORMS[problem.norm], problem.n_steps
    found = apgd_targeted(problem.logits_fn, images, labels, eps=eps, n_steps=n_steps, norm=norm, key=keys)
    return found.images, found.success


def _fab(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    norm = NORMS[problem.norm]
    found = fab(problem.logits_fn, images, labels, eps=eps, n_steps=problem.n_steps, norm=norm)
    near = found.success & (found.size <= eps)
    return jnp.where(near[:, None, None, None], found.images, images), near


def _square(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    found = square(problem.logits_fn, images, labels, eps=eps, n_steps=problem.n_queries, key=keys)
    return found.images, found.success


def _autoattack(problem: Problem, images: Array, labels: Array, eps: Array, keys: Array) -> tuple[Array, Array]:
    n_steps, n_queries = problem.n_steps, problem.n_queries
    found = autoattack(problem.logits_fn, images, labels, eps=eps, n_steps=n_steps, n_queries=n_queries, key=keys)
    return found.images, found.success


def _deepfool(problem: Problem) -> tuple[Array, Array, Array]:
    found = deepfool(problem.logits_fn, problem.images, n_steps=problem.n_steps)
    return found.images, found.success, found.size


def _carlini_wagner(problem: Problem) -> tuple[Array, Array, Array]:
    found = carlini_wagner(
        problem.logits_fn, problem.images, problem.labels, n_steps=problem.n_steps, n_searches=SEARCHES
    )
    return found.images, found.success, found.size


def _ddn(problem: Problem) -> tuple[Array, Array, Array]:
    found = ddn(problem.logits_fn, problem.images, problem.labels, n_steps=problem.n_steps)
    return found.images, found.success, found.size


def _fmn(problem: Problem) -> tuple[Array, Array, Array]:
    norm = NORMS[problem.norm]
    found = fmn(problem.logits_fn, problem.images, problem.labels, norm=norm, n_steps=problem.n_steps)
    return found.images, found.success, found.size


AttackName = Literal[
    "fgsm",
    "mi_fgsm",
    "ni_fgsm",
    "di_fgsm",
    "pgd",
    "apgd",
    "apgd_dlr",
    "apgd_targeted",
    "fab",
    "square",
    "autoattack",
    "deepfool",
    "carlini_wagner",
    "ddn",
    "fmn",
]

ATTACKS: Mapping[str, Attack] = {
    "fgsm": at_budgets(_fgsm),
    "mi_fgsm": at_budgets(_mi_fgsm),
    "ni_fgsm": at_budgets(_ni_fgsm),
    "di_fgsm": at_budgets(_di_fgsm),
    "pgd": at_budgets(_pgd),
    "apgd": at_budgets(_apgd),
    "apgd_dlr": at_budgets(_apgd_dlr),
    "apgd_targeted": at_budgets(_apgd_targeted),
    "fab": at_budgets(_fab),
    "square": at_budgets(_square),
    "autoattack": at_budgets(_autoattack),
    "deepfool": by_size(_deepfool),
    "carlini_wagner": by_size(_carlini_wagner),
    "ddn": by_size(_ddn),
    "fmn": by_size(_fmn),
}
ONLY: Mapping[str, NormName] = {
    "square": "linf",
    "autoattack": "linf",
    "deepfool": "l2",
    "carlini_wagner": "l2",
    "ddn": "l2",
}
"""Attacks that know one norm."""

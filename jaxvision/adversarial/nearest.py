"""The nearest adversarial image so far: what attacks that look for the smallest perturbation keep on their way."""

import functools
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from jaxvision.adversarial.pgd import AttackResult

Tree = TypeVar("Tree")


def choose(condition: Bool[Array, " n"], new: Tree, old: Tree) -> Tree:
    """For each image the new where a condition holds, else the old.

    Args:
        condition: `(N,)`.
        new: a pytree of arrays with a leading axis N.
        old: another of the same structure.

    Returns:
        One of that structure.

    Example:
        >>> choose(jnp.array([True, False]), jnp.ones((2, 2)), jnp.zeros((2, 2)))
        Array([[1., 1.],
               [0., 0.]], dtype=float32)
    """
    return jax.tree.map(functools.partial(jax.vmap(jnp.where), condition), new, old)


def keep_nearer(best: AttackResult, found: AttackResult) -> AttackResult:
    """Of two results the one to keep, for each image: a success that is the first, or smaller than the best.

    Args:
        best: so far; where nothing was found yet, whatever is to be returned in that case.
        found: now.

    Returns:
        The best of both.

    Example:
        >>> image, ones = jnp.zeros((2, 1, 1, 1)), jnp.ones(2)
        >>> best = AttackResult(image, jnp.array([True, False]), ones, 2 * ones)
        >>> keep_nearer(best, AttackResult(image, jnp.array([True, True]), ones, 3 * ones)).size
        Array([2., 3.], dtype=float32)
    """
    return choose(found.success & (~best.success | (found.size < best.size)), found, best)

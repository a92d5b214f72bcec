"""A row of the benchmark before it is timed: a program of ours and its peers, compiled and compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from experiments.timing import Compiling, Costs

TOLERANCE = 1e-2  # of the norm: rounding sends a gradient through another member of a pooling window now and then


class Setup(NamedTuple):
    """What all rows are prepared with.

    Attributes:
        peers: whether PyTorch is measured beside them.
        compile: whether `torch.compile` is among its forms.
        seed: of weights and images.
        style_steps: of style transfers; None for few.
    """

    peers: bool = True
    compile: bool = True
    seed: int = 0
    style_steps: int | None = None


@dataclass(frozen=True)
class Program:
    """A program and its peers, compiled and compared."""

    name: str
    calls: dict[str, Callable[[], Any]]
    """"ours", and the peers' forms by name; each returns when its work is done"""
    compiling: Compiling
    costs: Costs
    """of one call"""
    n_steps: int = 1
    """steps that one call takes: more than one where a loop is part of the program"""


Programs = dict[str, Callable[[], Program]]
"""Rows by name, each prepared when it is called for."""


def require_same(step: str, form: str, ours: np.ndarray, theirs: np.ndarray, *, n_steps: int = 1) -> None:
    """Refuses to time two programs that do not compute the same.

    Args:
        step: what is timed.
        form: of whose program.
        ours: what our program gives.
        theirs: what the other gives.
        n_steps: of one run. Rounding grows along a path of many steps: beyond 20 the tolerance grows with them.

    Raises:
        FloatingPointError: one sentence with the relative distance.

    Example:
        >>> require_same("forward", "eager", np.array([1.0, 2.0]), np.array([1.0, 2.5]))
        Traceback (most recent call last):
        FloatingPointError: forward: ours and the eager form differ by 2.2e-01 of the norm
    """
    difference = float(np.linalg.norm(ours - theirs) / np.linalg.norm(ours))
    if not difference <= TOLERANCE * max(1, n_steps / 20):
        raise FloatingPointError(f"{step}: ours and the {form} form differ by {difference:.1e} of the norm")

"""Costs counted by hand, for programs with loops, whose bodies the compiler counts once: products of matrices.

What else a program does (gates, softmax, attention's tanh) is left out of both operations and bytes.
"""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.timing import Costs

FLOAT = 4  # bytes
ADAM = (
    7  # numbers that Adam reads and writes of each weight: itself, its gradient and two moments, and all but one back
)


class Product(NamedTuple):
    """A product of matrices `(rows, inner) @ (inner, columns)`.

    Attributes:
        rows: of the first factor.
        inner: its columns, the second's rows.
        columns: of the second factor.
        times: how often it is computed.
        given: whether the first factor is data, by which there is no derivative.
    """

    rows: int
    inner: int
    columns: int
    times: int = 1
    given: bool = False


def costs_of(products: Sequence[Product]) -> Costs:
    """Of products that each read their factors and write their result.

    Example:
        >>> costs_of([Product(2, 3, 5, times=10)])
        Costs(operations=600.0, bytes=1240.0)
    """
    operations = sum(2 * p.times * p.rows * p.inner * p.columns for p in products)
    values = sum(p.times * (p.rows * p.inner + p.inner * p.columns + p.rows * p.columns) for p in products)
    return Costs(float(operations), float(FLOAT * values))


def training_costs(forward: Sequence[Product], n_parameters: int) -> Costs:
    """Of a step of Adam: each product, the two of its gradient, and the update.

    The gradient by the second factor, weights that are used many times, is one product over all times.

    Args:
        forward: of the forward pass.
        n_parameters: how many numbers are trained.

    Example:
        >>> training_costs([Product(2, 3, 5, times=10)], 15).operations
        1800.0
    """
    back = [Product(p.rows, p.columns, p.inner, p.times) for p in forward if not p.given]
    of_weights = [Product(p.inner, p.rows * p.times, p.columns) for p in forward]
    operations, values = costs_of([*forward, *back, *of_weights])
    return Costs(operations, (values or 0.0) + FLOAT * ADAM * n_parameters)

"""What Inception-v3 is made of: blocks of branches, each a few convolutions and at most one pool."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array

from jaxvision.backbones.pooling import max_around, max_pool, mean_around


class Unit(NamedTuple):
    """A convolution without bias, its normalisation and a ReLU.

    Attributes:
        name: within its block; empty where it stands alone.
        size: of the kernel, rows and columns.
        features: of the output.
        stride: the same for rows and columns.
        padded: with zeros, to as many pixels as before.
    """

    name: str
    size: tuple[int, int]
    features: int
    stride: int
    padded: bool


# A stage is units side by side, or a pool; a branch is stages one after the other; a block is branches side by side.
Stage = tuple[Unit, ...] | Callable[[Array], Array]
Block = tuple[list[Stage], ...]

WIDTH = 2048  # of the last block

halve = functools.partial(max_pool, size=3)


def unit(
    name: str, size: int | tuple[int, int], features: int, *, stride: int = 1, padded: bool = True
) -> tuple[Unit, ...]:
    """A stage of one unit; `+` puts several side by side.

    Example:
        >>> unit("branch1x1", 1, 64)
        (Unit(name='branch1x1', size=(1, 1), features=64, stride=1, padded=True),)
    """
    return (Unit(name, (size, size) if isinstance(size, int) else size, features, stride, padded),)


def _block_a(pooled: int) -> Block:
    return (
        [unit("branch1x1", 1, 64)],
        [unit("branch5x5_1", 1, 48), unit("branch5x5_2", 5, 64)],
        [unit("branch3x3dbl_1", 1, 64), unit("branch3x3dbl_2", 3, 96), unit("branch3x3dbl_3", 3, 96)],
        [mean_around, unit("branch_pool", 1, pooled)],
    )


def _block_b() -> Block:
    last = unit("branch3x3dbl_3", 3, 96, stride=2, padded=False)
    return (
        [unit("branch3x3", 3, 384, stride=2, padded=False)],
        [unit("branch3x3dbl_1", 1, 64), unit("branch3x3dbl_2", 3, 96), last],
        [halve],
    )


def _block_c(inner: int) -> Block:
    """7 x 7 kernels taken apart into rows and columns."""
    row, column = (1, 7), (7, 1)
    return (
        [unit("branch1x1", 1, 192)],
        [unit("branch7x7_1", 1, inner), unit("branch7x7_2", row, inner), unit("branch7x7_3", column, 192)],
        [
            unit("branch7x7dbl_1", 1, inner),
            unit("branch7x7dbl_2", column, inner),
            unit("branch7x7dbl_3", row, inner),
            unit("branch7x7dbl_4", column, inner),
            unit("branch7x7dbl_5", row, 192),
        ],
        [mean_around, unit("branch_pool", 1, 192)],
    )


def _block_d() -> Block:
    return (
        [unit("branch3x3_1", 1, 192), unit("branch3x3_2", 3, 320, stride=2, padded=False)],
        [
            unit("branch7x7x3_1", 1, 192),
            unit("branch7x7x3_2", (1, 7), 192),
            unit("branch7x7x3_3", (7, 1), 192),
            unit("branch7x7x3_4", 3, 192, stride=2, padded=False),
        ],
        [halve],
    )


def _block_e(pool: Callable[[Array], Array]) -> Block:
    def fork(name: str) -> tuple[Unit, ...]:
        return unit(f"{name}a", (1, 3), 384) + unit(f"{name}b", (3, 1), 384)

    return (
        [unit("branch1x1", 1, 320)],
        [unit("branch3x3_1", 1, 384), fork("branch3x3_2")],
        [unit("branch3x3dbl_1", 1, 448), unit("branch3x3dbl_2", 3, 384), fork("branch3x3dbl_3")],
        [pool, unit("branch_pool", 1, 192)],
    )


BLOCKS: dict[str, Block] = {
    "Conv2d_1a_3x3": ([unit("", 3, 32, stride=2, padded=False)],),  # (n, 149, 149, 32)
    "Conv2d_2a_3x3": ([unit("", 3, 32, padded=False)],),  # (n, 147, 147, 32)
    "Conv2d_2b_3x3": ([unit("", 3, 64)],),
    "MaxPool_1": ([halve],),  # (n, 73, 73, 64)
    "Conv2d_3b_1x1": ([unit("", 1, 80)],),
    "Conv2d_4a_3x3": ([unit("", 3, 192, padded=False)],),  # (n, 71, 71, 192)
    "MaxPool_2": ([halve],),  # (n, 35, 35, 192)
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),  # (n, 35, 35, 288)
    "Mixed_6a": _block_b(),  # (n, 17, 17, 768)
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _block_d(),  # (n, 8, 8, 1280)
    "Mixed_7b": _block_e(mean_around),  # (n, 8, 8, 2048)
    "Mixed_7c": _block_e(max_around),
}


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Of every convolution, rows, columns, channels in and out, by `layer_name`.

    Example:
        >>> kernel_shapes()["Mixed_7a.branch3x3_2"]
        (3, 3, 192, 320)
    """
    shapes, channels = {}, 3
    for block, branches in BLOCKS.items():
        widths = []
        for branch in branches:
            width = channels
            for stage in branch:
                if not callable(stage):
                    shapes |= {layer_name(block, part): (*part.size, width, part.features) for part in stage}
                    width = sum(part.features for part in stage)
            widths.append(width)
        channels = sum(widths)
    return shapes


def layer_name(block: str, part: Unit) -> str:
    """What the weights' file calls a unit.

    Example:
        >>> layer_name("Mixed_5b", unit("branch1x1", 1, 64)[0])
        'Mixed_5b.branch1x1'
    """
    return f"{block}.{part.name}" if part.name else block

"""Several images side by side in one."""

import math

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.errors import InputError


def grid(
    images: Float[ArrayLike, "n h w c"], columns: int | None = None, padding: int = 2, *, value: float = 1.0
) -> Float[Array, "height width c"]:
    """A contact sheet: row by row, with a border around every image.

    Args:
        images: `(N, H, W, C)`, any value range.
        columns: images in a row; as near to a square sheet as may be by default.
        padding: width in pixels of the border and of the lines between images.
        value: the border's, and that of places left empty in the last row.

    Returns:
        `(rows * (H + padding) + padding, columns * (W + padding) + padding, C)`.

    Raises:
        InputError: if there is no image or no column.

    Example:
        >>> grid(jnp.arange(3.0).reshape(3, 1, 1, 1), columns=2, padding=0, value=9.0)[..., 0]
        Array([[0., 1.],
               [2., 9.]], dtype=float32)
    """
    images = jnp.asarray(images)
    n, h, w, c = images.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if n == 0 or columns < 1:
        raise InputError(f"a grid needs at least one image and one column, got {n} images in {columns} columns")
    rows = -(-n // columns)
    missing = rows * columns - n
    cells = jnp.pad(images, ((0, missing), (0, padding), (0, padding), (0, 0)), constant_values=value)
    cells = cells.reshape(rows, columns, h + padding, w + padding, c).transpose(0, 2, 1, 3, 4)
    sheet = cells.reshape(rows * (h + padding), columns * (w + padding), c)
    return jnp.pad(sheet, ((padding, 0), (padding, 0), (0, 0)), constant_values=value)

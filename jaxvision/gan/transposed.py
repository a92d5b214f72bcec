r"""Transposed convolution, in the form that is fastest where it runs (`forms` chooses).

Three forms of the same sum, $y_{s p + u - \text{pad}} \mathrel{+}= x_p W_u$ over the kernel's taps $u$:

- *rows* (CPU): neighbouring pixels of a row side by side, one matrix product to rows of s x s blocks of the output,
  and the ceil(k / s) blocks that fall on the same place are added. All its derivatives are such products, too.
- *subpixel* (CPU, an image of few channels): one matrix product gives every pixel's k x k patch of the output; the
  patches are laid over each other along both sides.
- *direct*: the compiler's own convolution of x with zeros between its pixels.
"""

import functools
import operator

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.forms import transposed_form


def conv_transpose2d(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "k k d c"],
    bias: Float[Array, " d"],
    *,
    stride: int = 2,
    padding: int = 1,
) -> Float[Array, "n oh ow d"]:
    r"""The transpose of a convolution from d to c channels, with bias, as PyTorch's `conv_transpose2d` on NHWC.

    $$ y_{n,a,b,d} = b_d + \sum_{si+u-p=a} \sum_{sj+v-p=b} \sum_c x_{n,i,j,c}\; W_{u,v,d,c} $$

    Args:
        x: `(n, h, w, c)`.
        kernel: `(k, k, d, c)`, that of the convolution which this is the transpose of.
        bias: `(d,)`.
        stride: $s$.
        padding: $p$, rows and columns cut off on every side.

    Returns:
        `(n, (h - 1) s + k - 2p, (w - 1) s + k - 2p, d)`.

    Example:
        >>> conv_transpose2d(jnp.ones((1, 1, 2, 1)), jnp.ones((4, 4, 1, 1)), jnp.zeros(1))[0, :, :, 0]
        Array([[1., 2., 2., 1.],
               [1., 2., 2., 1.]], dtype=float32)

    References:
        Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", https://arxiv.org/abs/1603.07285,
        2016, chapter 4.
    """
    forms = {"rows": conv_transpose_rows, "subpixel": conv_transpose_subpixel, "direct": conv_transpose_direct}
    form = forms[transposed_form(kernel.shape[2])]
    return form(x, kernel, bias, stride=stride, padding=padding)


def conv_transpose_rows(
    x: Float[Array, "n h w c"], kernel: Float[Array, "k k d c"], bias: Float[Array, " d"], *, stride: int, padding: int
) -> Float[Array, "n oh ow d"]:
    """`conv_transpose2d` as one matrix product of neighbours in a row, and sums of rows.

    Example:
        >>> x, kernel, bias = jnp.ones((1, 3, 3, 2)), jnp.ones((4, 4, 5, 2)), jnp.zeros(5)
        >>> y = conv_transpose_rows(x, kernel, bias, stride=2, padding=1)
        >>> y.shape, float(y[0, 2, 2, 0]), float(y[0, 0, 0, 0])
        ((1, 6, 6, 5), 8.0, 2.0)
    """
    n, h, w, c = x.shape
    k, _, d, _ = kernel.shape
    reach = -(-k // stride)  # blocks of s x s pixels that a patch has along a side
    kernel = jnp.pad(kernel, ((0, reach * stride - k),) * 2 + ((0, 0),) * 2)
    kernel = kernel.reshape(reach, stride, reach, stride, d, c)[:, :, ::-1]  # a block's last column is its left pixel's
    matrix = kernel.transpose(2, 5, 0, 1, 3, 4).reshape(reach * c, -1)  # (reach*c, reach*s*s*d)
    columns = jnp.pad(x, ((0, 0), (0, 0), (reach - 1, reach - 1), (0, 0)))
    width = w + reach - 1
    neighbours = jnp.concatenate([columns[:, :, q : q + width] for q in range(reach)], axis=-1)
    rows = (neighbours.reshape(-1, reach * c) @ matrix).reshape(n, h, width, -1)
    parts = lax.split(rows, [stride * stride * d] * reach, axis=3)
    laid = [jnp.pad(part, ((0, 0), (q, reach - 1 - q), (0, 0), (0, 0))) for q, part in enumerate(parts)]
    blocks = functools.reduce(operator.add, laid).reshape(n, h + reach - 1, width, stride, stride, d)
    return _cut(blocks, (h, w), k, padding) + bias[None, None, None]


def conv_transpose_subpixel(
    x: Float[Array, "n h w c"], kernel: Float[Array, "k k d c"], bias: Float[Array, " d"], *, stride: int, padding: int
) -> Float[Array, "n oh ow d"]:
    """`conv_transpose2d` as one matrix product and shifted sums.

    Example:
        >>> x, kernel, bias = jnp.ones((1, 3, 3, 2)), jnp.ones((4, 4, 5, 2)), jnp.zeros(5)
        >>> y = conv_transpose_subpixel(x, kernel, bias, stride=2, padding=1)
        >>> y.shape, float(y[0, 2, 2, 0]), float(y[0, 0, 0, 0])
        ((1, 6, 6, 5), 8.0, 2.0)
    """
    n, h, w, c = x.shape
    k, d = kernel.shape[0], kernel.shape[2]
    reach = -(-k // stride)  # blocks of s x s pixels that a patch has along a side
    kernel = jnp.pad(kernel, ((0, reach * stride - k),) * 2 + ((0, 0),) * 2)
    patches = x.reshape(-1, c) @ kernel.reshape(-1, c).T  # (n*h*w, reach*s*reach*s*d)
    blocks = _overlap(patches.reshape(n, h, w, reach, stride, reach, stride * d), 1, 3)
    blocks = _overlap(blocks, 2, 4).reshape(n, h + reach - 1, w + reach - 1, stride, stride, d)
    return _cut(blocks, (h, w), k, padding) + bias[None, None, None]


def conv_transpose_direct(
    x: Float[Array, "n h w c"], kernel: Float[Array, "k k d c"], bias: Float[Array, " d"], *, stride: int, padding: int
) -> Float[Array, "n oh ow d"]:
    """`conv_transpose2d` by the compiler's own convolution.

    Example:
        >>> x, kernel, bias = jnp.ones((1, 3, 3, 2)), jnp.ones((4, 4, 5, 2)), jnp.zeros(5)
        >>> y = conv_transpose_direct(x, kernel, bias, stride=2, padding=1)
        >>> y.shape, float(y[0, 2, 2, 0]), float(y[0, 0, 0, 0])
        ((1, 6, 6, 5), 8.0, 2.0)
    """
    side = kernel.shape[0] - 1 - padding
    sides = [(side, side), (side, side)]
    y = lax.conv_general_dilated(
        x, kernel[::-1, ::-1], (1, 1), sides, lhs_dilation=(stride, stride), dimension_numbers=("NHWC", "HWOI", "NHWC")
    )
    return y + bias[None, None, None]


def _cut(blocks: Array, size: tuple[int, int], k: int, padding: int) -> Array:
    """Blocks of s x s pixels as an image, without its margin."""
    n, rows, columns, stride, _, d = blocks.shape
    y = blocks.transpose(0, 1, 3, 2, 4, 5).reshape(n, rows * stride, columns * stride, d)
    height, width = ((side - 1) * stride + k - 2 * padding for side in size)
    return y[:, padding : padding + height, padding : padding + width]


def _overlap(patches: Array, side: int, reach: int) -> Array:
    """Block q, along the axis `reach`, of pixel i, along `side`, laid onto block i + q; the axis `reach` is gone."""
    n_blocks = patches.shape[reach]
    laid = []
    for q in range(n_blocks):
        ends = [(0, 0)] * (patches.ndim - 1)
        ends[side] = (q, n_blocks - 1 - q)
        laid.append(jnp.pad(jnp.squeeze(lax.slice_in_dim(patches, q, q + 1, axis=reach), reach), ends))
    return functools.reduce(operator.add, laid)

r"""Convolution, in the form that is fastest where it runs (`forms` chooses).

Six forms of the same sum, $y_{p} = b + \sum_{u} x_{s p + u - \text{pad}}\, W_{u}$ over the kernel's taps $u$:

- *pointwise*: a 1x1 kernel is one matrix product over pixels.
- *patches* (CPU): the k*k shifted copies of x side by side, then one matrix product. Nine times the activations of a
  3x3 kernel, so only while they fit the processor's cache.
- *rows* (CPU): patches of one row, one matrix product for all rows of the kernel, then shifted sums: for large kernels
  less to copy than patches.
- *blocks* (CPU): 4 x 4 pixels side by side as channels, for large kernels that read or write an image of few.
- *oneDNN* (CPU, where it is installed): for all that is large.
- *direct*: the compiler's own convolution: accelerators, and large inputs on the CPU.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision import onednn
from jaxvision.forms import prefers_blocks, prefers_onednn, prefers_patches, prefers_rows

BLOCK = 4


def conv2d(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw c d"],
    bias: Float[Array, " d"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n oh ow d"]:
    r"""Cross-correlation with bias, zero padding of `padding` on each side, as PyTorch's `conv2d` on NHWC.

    $$ y_{n,i,j,d} = b_d + \sum_{u,v,c} x_{n,\,si+u-p,\,sj+v-p,\,c}\; W_{u,v,c,d} $$

    Args:
        x: `(n, h, w, c)`.
        kernel: `(kh, kw, c, d)`.
        bias: `(d,)`.
        stride: $s$, the same for rows and columns.
        padding: $p$ zeros on every side.

    Returns:
        `(n, (h + 2p - kh) // s + 1, (w + 2p - kw) // s + 1, d)`.

    Example:
        >>> conv2d(jnp.ones((1, 3, 3, 2)), jnp.ones((3, 3, 2, 1)), jnp.zeros(1)).item()
        18.0
    """
    kh, kw, c, d = kernel.shape
    oh, ow = ((size + 2 * padding - taps) // stride + 1 for size, taps in zip(x.shape[1:3], (kh, kw), strict=True))
    if prefers_onednn(2 * x.shape[0] * oh * ow * d * kh * kw * c):
        y = onednn.convolve(x, kernel, stride=stride, padding=padding, plain=_without_bias)
        return y + bias[None, None, None]
    return _compilers(x, kernel, bias, stride=stride, padding=padding)


def _compilers(x: Array, kernel: Array, bias: Array, *, stride: int, padding: int) -> Array:
    """The fastest form that the compiler has."""
    kh, kw, c, d = kernel.shape
    if (kh, kw, stride, padding) == (1, 1, 1, 0):
        return conv_pointwise(x, kernel, bias)
    if stride == 1 and prefers_blocks(c, d, kh * kw):
        return conv_blocks(x, kernel, bias, padding=padding)
    if stride == 1 and prefers_rows(c, kh * kw):
        return conv_rows(x, kernel, bias, padding=padding)
    by_patches = prefers_patches(x.shape[1], x.shape[2], c, kh * kw, stride)
    return (conv_patches if by_patches else conv_direct)(x, kernel, bias, stride=stride, padding=padding)


def _without_bias(x: Array, kernel: Array, *, stride: int, padding: int) -> Array:
    return _compilers(x, kernel, jnp.zeros(kernel.shape[-1], kernel.dtype), stride=stride, padding=padding)


def conv_pointwise(
    x: Float[Array, "n h w c"], kernel: Float[Array, "1 1 c d"], bias: Float[Array, " d"]
) -> Float[Array, "n h w d"]:
    """A 1x1 convolution: one matrix product over all pixels.

    Example:
        >>> conv_pointwise(jnp.ones((1, 2, 2, 3)), jnp.full((1, 1, 3, 1), 2.0), jnp.ones(1)).ravel()
        Array([7., 7., 7., 7.], dtype=float32)
    """
    n, h, w, c = x.shape
    y = x.reshape(-1, c) @ kernel[0, 0] + bias[None]  # (n*h*w, d)
    return y.reshape(n, h, w, kernel.shape[-1])


def conv_patches(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw c d"],
    bias: Float[Array, " d"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n oh ow d"]:
    """`conv2d` as one matrix product over patches (im2col).

    Example:
        >>> x, kernel, bias = jnp.ones((1, 5, 6, 2)), jnp.ones((3, 3, 2, 4)), jnp.zeros(4)
        >>> y = conv_patches(x, kernel, bias, padding=1)
        >>> y.shape, float(y[0, 2, 2, 0]), float(y[0, 0, 0, 0])
        ((1, 5, 6, 4), 18.0, 8.0)
    """
    kh, kw, c, d = kernel.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    n, h, w, _ = x.shape
    oh, ow = (h - kh) // stride + 1, (w - kw) // stride + 1
    taps = [
        x[:, i : i + stride * (oh - 1) + 1 : stride, j : j + stride * (ow - 1) + 1 : stride]
        for i in range(kh)
        for j in range(kw)
    ]
    patches = jnp.concatenate(taps, axis=-1).reshape(-1, kh * kw * c)  # (n*oh*ow, kh*kw*c)
    return (patches @ kernel.reshape(-1, d) + bias[None]).reshape(n, oh, ow, d)


def conv_rows(
    x: Float[Array, "n h w c"], kernel: Float[Array, "kh kw c d"], bias: Float[Array, " d"], *, padding: int = 0
) -> Float[Array, "n oh ow d"]:
    """`conv2d` of stride 1 as one matrix product over patches of a row, and sums of shifted rows.

    Example:
        >>> x, kernel, bias = jnp.ones((1, 5, 6, 2)), jnp.ones((3, 3, 2, 4)), jnp.zeros(4)
        >>> y = conv_rows(x, kernel, bias, padding=1)
        >>> y.shape, float(y[0, 2, 2, 0]), float(y[0, 0, 0, 0])
        ((1, 5, 6, 4), 18.0, 8.0)
    """
    kh, kw, c, d = kernel.shape
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    n, h, w, _ = x.shape
    oh, ow = h - kh + 1, w - kw + 1
    patches = jnp.concatenate([x[:, :, j : j + ow] for j in range(kw)], axis=-1).reshape(-1, kw * c)  # (n*h*ow, kw*c)
    rows = patches @ kernel.transpose(1, 2, 0, 3).reshape(kw * c, kh * d)  # (n*h*ow, kh*d)
    parts = lax.split(rows.reshape(n, h, ow, kh * d), [d] * kh, axis=3)
    return sum((part[:, i : i + oh] for i, part in enumerate(parts)), start=bias[None, None, None])


def conv_blocks(
    x: Float[Array, "n h w c"], kernel: Float[Array, "kh kw c d"], bias: Float[Array, " d"], *, padding: int = 0
) -> Float[Array, "n oh ow d"]:
    """`conv2d` of stride 1 between blocks of 4 x 4 pixels, each a pixel of 16 times the channels.

    Where an image has three channels, kernels of the compiler leave most of a vector register idle. A block's kernel
    has zeros where an output pixel does not look, about two in five of a 9 x 9 one, and is many times as fast.

    Example:
        >>> x, kernel, bias = jnp.ones((1, 5, 6, 2)), jnp.ones((3, 3, 2, 4)), jnp.zeros(4)
        >>> y = conv_blocks(x, kernel, bias, padding=1)
        >>> y.shape, float(y[0, 2, 2, 0]), float(y[0, 0, 0, 0])
        ((1, 5, 6, 4), 18.0, 8.0)
    """
    kh, kw, c, d = kernel.shape
    n, h, w, _ = x.shape
    size = (h + 2 * padding - kh + 1, w + 2 * padding - kw + 1)
    rows, columns = (-(-length // BLOCK) for length in size)
    reach = [-(-(BLOCK - 1 + length) // BLOCK) for length in (kh, kw)]  # blocks that an output block looks at
    sides = [
        (padding, BLOCK * (count + taps - 1) - length - padding)
        for count, taps, length in zip((rows, columns), reach, (h, w), strict=True)
    ]
    x = jnp.pad(x, ((0, 0), *sides, (0, 0)))
    x = x.reshape(n, rows + reach[0] - 1, BLOCK, columns + reach[1] - 1, BLOCK, c)
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(n, *x.shape[1:4:2], BLOCK**2 * c)
    y = conv_direct(x, _between_blocks(kernel, reach), jnp.tile(bias, BLOCK**2))
    y = y.reshape(n, rows, columns, BLOCK, BLOCK, d).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(n, BLOCK * rows, BLOCK * columns, d)[:, : size[0], : size[1]]


def _between_blocks(kernel: Array, reach: Sequence[int]) -> Array:
    """The kernel shifted to each of a block's pixels, `(taps, taps, 16 c, 16 d)`."""
    for axis, taps in zip((0, 2), reach, strict=True):  # the second pair of axes comes after the first's shifts
        free = BLOCK * taps - kernel.shape[axis]
        sides = [(0, 0)] * kernel.ndim
        shifted = []
        for shift in range(BLOCK):
            sides[axis] = (shift, free - shift)
            shifted.append(jnp.pad(kernel, sides))
        kernel = jnp.stack(shifted, axis=axis)
    _, height, _, width, c, d = kernel.shape  # (4, 4 taps, 4, 4 taps, c, d)
    kernel = kernel.reshape(BLOCK, height // BLOCK, BLOCK, BLOCK, width // BLOCK, BLOCK, c, d)
    kernel = kernel.transpose(1, 4, 2, 5, 6, 0, 3, 7)  # (taps, taps, 4, 4, c, 4, 4, d)
    return kernel.reshape(*kernel.shape[:2], BLOCK**2 * c, BLOCK**2 * d)


def conv_direct(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw c d"],
    bias: Float[Array, " d"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n oh ow d"]:
    """`conv2d` by the compiler's own convolution.

    Example:
        >>> x, kernel, bias = jnp.ones((1, 5, 6, 2)), jnp.ones((3, 3, 2, 4)), jnp.zeros(4)
        >>> y = conv_direct(x, kernel, bias, padding=1)
        >>> y.shape, float(y[0, 2, 2, 0]), float(y[0, 0, 0, 0])
        ((1, 5, 6, 4), 18.0, 8.0)
    """
    return _correlate(x, kernel, stride, padding) + bias[None, None, None]


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _correlate(x: Array, kernel: Array, stride: int, padding: int) -> Array:
    return _convolution(x, kernel, stride, padding)


@_correlate.defjvp
def _correlate_jvp(
    stride: int, padding: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    """The same sums, written so that the *backward* pass reads its kernel in the order HWIO.

    A backward pass is the transpose of this derivative and swaps the kernel's channels. On the CPU only HWIO kernels
    have a fast program: without this, the gradient in x took three to four times as long. The barrier keeps the
    compiler from undoing the swap.
    """
    (x, kernel), (dx, dkernel) = primals, tangents
    swapped = lax.optimization_barrier(jnp.swapaxes(kernel, 2, 3))
    moved = _convolution(dx, swapped, stride, padding, order="HWOI") + _convolution(x, dkernel, stride, padding)
    return _correlate(x, kernel, stride, padding), moved


def _convolution(x: Array, kernel: Array, stride: int, padding: int, order: str = "HWIO") -> Array:
    sides = ((padding, padding), (padding, padding))
    return lax.conv_general_dilated(x, kernel, (stride, stride), sides, dimension_numbers=("NHWC", order, "NHWC"))


def relu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`max(x, 0)`, with derivative 0 at 0; a NaN stays a NaN.

    Written with a select, so that its backward keeps one byte per value and no array of zeros.

    Example:
        >>> relu(jnp.array([-1.0, 0.0, 2.0]))
        Array([0., 0., 2.], dtype=float32)
    """
    return lax.select(x <= 0, jnp.zeros_like(x), x)

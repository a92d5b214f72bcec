r"""Convolution, in the form that is fastest where it runs (`forms` chooses).

Three forms of the same sum, $y_{p} = b + \sum_{u} x_{s p + u - \text{pad}}\, W_{u}$ over the kernel's taps $u$:

- *pointwise*: a 1x1 kernel is one matrix product over pixels, everywhere.
- *patches* (CPU): the k*k shifted copies of x side by side, then one matrix product. Nine times the activations of a
  3x3 kernel, so only while they fit the processor's cache.
- *direct*: the compiler's own convolution: accelerators, and large inputs on the CPU.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxvision.forms import prefers_patches


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
    kh, kw, c, _ = kernel.shape
    if (kh, kw, stride, padding) == (1, 1, 1, 0):
        return conv_pointwise(x, kernel, bias)
    by_patches = prefers_patches(x.shape[1], x.shape[2], c, kh * kw, stride)
    return (conv_patches if by_patches else conv_direct)(x, kernel, bias, stride=stride, padding=padding)


def conv_pointwise(
    x: Float[Array, "n h w c"], kernel: Float[Array, "1 1 c d"], bias: Float[Array, " d"]
) -> Float[Array, "n h w d"]:
    """A 1x1 convolution: one matrix product over all pixels."""
    n, h, w, c = x.shape
    y = x.reshape(-1, c) @ kernel[0, 0] + bias[None]  # (n*h*w, d)
    return y.reshape(n, h, w, -1)


def conv_patches(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw c d"],
    bias: Float[Array, " d"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n oh ow d"]:
    """`conv2d` as one matrix product over patches (im2col)."""
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


def conv_direct(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw c d"],
    bias: Float[Array, " d"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "n oh ow d"]:
    """`conv2d` by the compiler's own convolution."""
    return _correlate(x, kernel, stride, padding) + bias[None, None, None]


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _correlate(x: Array, kernel: Array, stride: int, padding: int) -> Array:
    return _convolution(x, kernel, stride, padding)


@_correlate.defjvp
def _correlate_jvp(stride, padding, primals, tangents):
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

"""All forms of the transposed convolution are the same function with the same derivatives of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.backbones import Conv
from jaxvision.gan import (
    conv_transpose_direct,
    conv_transpose_rows,
    conv_transpose_subpixel,
    double,
    double_conv,
    halve,
)

FORMS = (conv_transpose_rows, conv_transpose_subpixel, conv_transpose_direct)


def arguments(size, dtype=jnp.float64):
    rng = np.random.default_rng(0)
    shapes = (2, 3, 4, 3), (size, size, 5, 3), (5,)
    return tuple(jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes)


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [
        (4, 2, 1),
        (5, 2, 2),
        (3, 1, 1),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [(2, 3, 0), (7, 3, 2)]),
    ],
)
def test_forms_agree_and_are_the_transpose_of_a_convolution(size, stride, padding):
    with jax.enable_x64(True):
        x, kernel, bias = arguments(size)
        run = jax.jit(lambda form, *arrays: form(*arrays, stride=stride, padding=padding), static_argnums=0)
        *others, direct = (run(form, x, kernel, bias) for form in FORMS)
        for found in others:
            np.testing.assert_allclose(found, direct, rtol=1e-12, atol=1e-12)
        oh, ow = ((side - 1) * stride + size - 2 * padding for side in x.shape[1:3])
        assert direct.shape == (2, oh, ow, 5)

        def convolution(y):
            sides = [(padding, padding)] * 2
            return jax.lax.conv_general_dilated(
                y, kernel, (stride, stride), sides, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

        transposed = jax.linear_transpose(convolution, direct)(x)[0] + bias[None, None, None]
        np.testing.assert_allclose(direct, transposed, rtol=1e-12, atol=1e-12)


def test_is_the_librarys_transpose():
    x, kernel, bias = arguments(4, jnp.float32)
    theirs = jax.lax.conv_transpose(
        x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), transpose_kernel=True
    )
    ours = conv_transpose_subpixel(x, kernel, 0 * bias, stride=2, padding=1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_derivatives_of_every_kind_agree():
    def everything(form, x, kernel):
        bias = jnp.zeros(5)
        loss = lambda x, kernel: jnp.sum(jnp.tanh(form(x, kernel, bias, stride=2, padding=1)) ** 2)  # noqa: E731
        gradient = jax.grad(loss, (0, 1))
        penalty = lambda x, kernel: sum(jnp.sum(g**2) for g in gradient(x, kernel))  # noqa: E731
        return gradient(x, kernel), jax.jvp(gradient, (x, kernel), (x, kernel)), jax.grad(penalty, (0, 1))(x, kernel)

    with jax.enable_x64(True):
        x, kernel, _ = arguments(4)
        *found, expected = (jax.jit(everything, static_argnums=0)(form, x, kernel) for form in FORMS)
        for one in found:
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), one, expected)


def test_a_convolution_of_doubled_pixels_is_a_transposed_one():
    layer = Conv(3, 3, 2, padding=1, key=jax.random.key(0))
    layer.bias.set_value(jnp.array([0.5, -2.0]))
    x = jax.random.normal(jax.random.key(1), (2, 3, 4, 3))
    every = jax.jit(lambda layer, x: (double_conv(layer, x), layer(double(x)), halve(double(x))))
    found, doubled, back = every(layer, x)
    np.testing.assert_allclose(found, doubled, atol=1e-5)
    np.testing.assert_allclose(back, x, rtol=1e-6)

"""Every form of convolution and pooling is the same function, with the same derivatives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from jaxvision.backbones import (
    Conv,
    conv_blocks,
    conv_direct,
    conv_patches,
    conv_pointwise,
    conv_rows,
    max_around,
    max_pool,
    mean_around,
    relu,
)
from jaxvision.errors import InputError


@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (5, 1, 0), (3, 2, 1), (1, 1, 0)])
def test_forms_of_convolution_agree(size, stride, padding):
    rng = np.random.default_rng(0)
    shapes = (2, 7, 12, 3), (size, size, 3, 4), (4,)
    forms = [functools.partial(form, stride=stride, padding=padding) for form in (conv_direct, conv_patches)]
    if stride == 1:
        forms += [functools.partial(form, padding=padding) for form in (conv_blocks, conv_rows)]
    if size == 1:
        forms.append(conv_pointwise)

    @jax.jit
    def outputs_and_gradients(*arguments):
        pairs = [jax.vjp(form, *arguments) for form in forms]
        return [output for output, _ in pairs], [pull_back(pairs[0][0]) for _, pull_back in pairs]

    with jax.enable_x64(True):
        (direct, *outputs), (expected, *gradients) = outputs_and_gradients(*(rng.normal(size=s) for s in shapes))
    for output, found in zip(outputs, gradients, strict=True):
        np.testing.assert_allclose(output, direct, rtol=1e-12, atol=1e-12)
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-11, atol=1e-11), found, expected)


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
def test_derivatives_of_every_kind_are_those_of_the_plain_convolution(stride, padding):
    """The direct form has a derivative written by hand: it must hold forwards, backwards, twice and under vmap."""

    def plain(x, kernel, bias):
        sides = [(padding, padding)] * 2
        return lax.conv_general_dilated(x, kernel, (stride, stride), sides, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def direct(x, kernel, bias):
        return conv_direct(x, kernel, bias, stride=stride, padding=padding)

    def everything(form, x, kernel):
        bias = jnp.zeros(4)
        loss = lambda x, kernel: jnp.sum(jnp.tanh(form(x, kernel, bias)) ** 2)  # noqa: E731
        gradient = jax.grad(loss, (0, 1))
        penalty = lambda x, kernel: sum(jnp.sum(g**2) for g in gradient(x, kernel))  # noqa: E731
        return (
            jax.jvp(loss, (x, kernel), (kernel.sum() * x, kernel)),
            jax.jvp(gradient, (x, kernel), (x, kernel)),
            jax.grad(penalty, (0, 1))(x, kernel),
            jax.vmap(gradient, (None, 0))(x, jnp.stack([kernel, 2 * kernel])),
        )

    with jax.enable_x64(True):
        x = jax.random.normal(jax.random.key(0), (2, 6, 7, 3), jnp.float64)
        kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 4), jnp.float64)
        found, expected = (jax.jit(everything, static_argnums=0)(form, x, kernel) for form in (direct, plain))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), found, expected)


@pytest.mark.parametrize(("size", "stride", "side"), [(3, 2, (8, 9)), (3, 1, (4, 5)), (5, 2, (9, 10))])
def test_edges_go_on_as_numpy_has_them(size, stride, side):
    layer = Conv(size, 2, 3, stride=stride, padding=1, key=jax.random.key(0))
    layer.replicate = True
    x = jnp.asarray(np.random.default_rng(1).normal(size=(2, *side, 2)), jnp.float32)
    missing = [max(0, (-(-length // stride) - 1) * stride + size - length) for length in side]
    sides = [(0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)]

    def expected(x):
        return conv_direct(jnp.pad(x, sides, mode="edge"), layer.kernel[...], layer.bias[...], stride=stride)

    @functools.partial(jax.jit, static_argnums=0)
    def output_and_gradient(form, x):
        output, pull_back = jax.vjp(form, x)
        return output, pull_back(jnp.cos(output))

    found, wanted = (output_and_gradient(form, x) for form in (layer.__call__, expected))
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), found, wanted)


def test_convolution_by_hand():
    """One tap picks the neighbour below and to the right: y[i, j] = x[i + 1, j + 1], zero beyond the edge."""
    x = jnp.arange(12.0).reshape(1, 3, 4, 1)
    kernel = jnp.zeros((3, 3, 1, 1)).at[2, 2].set(1.0)
    expected = np.array([[5, 6, 7, 0], [9, 10, 11, 0], [0, 0, 0, 0]], np.float32)
    for form in (conv_direct, conv_patches):
        np.testing.assert_array_equal(form(x, kernel, jnp.zeros(1), padding=1)[0, :, :, 0], expected)


def reduce_window(x, size, ceil_mode):
    """The compiler's own pooling, with the hang-over of PyTorch's ceil_mode as padding."""
    sides = [(0, (-(length - size) % 2) if ceil_mode else 0) for length in x.shape[1:3]]
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, 2, 2, 1), [(0, 0), *sides, (0, 0)])


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("side", [(3, 4), (8, 5)])
def test_max_pool_is_the_window_maximum_with_its_gradient(size, ceil_mode, side):
    x = jax.random.normal(jax.random.key(1), (2, *side, 3))

    @functools.partial(jax.jit, static_argnums=0)
    def maximum_and_gradient(pool, x):
        maximum, pull_back = jax.vjp(lambda x: pool(x, size=size, ceil_mode=ceil_mode), x)
        return maximum, pull_back(maximum)

    ours, theirs = (maximum_and_gradient(pool, x) for pool in (max_pool, reduce_window))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize("side", [(1, 2), (5, 4)])
def test_what_is_around_a_pixel_ends_at_the_edge(side):
    """By hand, one window after the other."""
    x = np.random.default_rng(0).normal(size=(2, *side, 3)).astype(np.float32)
    for pool, statistic in ((max_around, np.max), (mean_around, np.mean)):
        pooled = pool(jnp.asarray(x))
        for i, j in np.ndindex(side):
            window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            np.testing.assert_allclose(pooled[:, i, j], statistic(window, axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_what_is_around_a_pixel_has_the_gradient_of_its_window():
    x = jnp.round(jax.random.normal(jax.random.key(3), (1, 5, 6, 2)))  # with many equal members
    around = ((0, 0), (1, 1), (1, 1), (0, 0))
    windows = lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), around)  # noqa: E731
    weights = jax.random.normal(jax.random.key(4), x.shape)
    gradient = jax.jit(lambda pool, x: jax.grad(lambda x: jnp.sum(weights * pool(x)))(x), static_argnums=0)
    ours, theirs = (gradient(pool, x) for pool in (max_around, windows))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    check_grads(jax.jit(mean_around), (x,), order=2, atol=1e-2, rtol=1e-2)


def test_max_pool_under_double_backward():
    x = np.random.default_rng(2).normal(size=(1, 5, 6, 2))
    with jax.enable_x64(True):
        squares = jax.jit(lambda x: max_pool(x, size=3, ceil_mode=True) ** 2)
        check_grads(squares, (jnp.asarray(x),), order=2, atol=1e-5, rtol=1e-5, eps=1e-6)


def test_first_of_equal_members_in_reading_order_takes_the_gradient():
    window = jnp.array([[0.0, 1.0], [1.0, 1.0]])[None, :, :, None]
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x)))(window)
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0, 1], [0, 0]])


def test_nan_is_not_swallowed():
    x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 0, 0].set(jnp.nan).at[0, 2, 3, 0].set(jnp.nan)
    np.testing.assert_array_equal(jnp.isnan(max_pool(x))[0, :, :, 0], [[True, False], [False, True]])
    assert jnp.isnan(relu(jnp.array([jnp.nan]))).all()


def test_images_without_a_window_are_refused():
    with pytest.raises(InputError, match="at least 3 x 3 pixels"):
        max_pool(jnp.zeros((1, 2, 9, 1)), size=3)
    with pytest.raises(InputError, match="size must be 2 or 3"):
        max_pool(jnp.zeros((1, 9, 9, 1)), size=4)

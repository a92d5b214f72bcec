"""oneDNN's convolution is the compiler's, with derivatives of every kind; what it does not do is left to that."""

import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxvision import forms, onednn
from jaxvision.backbones import conv2d, conv_direct
from jaxvision.onednn import primitive
from jaxvision.onednn.library import Refused

pytestmark = pytest.mark.skipif(
    onednn.library() is None or jax.default_backend() != "cpu", reason="extra `onednn`: oneDNN is not installed"
)


def plain(x, kernel, *, stride, padding):
    return conv_direct(x, kernel, jnp.zeros(kernel.shape[-1], kernel.dtype), stride=stride, padding=padding)


def close(found, expected, *, rtol=1e-4):
    scale = float(jnp.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * scale)


def arrays(x_shape, kernel_shape, dtype=jnp.float32):
    x, kernel = jax.random.normal(jax.random.key(0), x_shape), jax.random.normal(jax.random.key(1), kernel_shape)
    return x.astype(dtype), kernel.astype(dtype)


def everything(form, x, kernel):
    """Values, first and second derivatives forwards and backwards, and all of them under vmap."""
    loss = lambda x, kernel: jnp.mean(jnp.tanh(form(x, kernel)) ** 2)  # noqa: E731
    gradient = jax.grad(loss, (0, 1))
    penalty = lambda x, kernel: sum(jnp.sum(g**2) for g in gradient(x, kernel))  # noqa: E731
    xs, kernels = jnp.stack([x, 2 * x, jnp.sin(x)]), jnp.stack([kernel, 2 * kernel, jnp.sin(kernel)])
    return (
        form(x, kernel),
        jax.jvp(loss, (x, kernel), (x, jnp.sin(kernel))),
        gradient(x, kernel),
        jax.jvp(gradient, (x, kernel), (jnp.cos(x), kernel)),
        jax.grad(penalty, (0, 1))(x, kernel),
        [jax.vmap(gradient, axes)(*both) for axes, both in (((0, None), (xs, kernel)), ((None, 0), (x, kernels)))],
        jax.vmap(gradient)(xs, kernels),
    )


@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "stride", "padding"),
    [
        ((2, 9, 8, 3), (3, 3, 3, 5), 1, 1),
        ((2, 9, 8, 3), (3, 3, 3, 5), 2, 0),
        ((1, 10, 7, 16), (4, 4, 16, 8), 2, 1),  # which leaves a row of x out
        ((4, 12, 12, 32), (5, 3, 32, 64), 1, 2),
        ((2, 6, 6, 16), (1, 1, 16, 32), 1, 0),
    ],
)
def test_everything_is_the_compilers(x_shape, kernel_shape, stride, padding):
    x, kernel = arrays(x_shape, kernel_shape)
    how = {"stride": stride, "padding": padding}
    ours = functools.partial(onednn.convolve, **how, plain=plain)
    program = jax.jit(functools.partial(everything, ours)).lower(x, kernel).compile()
    for output in ("x", "y", "kernel"):
        assert f'custom_call_target="onednn_{output}_' in program.as_text()
    expected = jax.jit(functools.partial(everything, functools.partial(plain, **how)))(x, kernel)
    jax.tree.map(close, program(x, kernel), expected)


def test_a_convolution_by_hand():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    kernel = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
    found = onednn.convolve(x, kernel, stride=1, padding=0, plain=plain)  # outside jit
    np.testing.assert_array_equal(found[0, :, :, 0], [[27, 37], [57, 67]])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_other_numbers_are_left_to_the_compiler(dtype):
    with jax.enable_x64(True):
        x, kernel = arrays((1, 8, 8, 4), (3, 3, 4, 4), dtype)
        form = functools.partial(onednn.convolve, stride=1, padding=1, plain=plain)
        gradient = jax.jit(jax.grad(lambda x, kernel: jnp.sum(form(x, kernel)), (0, 1))).lower(x, kernel).compile()
        assert "onednn_" not in gradient.as_text()
        expected = jax.grad(lambda x, kernel: jnp.sum(plain(x, kernel, stride=1, padding=1)), (0, 1))(x, kernel)
        jax.tree.map(np.testing.assert_array_equal, gradient(x, kernel), expected)


def test_what_is_divided_among_devices_is_left_to_the_compiler():
    x, kernel = arrays((4, 8, 8, 4), (3, 3, 4, 4))
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    divided = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
    whole = jax.device_put(kernel, NamedSharding(mesh, PartitionSpec()))
    form = jax.jit(functools.partial(onednn.convolve, stride=1, padding=1, plain=plain))
    assert "onednn_" not in form.lower(divided, whole).compile().as_text()
    assert form(divided, whole).sharding.spec == PartitionSpec("data")
    close(form(divided, whole), form(x, kernel))


def test_an_empty_batch_and_a_refusal_are_left_to_the_compiler(monkeypatch):
    empty = onednn.convolve(jnp.ones((0, 8, 8, 4)), jnp.ones((3, 3, 4, 2)), stride=1, padding=0, plain=plain)
    assert empty.shape == (0, 6, 6, 2)

    def refused(output, geometry):
        raise Refused("none of these")

    monkeypatch.setattr(primitive, "convolution", refused)
    x, kernel = arrays((1, 11, 11, 2), (3, 3, 2, 2))
    found = onednn.convolve(x, kernel, stride=1, padding=1, plain=plain)
    np.testing.assert_array_equal(found, plain(x, kernel, stride=1, padding=1))


def test_a_failure_within_a_program_is_an_error(monkeypatch):
    monkeypatch.setattr(primitive, "convolution", lambda output, geometry: lambda a, b, c: 7)
    x, kernel = arrays((1, 13, 13, 2), (3, 3, 2, 2))
    with pytest.raises(jax.errors.JaxRuntimeError, match="oneDNN's status is 7"):
        onednn.convolve(x, kernel, stride=1, padding=1, plain=plain).block_until_ready()


def test_operations_are_counted():
    x, kernel = arrays((2, 9, 9, 4), (3, 3, 4, 8))
    form = functools.partial(onednn.convolve, stride=2, padding=0, plain=plain)
    text = jax.jit(form).lower(x, kernel).compile().as_text()
    assert onednn.operations(text) == 2 * (2 * 4 * 4 * 8) * (3 * 3 * 4)


def test_same_bits_again_and_of_every_batch():
    x, kernel = arrays((5, 16, 16, 8), (3, 3, 8, 16))
    form = jax.jit(functools.partial(onednn.convolve, stride=1, padding=1, plain=plain))
    np.testing.assert_array_equal(form(x, kernel), form(x, kernel))
    close(jnp.concatenate([form(x[:2], kernel), form(x[2:], kernel)]), form(x, kernel), rtol=1e-6)


def test_the_environment_turns_it_off(monkeypatch):
    assert forms.prefers_onednn(10**8)
    assert not forms.prefers_onednn(10**7)
    assert forms.chunk_size(8, 224, 224) == 8
    x, kernel = jnp.ones((1, 128, 128, 32)), jnp.ones((3, 3, 32, 32))
    convolved = jax.jit(lambda x, kernel: conv2d(x, kernel, jnp.zeros(32), padding=1))
    assert "onednn_y_1x128x128x32" in convolved.lower(x, kernel).as_text()
    monkeypatch.setenv("JAXVISION_ONEDNN", "off")
    assert not forms.prefers_onednn(10**8)
    assert forms.chunk_size(8, 224, 224) == 2


def test_opening_it_leaves_the_environment_alone(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    onednn.library.cache_clear()
    assert onednn.library() is not None
    assert "OMP_WAIT_POLICY" not in os.environ


def test_a_program_that_is_still_running_does_not_hold_up_the_end():
    """XLA calls Python from threads of its own, also when the interpreter is about to end."""
    script = """
import jax, jax.numpy as jnp
from jaxvision.backbones import conv2d
kernel, bias = jnp.full((3, 3, 32, 32), 1e-3), jnp.zeros(32)
step = lambda i, x: jnp.tanh(conv2d(x, kernel, bias, padding=1))
program = jax.jit(lambda x: jax.lax.fori_loop(0, 300, step, x)).lower(jnp.ones((4, 64, 64, 32))).compile()
assert "onednn_" in program.as_text()
program(jnp.ones((4, 64, 64, 32)))
"""
    environment = {**os.environ, "JAXVISION_ONEDNN": "on"}
    done = subprocess.run(
        [sys.executable, "-c", script], timeout=120, capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()

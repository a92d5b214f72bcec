r"""A convolution as a primitive of JAX that is closed under differentiation.

$\langle y, x \star k \rangle$ is linear in each of x, k and y. So is each of the three maps that leave one of them out,
and the two transposes of each are the other two: derivatives of every order, forwards and backwards, need no further
kind of operation. Examples under `vmap` join the batch. What oneDNN does not do (float64, several devices, another
platform) is left to a function that the caller gives.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from jaxvision.onednn.calls import c_function
from jaxvision.onednn.library import Geometry, Refused, Slot, convolution, inputs

Plain = Callable[..., Array]  # (x, kernel, *, stride, padding) -> y

_convolve = Primitive("onednn_convolve")
_compiled: dict[str, Any] = {}  # C functions by name, which must live as long as XLA may call them


def convolve(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw c d"],
    *,
    stride: int,
    padding: int,
    plain: Plain,
) -> Float[Array, "n oh ow d"]:
    r"""Cross-correlation, $y_{n,i,j,d} = \sum_{u,v,c} x_{n,\,si+u-p,\,sj+v-p,\,c}\; W_{u,v,c,d}$, by oneDNN.

    Args:
        x: `(n, h, w, c)`.
        kernel: `(kh, kw, c, d)`.
        stride: $s$.
        padding: $p$ zeros on every side.
        plain: the same as a function `(x, kernel, *, stride, padding)` of the compiler's, for what oneDNN does not do.

    Returns:
        `(n, (h + 2p - kh) // s + 1, (w + 2p - kw) // s + 1, d)`.
    """
    geometry = Geometry(x.shape, kernel.shape, stride, padding)
    return _bind("y", {"x": x, "kernel": kernel}, geometry=geometry, plain=plain)


def operations(program: str) -> float:
    """Multiplications and additions of oneDNN's convolutions in the text of a compiled program; XLA counts them as 0.

    As in XLA's count, a loop's body counts once.

    Args:
        program: `compiled.as_text()`, compiled in this process.
    """
    return float(sum(_compiled[name].operations for name in re.findall(r'custom_call_target="(onednn_\w+)"', program)))


class _Compiled(NamedTuple):
    function: object
    operations: int


def _bind(output: Slot, values: Mapping[Slot, Any], **how: Any) -> Any:
    return _convolve.bind(*(values[slot] for slot in inputs(output)), output=output, **how)


def _shape(output: Slot, geometry: Geometry) -> tuple[int, ...]:
    return {"x": geometry.x_shape, "kernel": geometry.kernel_shape, "y": geometry.y_shape}[output]


@_convolve.def_abstract_eval
def _abstract(a: Any, b: Any, *, output: Slot, geometry: Geometry, plain: Plain) -> Any:
    return a.update(shape=_shape(output, geometry), dtype=jnp.result_type(a, b), weak_type=False)


@functools.cache
def _program(**how: Any) -> Callable[..., Array]:
    return jax.jit(functools.partial(_convolve.bind, **how))


_convolve.def_impl(lambda a, b, **how: _program(**how)(a, b))


def _transpose(target: int, cotangent: Any, a: Any, b: Any, *, output: Slot, **how: Any) -> Any:
    """The map to one of the inputs, from the other and the output's cotangent."""
    values: dict[Slot, Any] = {**dict(zip(inputs(output), (a, b), strict=True)), output: cotangent}
    return _bind(inputs(output)[target], values, **how)


ad.defbilinear(_convolve, functools.partial(_transpose, 0), functools.partial(_transpose, 1))


def _batched(
    arrays: Sequence[Array], axes: Sequence[Any], *, output: Slot, geometry: Geometry, plain: Plain
) -> tuple[Array, int]:
    """Examples join the batch where one kernel serves all; else there is one convolution after the other."""
    how = {"output": output, "geometry": geometry, "plain": plain}
    size = next(array.shape[axis] for array, axis in zip(arrays, axes, strict=True) if axis is not None)
    kernel_axis = dict(zip(inputs(output), axes, strict=True)).get("kernel", -1)
    if kernel_axis is None:
        how["geometry"] = geometry._replace(x_shape=(size * geometry.x_shape[0], *geometry.x_shape[1:]))
        a, b = (
            array if axis is None else jnp.moveaxis(array, axis, 0).reshape(-1, *array.shape[-3:])
            for array, axis in zip(arrays, axes, strict=True)
        )
        return _convolve.bind(a, b, **how).reshape(size, *_shape(output, geometry)), 0
    pairs = tuple(
        jnp.broadcast_to(array, (size, *array.shape)) if axis is None else jnp.moveaxis(array, axis, 0)
        for array, axis in zip(arrays, axes, strict=True)
    )
    return lax.map(lambda pair: _convolve.bind(*pair, **how), pairs), 0


batching.primitive_batchers[_convolve] = _batched


def _plainly(a: Array, b: Array, *, output: Slot, geometry: Geometry, plain: Plain) -> Array:
    """The same map by the compiler: `plain`, or its derivative in what is asked for, which is linear in it."""
    values = dict(zip(inputs(output), (a, b), strict=True))
    forward = functools.partial(plain, stride=geometry.stride, padding=geometry.padding)
    if output == "y":
        return forward(a, b)
    at = jnp.zeros(_shape(output, geometry), a.dtype)
    if output == "x":
        return jax.vjp(lambda x: forward(x, values["kernel"]), at)[1](values["y"])[0]
    return jax.vjp(lambda kernel: forward(values["x"], kernel), at)[1](values["y"])[0]


def _on_cpu(context: Any, a: Any, b: Any, *, output: Slot, geometry: Geometry, plain: Plain) -> Any:
    """oneDNN, for float32 on one device."""
    dtypes = {aval.dtype for aval in context.avals_in}
    n_devices = getattr(context.module_context.axis_context, "num_devices", None)
    sizes = (*geometry.x_shape, *geometry.kernel_shape, *geometry.y_shape)
    if dtypes == {jnp.dtype(jnp.float32)} and n_devices == 1 and min(sizes) > 0:
        try:
            return jax.ffi.ffi_lowering(_target(output, geometry))(context, a, b)
        except Refused:
            pass
    return _plain_lowering(context, a, b, output=output, geometry=geometry, plain=plain)


def _target(output: Slot, geometry: Geometry) -> str:
    """The name under which XLA finds the C function of a geometry, made where it is first asked for."""
    shapes = ("x".join(map(str, shape)) for shape in (geometry.x_shape, geometry.kernel_shape))
    name = "_".join(["onednn", output, *shapes, str(geometry.stride), str(geometry.padding)])
    if name not in _compiled:
        function = c_function(convolution(output, geometry))
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(function), platform="cpu")
        _compiled[name] = _Compiled(function, 2 * math.prod(geometry.y_shape) * math.prod(geometry.kernel_shape[:3]))
    return name


_plain_lowering = mlir.lower_fun(_plainly, multiple_results=False)
mlir.register_lowering(_convolve, _plain_lowering)
mlir.register_lowering(_convolve, _on_cpu, platform="cpu")

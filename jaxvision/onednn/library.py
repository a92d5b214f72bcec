"""oneDNN by `ctypes`: one of its convolutions for each shape, as a function of three addresses.

The library is what `pip install onednn-cpu-gomp` brings (extra `onednn`); nothing is compiled here. Names and numbers
are those of its C interface, `oneapi/dnnl/dnnl.h` of version 3.
"""

import ctypes
import functools
import importlib.metadata
import os
import threading
from collections.abc import Callable, Sequence
from ctypes import byref, c_int, c_int64, c_size_t, c_void_p
from typing import Any, Literal, NamedTuple

Slot = Literal["x", "kernel", "y"]
SLOTS: tuple[Slot, ...] = ("x", "kernel", "y")

PACKAGE, FILE, WAITING = "onednn-cpu-gomp", "libdnnl.so.3", "OMP_WAIT_POLICY"
CPU, IN_ORDER, FLOAT32, ANY_LAYOUT, TRAINING, DIRECT = 1, 1, 3, 1, 64, 1
SOURCE, RESULT, KERNEL = 1, 17, 33  # arguments of a primitive
COTANGENTS = {  # arguments of a derivative
    "x": {"x": 129, "kernel": KERNEL, "y": 145},
    "kernel": {"x": SOURCE, "kernel": 161, "y": 145},
}
KERNEL_LAYOUT, KERNEL_COTANGENT_LAYOUT = 131, 132  # questions to a description
ALIGNED = 64  # bytes

# One convolution has all cores: two at a time would have twice as many threads. And a primitive's room is its own.
ONE_AT_A_TIME = threading.Lock()


class Refused(Exception):
    """oneDNN has no such convolution."""


class Geometry(NamedTuple):
    """What a convolution's program depends on."""

    x_shape: tuple[int, ...]  # NHWC
    kernel_shape: tuple[int, ...]  # HWIO
    stride: int
    padding: int

    @property
    def y_shape(self) -> tuple[int, ...]:
        """The shape of the result, NHWC."""
        (n, h, w, _), (kh, kw, _, d) = self.x_shape, self.kernel_shape
        oh, ow = ((size + 2 * self.padding - taps) // self.stride + 1 for size, taps in ((h, kh), (w, kw)))
        return n, oh, ow, d


def inputs(output: Slot) -> tuple[Slot, Slot]:
    """The other two, in their order."""
    others: list[Slot] = [slot for slot in SLOTS if slot != output]
    return others[0], others[1]


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library, or None where it is not installed."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [file.locate() for file in files if file.name == FILE]
    if not paths:
        return None
    chosen = os.environ.get(WAITING)
    os.environ[WAITING] = chosen or "passive"  # its idle threads leave their cores to XLA's
    try:
        opened = ctypes.CDLL(os.fspath(paths[0]))
    except OSError:  # made for another machine
        return None
    finally:
        if chosen is None:
            del os.environ[WAITING]  # it was for this library alone, not for what this process starts
    opened.dnnl_primitive_desc_query_md.restype = c_void_p
    opened.dnnl_memory_desc_get_size.restype = c_size_t
    return opened


def _opened() -> ctypes.CDLL:
    opened = library()
    assert opened is not None, "`library` says first whether there is one"
    return opened


def convolution(output: Slot, geometry: Geometry) -> Callable[[int, int, int], int]:
    """One of a convolution's three maps as a function of addresses: of its two inputs and its output.

    Args:
        output: "y" from x and kernel, "x" from kernel and y, "kernel" from x and y, in this order.
        geometry: of the convolution.

    Returns:
        A function that returns oneDNN's status, 0 where all went well.

    Raises:
        Refused: oneDNN has none of this geometry.
    """
    _, stream = _engine()
    layouts = {"x": _pixels(geometry.x_shape), "kernel": _kernel(geometry.kernel_shape), "y": _pixels(geometry.y_shape)}
    given = {slot: _memory(layout) for slot, layout in layouts.items()}
    description, liked = _described(output, geometry)
    # The kernel goes to the layout that oneDNN likes best before the convolution, or comes from there after it.
    room = ctypes.create_string_buffer(_opened().dnnl_memory_desc_get_size(liked) + ALIGNED)
    address = ctypes.addressof(room)
    packed = _memory(liked, address + -address % ALIGNED)
    indices = {"x": SOURCE, "kernel": KERNEL, "y": RESULT} if output == "y" else COTANGENTS[output]
    memories = {indices[slot]: packed if slot == "kernel" else memory for slot, memory in given.items()}
    convolve = (_made("dnnl_primitive_create", description), stream, 3, _arguments(memories))
    source, target = (packed, given["kernel"]) if output == "kernel" else (given["kernel"], packed)
    layouts_of_both = (liked, layouts["kernel"]) if output == "kernel" else (layouts["kernel"], liked)
    reorder = (_reorder(*layouts_of_both), stream, 2, _arguments({SOURCE: source, RESULT: target}))
    steps = (convolve, reorder) if output == "kernel" else (reorder, convolve)
    first, second, result = (given[slot] for slot in (*inputs(output), output))
    set_address, execute = _opened().dnnl_memory_set_data_handle, _opened().dnnl_primitive_execute

    def run(a: int, b: int, c: int, *, room: object = room) -> int:  # which keeps the room
        with ONE_AT_A_TIME:
            return (
                set_address(first, c_void_p(a))
                or set_address(second, c_void_p(b))
                or set_address(result, c_void_p(c))
                or execute(*steps[0])
                or execute(*steps[1])
            )

    return run


def _described(output: Slot, geometry: Geometry) -> tuple[c_void_p, c_void_p]:
    """A convolution's description, and the layout in which it wants the kernel."""
    engine, _ = _engine()
    x, kernel, y = _pixels(geometry.x_shape), _any_kernel(geometry.kernel_shape), _pixels(geometry.y_shape)
    sides = _numbers([geometry.padding] * 2)
    how = (_numbers([geometry.stride] * 2), _numbers([0, 0]), sides, sides)
    create, no_bias = "dnnl_convolution_{}_primitive_desc_create", None
    forward = _made(create.format("forward"), engine, TRAINING, DIRECT, x, kernel, no_bias, y, *how, None)
    if output == "y":
        description = forward
    elif output == "x":
        description = _made(create.format("backward_data"), engine, DIRECT, x, kernel, y, *how, forward, None)
    else:
        name = create.format("backward_weights")
        description = _made(name, engine, DIRECT, x, kernel, no_bias, y, *how, forward, None)
    question = KERNEL_COTANGENT_LAYOUT if output == "kernel" else KERNEL_LAYOUT
    return description, c_void_p(_opened().dnnl_primitive_desc_query_md(description, question, 0))


def _reorder(source: c_void_p, target: c_void_p) -> c_void_p:
    """From one layout to another."""
    engine, _ = _engine()
    description = _made("dnnl_reorder_primitive_desc_create", source, engine, target, engine, None)
    return _made("dnnl_primitive_create", description)


@functools.cache
def _engine() -> tuple[c_void_p, c_void_p]:
    """The processor, and its queue of work."""
    engine = _made("dnnl_engine_create", CPU, c_size_t(0))
    return engine, _made("dnnl_stream_create", engine, IN_ORDER)


def _made(function: str, *arguments: object) -> c_void_p:
    """What a constructor of the library writes to the address in its first argument."""
    made = c_void_p()
    status = getattr(_opened(), function)(byref(made), *arguments)
    if status:
        raise Refused(f"{function}: status {status}")
    return made


def _numbers(values: Sequence[int]) -> "ctypes.Array[Any]":
    return (c_int64 * 12)(*values)


def _pixels(shape: tuple[int, ...]) -> c_void_p:
    """NHWC, which oneDNN describes as NCHW with strides."""
    n, h, w, c = shape
    strides = _numbers([h * w * c, 1, w * c, c])
    return _made("dnnl_memory_desc_create_with_strides", 4, _numbers([n, c, h, w]), FLOAT32, strides)


def _kernel(shape: tuple[int, ...]) -> c_void_p:
    """HWIO, as OIHW with strides."""
    kh, kw, c, d = shape
    strides = _numbers([1, d, kw * c * d, c * d])
    return _made("dnnl_memory_desc_create_with_strides", 4, _numbers([d, c, kh, kw]), FLOAT32, strides)


def _any_kernel(shape: tuple[int, ...]) -> c_void_p:
    """A kernel in whatever layout a primitive likes best."""
    kh, kw, c, d = shape
    return _made("dnnl_memory_desc_create_with_tag", 4, _numbers([d, c, kh, kw]), FLOAT32, ANY_LAYOUT)


def _memory(description: c_void_p, address: int | None = None) -> c_void_p:
    """Values at an address, which may be set later."""
    return _made("dnnl_memory_create", description, _engine()[0], c_void_p(address))


class _Argument(ctypes.Structure):
    _fields_ = [("index", c_int), ("memory", c_void_p)]


def _arguments(memories: dict[int, c_void_p]) -> "ctypes.Array[Any]":
    return (_Argument * len(memories))(*(_Argument(index, memory) for index, memory in memories.items()))

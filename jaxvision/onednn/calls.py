"""A function in C's manner that XLA calls from a compiled program, around a Python function of addresses.

The structures begin as those of XLA's stable C interface do (`xla/ffi/api/c_api.h` in `jax.ffi.include_dir()`, major
version 0); what follows the last field that is read here is left out.
"""

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_void_p, sizeof
from typing import Any

INTERNAL = 13  # the kind of an error
MAJOR = 0  # version of the interface, of which XLA refuses another than its own


class _Version(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("extension", c_void_p), ("major", c_int), ("minor", c_int)]


class _Metadata(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("version", _Version)]


class _Extension(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("kind", c_int), ("next", c_void_p), ("metadata", POINTER(_Metadata))]


class _Buffer(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("extension", c_void_p), ("dtype", c_int), ("address", c_void_p)]


class _Buffers(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", c_void_p),
        ("count", c_int64),
        ("kinds", c_void_p),
        ("buffers", POINTER(POINTER(_Buffer))),
    ]


class _Message(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("extension", c_void_p), ("text", c_char_p), ("kind", c_int)]


class _Interface(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", c_void_p),
        ("version", _Version),
        ("internal", c_void_p),
        ("error", CFUNCTYPE(c_void_p, POINTER(_Message))),
    ]


class _Call(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("extension", POINTER(_Extension)),
        ("interface", POINTER(_Interface)),
        ("context", c_void_p),
        ("stage", c_int),
        ("given", _Buffers),
        ("returned", _Buffers),
    ]


def c_function(run: Callable[[int, int, int], int]) -> Callable[..., int | None]:
    """A C function that gives `run` the addresses of a call's two operands and its result.

    Whoever registers it keeps it: XLA has only its address.

    Args:
        run: returns 0 where all went well; anything else fails the program.
    """

    @CFUNCTYPE(c_void_p, POINTER(_Call))
    def called(pointer: Any) -> int | None:
        call = pointer.contents
        interface = call.interface.contents
        if call.extension:  # which version does the function speak?
            spoken = call.extension.contents.metadata.contents.version
            spoken.major, spoken.minor = MAJOR, interface.version.minor
            return None
        first, second, result = call.given.buffers[0], call.given.buffers[1], call.returned.buffers[0]
        status = run(first.contents.address, second.contents.address, result.contents.address)
        if not status:
            return None
        text = f"oneDNN's status is {status}".encode()
        return interface.error(byref(_Message(sizeof(_Message), None, text, INTERNAL)))

    return called

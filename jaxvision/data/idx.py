"""The IDX format in which MNIST is published: a magic number, the shape, then the bytes."""

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxvision.errors import InputError

MAX_AXES = 8
MAX_BYTES = 1 << 31  # 45 times MNIST's training images, 3 times those of the largest set in this format, EMNIST's

_UNSIGNED_BYTE = 0x08
_PIECE = 1 << 22  # bytes
_TYPES = {0x09: "signed bytes", 0x0B: "16-bit integers", 0x0C: "32-bit integers", 0x0D: "floats", 0x0E: "doubles"}


def read_idx(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "..."]:
    """Reads an IDX file of unsigned bytes, gzipped or not.

    Two zero bytes, one byte for the type, one for the number of axes d, then d big-endian 32-bit lengths, then the
    values in row-major order.

    Args:
        path: the file; gzip is told by its content.

    Returns:
        The array, of the shape that the file states.

    Raises:
        InputError: if the file is missing, damaged, no IDX file, or holds more or less than it states, another type
            than unsigned bytes, more than MAX_AXES axes or more than MAX_BYTES; never more is unpacked than it states.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]))
        ...     file.flush()
        ...     read_idx(file.name)
        array([[7, 8, 9]], dtype=uint8)

    References:
        LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998,
        http://yann.lecun.com/exdb/mnist/, file formats. Departure: only unsigned bytes, all that MNIST uses.
    """
    path = Path(path)
    try:
        with _unpacked(path) as stream:
            return _read(path, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged ({error}): get a whole copy of it") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; choose a file that you can read") from error


def _read(path: Path, stream: io.BufferedIOBase) -> UInt8[np.ndarray, "..."]:
    data = stream.read(4)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise InputError(f"{path} is not an IDX file: expected it to begin with two zero bytes, got {data.hex(' ')!r}")
    kind, n_axes = data[2], data[3]
    if kind != _UNSIGNED_BYTE:
        found = _TYPES.get(kind, f"the unknown type 0x{kind:02x}")
        raise InputError(f"{path} holds {found}: expected an IDX file of unsigned bytes (type 0x08)")
    if n_axes > MAX_AXES:
        raise InputError(f"{path} states {n_axes} axes: at most {MAX_AXES} are read, get a whole copy of it")
    lengths = stream.read(4 * n_axes)
    if n_axes == 0 or len(lengths) < 4 * n_axes:
        raise InputError(f"{path} is cut off in its header ({4 + len(lengths)} bytes): get a whole copy of it")
    shape = struct.unpack(f">{n_axes}I", lengths)
    stated = f"its header states {' x '.join(map(str, shape))} = {math.prod(shape)} bytes"
    if math.prod(shape) > MAX_BYTES or math.prod(length or 1 for length in shape) > MAX_BYTES:
        raise InputError(f"{path} is damaged or too large: {stated}, at most {MAX_BYTES} are read")
    data = _at_most(stream, math.prod(shape) + 1)
    if len(data) != math.prod(shape):
        follow = "more" if len(data) > math.prod(shape) else len(data)
        raise InputError(f"{path} is damaged: {stated}, {follow} follow; get a whole copy of it")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _unpacked(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else path.open("rb")


def _at_most(stream: io.BufferedIOBase, n: int) -> bytearray:
    """In pieces, so that memory is taken for what is there and not for what is stated."""
    data = bytearray()
    while len(data) < n and (piece := stream.read(min(n - len(data), _PIECE))):
        data += piece
    return data

"""The IDX format in which MNIST is published: a magic number, the shape, then the bytes."""

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxvision.errors import InputError

_UNSIGNED_BYTE = 0x08
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
        InputError: if the file is missing, damaged, no IDX file, or holds more or less than it states, or holds
            another type than unsigned bytes.

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
    data = _contents(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise InputError(
            f"{path} is not an IDX file: expected it to begin with two zero bytes, got {data[:4].hex(' ')!r}"
        )
    kind, n_axes = data[2], data[3]
    if kind != _UNSIGNED_BYTE:
        found = _TYPES.get(kind, f"the unknown type 0x{kind:02x}")
        raise InputError(f"{path} holds {found}: expected an IDX file of unsigned bytes (type 0x08)")
    header = 4 + 4 * n_axes
    if n_axes == 0 or len(data) < header:
        raise InputError(f"{path} is cut off in its header ({len(data)} bytes): get a whole copy of it")
    shape = struct.unpack(f">{n_axes}I", data[4:header])
    if len(data) - header != math.prod(shape):
        raise InputError(
            f"{path} is damaged: its header states {' x '.join(map(str, shape))} = {math.prod(shape)} bytes, "
            f"{len(data) - header} follow; get a whole copy of it"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _contents(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged ({error}): get a whole copy of it") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; choose a file that you can read") from error

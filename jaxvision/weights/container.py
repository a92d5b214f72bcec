"""Tensors in and out of safetensors files.

The `safetensors` library judges whether a file is sound; the few lines that copy bytes are written here, because its
NumPy half saves a transposed array wrongly, writes metadata in another order each time (a checkpoint's hash would
change), and does not read bfloat16.
"""

import json
import math
import os
import struct
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open

from jaxvision.errors import InputError
from jaxvision.files import atomic_write, parse_json

Tensors = dict[str, Shaped[np.ndarray, "..."]]

_CODES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
}
_NAMES = {np.dtype(code): name for name, code in _CODES.items()}
_MOST_AXES = 32
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Shaped[np.ndarray, "..."]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors to a safetensors file, whole or not at all; the same tensors always give the same bytes.

    Args:
        path: the file to write; folders are made as needed.
        tensors: arrays of any shape by name: floats of 2 to 8 bytes, integers, booleans.
        metadata: text by name, kept in the file's header.

    Raises:
        InputError: for another type of array, or where the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(Path(folder) / "a.safetensors", {"scale": np.float32([1, 2])})
        ...     read(Path(folder) / "a.safetensors")
        {'scale': array([1., 2.], dtype=float32)}

    References:
        Hugging Face, "Safetensors", https://github.com/huggingface/safetensors, 2022, section "Format".
    """
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    arrays, end = [], 0
    # Widest items first: every tensor then starts at a multiple of its item size.
    for name, value in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        array = np.asarray(value, value.dtype.newbyteorder("<"), order="C")
        if array.dtype not in _NAMES or name == "__metadata__":
            raise InputError(
                f"cannot save {name!r} of type {value.dtype} in {path}: expected floats, integers, booleans"
            )
        offsets = [end, end := end + array.nbytes]
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        arrays.append(array)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_write(path) as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for array in arrays:
            stream.write(array.data if array.size else b"")


def read(path: str | os.PathLike[str]) -> Tensors:
    """The tensors of a safetensors file.

    Args:
        path: the file.

    Returns:
        Arrays by name; float16 and bfloat16 are widened to float32 (exactly), other types stay as they are.

    Raises:
        InputError: if the file is missing, unreadable, damaged, a pickle or not safetensors at all.

    Example:
        >>> read("no_such.safetensors")
        Traceback (most recent call last):
        jaxvision.errors.InputError: no_such.safetensors is missing: expected a safetensors file with weights
    """
    path = Path(path)
    with _judged(path):
        _refuse_pickles(path)
        # Checks lengths, offsets, types and that the tensors fill the file exactly.
        with safe_open(path, framework="np"):
            pass
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = parse_json(stream.read(length), f"the header of {path}", "get a whole copy of the file")
            header.pop("__metadata__", None)
            return {name: _tensor(path, name, entry, 8 + length) for name, entry in header.items()}


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text that `save` was given beside the tensors.

    Args:
        path: a safetensors file.

    Returns:
        Text by name; none where there is none.

    Raises:
        InputError: as `read`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(Path(folder) / "a.safetensors", {"scale": np.float32([1, 2])}, {"dataset": "mnist"})
        ...     metadata(Path(folder) / "a.safetensors")
        {'dataset': 'mnist'}
    """
    path = Path(path)
    with _judged(path), safe_open(path, framework="np") as file:
        return file.metadata() or {}


@contextmanager
def _judged(path: Path) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: expected a safetensors file with weights") from error
    except SafetensorError as error:
        raise InputError(
            f"{path} is not a sound safetensors file ({error}): it is damaged, cut short or of another kind; "
            "move it away and download or convert it again"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}; expected a safetensors file") from error


def _refuse_pickles(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(_PICKLES):
        raise InputError(
            f"{path} is a PyTorch or pickle file, which can run code when opened: expected safetensors; "
            f"for a state dict run `python -m jaxvision.weights convert {path}` and give the file it writes"
        )


def _tensor(path: Path, name: str, entry: dict[str, Any], start: int) -> np.ndarray:
    code = "<u2" if entry["dtype"] == "BF16" else _CODES.get(entry["dtype"])
    if code is None:
        raise InputError(f"{path} holds {name!r} as {entry['dtype']}: expected floats of 16 to 64 bits or integers")
    shape = entry["shape"]
    if (
        math.prod(length or 1 for length in shape) >= 2**56 or len(shape) > _MOST_AXES
    ):  # an empty tensor may state anything
        raise InputError(f"{path} holds {name!r} of the shape {shape}, which is none: get a whole copy of the file")
    array = np.fromfile(path, code, count=int(np.prod(shape, dtype=np.int64)), offset=start + entry["data_offsets"][0])
    if entry["dtype"] == "BF16":  # the upper half of a float32
        array = (array.astype(np.uint32) << 16).view(np.float32)
    elif entry["dtype"] == "F16":
        array = array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False).reshape(shape)

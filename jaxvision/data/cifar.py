"""CIFAR-10: 60,000 small photographs of ten kinds of things, from the archive or from the files unpacked from it."""

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int32, UInt8

from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, fetch, home

CIFAR10_FILE = PublishedFile(
    "cifar10/cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "md5:c32a1d4ab5d03f1284b67883e8d87530",
    170_052_171,
    "none stated; Alex Krizhevsky, Vinod Nair and Geoffrey Hinton ask to be cited",
)
CIFAR10_CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

_FOLDER = "cifar-10-batches-bin"
_PARTS = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
_SHAPE = (3, 32, 32)  # red, green, blue
_RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the planes
_N_RECORDS = 10_000  # of every file
_PIECE = 1 << 20  # bytes
_BLOCK = 512  # bytes of a tar file's header, and what its members are filled up to
_MOST_MEMBERS = 1000


def cifar10(split: str) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int32[np.ndarray, " n"]]:
    """The photographs of one split, from the `cifar10` folder of the home folder or downloaded into it.

    The files are read from `cifar-10-batches-bin` where it was unpacked in that folder, else out of the archive, which
    is never unpacked onto the disk. Both are judged by their content (sizes, range of the labels), so a recompressed
    archive is as good as the published one; a download must have the published MD5.

    Args:
        split: "train" (50,000 photographs) or "test" (10,000).

    Returns:
        Images `(n, 32, 32, 3)`, uint8 RGB; labels `(n,)`, int32, places in CIFAR10_CLASS_NAMES.

    Raises:
        InputError: if there is no such split, or a file is damaged, holds something else, or cannot be had.

    Example:
        >>> cifar10("dev")
        Traceback (most recent call last):
        jaxvision.errors.InputError: there is no split 'dev' of CIFAR-10: choose train or test

    References:
        Krizhevsky, "Learning multiple layers of features from tiny images", University of Toronto, 2009, chapter 3,
        https://www.cs.toronto.edu/~kriz/cifar.html: the binary version.
    """
    if split not in _PARTS:
        raise InputError(f"there is no split {split!r} of CIFAR-10: choose train or test")
    parts = _PARTS[split]
    folder = home() / "cifar10" / _FOLDER
    found = _of_folder(folder, parts) if folder.is_dir() else _of_archive(fetch(CIFAR10_FILE), parts)
    records = np.concatenate(found)  # (n, 3073)
    images = records[:, 1:].reshape(-1, *_SHAPE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int32)


def _of_folder(folder: Path, parts: Iterable[str]) -> list[UInt8[np.ndarray, "n d"]]:
    try:
        return [_records((folder / part).read_bytes(), str(folder / part)) for part in parts]
    except OSError as error:
        raise InputError(
            f"cannot read {error.filename}: {error.strerror or error}; unpack the whole archive there, or move "
            f"{folder} away to have the archive read"
        ) from error


def _of_archive(path: Path, parts: tuple[str, ...]) -> list[UInt8[np.ndarray, "n d"]]:
    """The parts in the order of their names, whatever theirs in the archive, in one pass over it."""
    found = {}
    try:
        with _decompressed(path) as stream:
            for name, size in _members(stream):
                # One byte more than there may be tells a longer file from a right one.
                wanted = min(size, _RECORD * _N_RECORDS + 1) if name in parts else 0
                if wanted:
                    found[name] = _records(_exactly(stream, wanted), f"{name} in {path}")
                _skip(stream, -size % _BLOCK + size - wanted)
            while stream.read(_PIECE):  # gzip's check sum stands at the end
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged ({error}): move it away to have it downloaded again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; choose a file that you can read") from error
    missing = [part for part in parts if part not in found]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)}: expected the binary version of CIFAR-10, published at "
            f"{CIFAR10_FILE.url}; move the file away to have it downloaded"
        )
    return [found[part] for part in parts]


def _members(stream: io.BufferedIOBase) -> Iterator[tuple[str, int]]:
    """Last names and sizes of a tar file's members; the caller reads past each one's blocks.

    Read here and not by `tarfile`, which follows more of what a file says than is wanted of somebody else's: links,
    extended headers of any length, offsets in any direction. What is no plain file gets no name here and is passed
    over.
    """
    for _ in range(_MOST_MEMBERS):
        header = stream.read(_BLOCK)
        if header == bytes(_BLOCK):
            return
        numbers = header[124:136].rstrip(b" \0"), header[148:156].strip(b" \0")
        sums = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
        if len(header) < _BLOCK or not all(re.fullmatch(rb" *[0-7]{1,12}", number) for number in numbers):
            raise EOFError("it is no tar file, or cut off")
        if int(numbers[1], 8) != sums:
            raise EOFError("the check sum of a header is wrong")
        name = header[:100].split(b"\0")[0].rpartition(b"/")[2].decode("ascii", "replace")
        yield name if header[156:157] in (b"0", b"\0") else "", int(numbers[0], 8)
    raise EOFError(f"it has more than {_MOST_MEMBERS} members")


def _exactly(stream: io.BufferedIOBase, n: int) -> bytes:
    data = stream.read(n)
    if len(data) < n:
        raise EOFError("it is cut off")
    return data


def _skip(stream: io.BufferedIOBase, n: int) -> None:
    """Reads past bytes, of a bomb as of a file: one piece at a time."""
    while n:
        n -= len(_exactly(stream, min(n, _PIECE)))


def _decompressed(path: Path) -> io.BufferedIOBase:
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else path.open("rb")


def _records(data: bytes, name: str) -> UInt8[np.ndarray, "n d"]:
    if len(data) != _RECORD * _N_RECORDS:
        size = f"{len(data)} bytes" if len(data) < _RECORD * _N_RECORDS else "more bytes"
        raise InputError(
            f"{name} holds {size} where {_N_RECORDS} images of {_RECORD} were expected: get a whole copy of it"
        )
    records = np.frombuffer(data, np.uint8).reshape(_N_RECORDS, _RECORD)
    if records[:, 0].max() > 9:
        raise InputError(
            f"{name} holds the label {records[:, 0].max()}: expected classes from 0 to 9, as CIFAR-10 has them in its "
            "binary version"
        )
    return records

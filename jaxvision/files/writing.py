"""Files that are either whole or absent."""

import errno
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jaxvision.errors import InputError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, text: bool = False) -> Generator[IO[Any], None, None]:
    """Write a file so that a reader, a crash or a second writer never sees half of it.

    The bytes go to a hidden file beside the target, are flushed to the disk, and are renamed onto the target when the
    block ends; when the block raises, the hidden file is removed and an older target stays as it was. Folders are made
    as needed. Of two writers at once the later wins, whole. A target that is a link is replaced, not followed.

    Args:
        path: the file to write.
        text: open as UTF-8 text with newlines as `\\n` instead of as binary.

    Yields:
        The stream to write to.

    Raises:
        InputError: if the folder cannot be written or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "new" / "result.json", text=True) as stream:
        ...         _ = stream.write("{}")
        ...     (Path(folder) / "new" / "result.json").read_text()
        '{}'
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with _in_a_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = beside.open("x", encoding="utf-8", newline="\n") if text else beside.open("xb")
    try:
        with stream:
            yield stream
            with _in_a_sentence(path):
                stream.flush()
                os.fsync(stream.fileno())
        with _in_a_sentence(path):
            os.replace(beside, path)
        _flush_folder(path.parent)
    except OSError as error:
        # Only a full disk is surely about this file: any other failure inside the block belongs to the caller.
        if error.errno in FULL_DISK:
            raise writing_error(path, error) from error
        raise
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def writing_error(path: str | os.PathLike[str], error: OSError) -> InputError:
    """The sentence for a file or folder that cannot be written.

    Args:
        path: what was to be written.
        error: what the operating system said.

    Returns:
        The exception to raise.

    Example:
        >>> print(writing_error("a.png", OSError(errno.ENOSPC, "No space left on device")))
        cannot write a.png: the disk is full; make room or choose a folder on another disk
    """
    if error.errno in FULL_DISK:
        return InputError(f"cannot write {path}: the disk is full; make room or choose a folder on another disk")
    reasons = {
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission denied",
        errno.EPERM: "the operation is not permitted",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EEXIST: "a part of the path is a file, not a folder",
        errno.EISDIR: "it is a folder",
        errno.ENAMETOOLONG: "the name is too long",
    }
    reason = reasons.get(error.errno or 0, error.strerror or str(error))
    return InputError(f"cannot write {path}: {reason}; choose a folder that you can write in")


@contextmanager
def _in_a_sentence(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        raise writing_error(path, error) from error


def _flush_folder(folder: Path) -> None:
    """A rename survives a power cut only once its folder is flushed; not every system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

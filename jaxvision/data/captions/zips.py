"""Zip files that somebody else packed: nothing is unpacked by a name of theirs, nor larger than it should be."""

import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from jaxvision.errors import InputError

MAX_RATIO = 300  # text is pressed to a tenth and pictures not at all; a bomb to a thousandth
_SMALL = 1 << 24  # bytes, whose ratio nobody minds


@contextmanager
def unzipping(path: Path) -> Generator[None]:
    """Whatever a damaged or hostile zip file makes `zipfile` raise becomes one sentence.

    Args:
        path: the zip file.

    Raises:
        InputError: if it cannot be read, is damaged, encrypted or packed in a way that is not known.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.zip")
        ...     _ = path.write_bytes(b"no zip file")
        ...     try:
        ...         with unzipping(path), zipfile.ZipFile(path):
        ...             pass
        ...     except InputError as error:
        ...         print(str(error).replace(folder, "FOLDER"))
        FOLDER/a.zip is damaged (File is not a zip file): get a whole copy of it
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # on damaged archives zipfile raises nearly anything
        if isinstance(error, OSError) and error.filename is not None:
            raise InputError(
                f"cannot read {path}: {error.strerror or error}; choose a file that you can read"
            ) from error
        raise InputError(f"{path} is damaged ({_brief(error)}): get a whole copy of it") from error


def check_size(path: Path, member: zipfile.ZipInfo, most: int) -> None:
    """Refuses a member by what it says of itself; `zipfile` never unpacks more than that.

    Args:
        path: the zip file.
        member: one of its members.
        most: bytes that it may have.

    Raises:
        InputError: if it is larger, or was pressed as only a bomb is.

    Example:
        >>> bomb = zipfile.ZipInfo("a.json")
        >>> bomb.file_size, bomb.compress_size = 10**9, 10**6
        >>> check_size(Path("a.zip"), bomb, most=2 * 10**9)
        Traceback (most recent call last):
        jaxvision.errors.InputError: a.zip holds a.json of 1,000,000,000 bytes pressed to 1,000,000: at most
        2,000,000,000 are unpacked, and no more than 300 for each; get the official archive
    """
    pressed = member.file_size > max(MAX_RATIO * member.compress_size, _SMALL)
    if member.file_size > most or pressed:
        raise InputError(
            f"{path} holds {member.filename} of {member.file_size:,} bytes pressed to {member.compress_size:,}: at "
            f"most {most:,} are unpacked, and no more than {MAX_RATIO} for each; get the official archive"
        )


def _brief(error: Exception) -> str:
    words = str(error) or type(error).__name__
    return words if len(words) < 200 else f"{words[:200]} ..."

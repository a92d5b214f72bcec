"""Downloads that resume, are checked, and appear whole or not at all."""

import os
import secrets
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

from jaxvision.errors import InputError
from jaxvision.files.digest import digest
from jaxvision.files.locking import exclusive
from jaxvision.files.places import home, offline
from jaxvision.files.progress import Report, notice, progress_bar
from jaxvision.files.published import PublishedFile
from jaxvision.files.transfer import Interrupted, receive
from jaxvision.files.writing import FULL_DISK, atomic_write, writing_error


def fetch(file: PublishedFile, *, attempts: int = 5, timeout: float = 30.0, pause: float = 1.0) -> Path:
    """The published file on this machine: from the home folder if it is there, else downloaded into it.

    A file that is already there is taken as it is, whatever its digest: it may be the user's own copy, and hashing half
    a gigabyte at every start would cost seconds; `verify` checks one on request. A download is always checked before it
    gets its name; where no digest is published, its SHA-256 is recorded as `NAME.sha256` instead. It goes to
    `NAME.part`, which stays when the transfer breaks, so that the next try, now or in another run, asks only for the
    rest. A download with the wrong digest is kept as `NAME.mismatch`. One process downloads at a time, others wait for
    it and share the result.

    Args:
        file: what is wanted.
        attempts: how often to connect before giving up.
        timeout: seconds without a byte after which the server counts as stalled.
        pause: seconds before the second attempt, doubled before each further one.

    Returns:
        The path of the file, inside the home folder.

    Raises:
        InputError: if it is not there and cannot be had: offline, no connection, refused by the server, wrong digest,
            full disk, a home folder that cannot be written. The sentence names the file, the URL and the variable.

    Example:
        >>> import tempfile
        >>> from unittest import mock
        >>> words = PublishedFile("words.txt", "https://example.org/words.txt", "md5:" + 32 * "0", None, "none")
        >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, JAXVISION_HOME=folder):
        ...     _ = (Path(folder) / "words.txt").write_text("already here")
        ...     fetch(words).name
        'words.txt'

    References:
        Fielding, Nottingham and Reschke, "HTTP Semantics", RFC 9110, 2022, https://www.rfc-editor.org/rfc/rfc9110,
        section 14 (range requests). Departure: no `If-Range`; the digest of the whole finds a file that changed.
    """
    target = file.location
    if _present(target):
        return target
    if offline():
        raise InputError(
            f"{file.path} is not in {home()} and JAXVISION_OFFLINE forbids downloading it from {file.url}: "
            "unset JAXVISION_OFFLINE, or point JAXVISION_HOME at a folder that has the file"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            exclusive(target, waiting=lambda: notice(f"Waiting for another process to download {target}")) as alone,
            _part(file, alone=alone) as part,
        ):
            if not _present(target):
                _download(file, part, attempts=attempts, timeout=timeout, pause=pause)
    except OSError as error:
        raise _not_writable(file, error) from error
    return target


def _present(target: Path) -> bool:
    if target.is_dir():
        raise InputError(f"{target} is a folder where a file was expected: move it away")
    return target.is_file()


@contextmanager
def _part(file: PublishedFile, *, alone: bool) -> Generator[Path, None, None]:
    """Where the bytes go; without a lock another process may be at it too, and each gets a part of its own."""
    if alone:
        yield file.part
        return
    part = file.location.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)  # nobody could resume it later


def _download(file: PublishedFile, part: Path, *, attempts: int, timeout: float, pause: float) -> None:
    """Connect up to `attempts` times, then check and rename."""
    target = file.location
    left_over = _length(part) > 0
    reason = "no attempt was allowed"
    with progress_bar(file.name, file.url, file.size) as report:
        for attempt in range(attempts):
            if attempt:
                time.sleep(pause * 2 ** (attempt - 1))
            try:
                _receive(file, part, timeout, report)
            except Interrupted as error:
                reason = str(error)
                continue
            found = digest(part, file.digest.partition(":")[0] or "sha256")
            if found == file.digest or not file.digest:
                if not file.digest:
                    _record(file, found)
                os.replace(part, target)
                return
            mismatch = target.with_name(target.name + ".mismatch")
            os.replace(part, mismatch)
            # An old part may stem from a file that changed since: that deserves one download from the beginning.
            if not left_over:
                raise InputError(
                    f"{file.url} arrived with the wrong content: expected {file.digest}, found {found}; it is kept as "
                    f"{mismatch}, nothing was replaced, and trying again later or from another network may help"
                )
            left_over, reason = False, f"expected {file.digest}, found {found}"
    have = _length(part) if part == file.part else 0
    resume = f"; {have} bytes are kept in {part} and the next try goes on from there" if have else ""
    raise InputError(
        f"cannot download {file.url} ({reason}, {attempts} attempts): check the connection and try again, or put the "
        f"file at {target}{resume}"
    )


def _record(file: PublishedFile, found: str) -> None:
    """Trust on first use: what arrived is what later copies are compared with."""
    with atomic_write(file.record, text=True) as stream:
        stream.write(found + "\n")
    notice(f"No digest of {file.url} is published; {found} is recorded in {file.record}")


def _receive(file: PublishedFile, part: Path, timeout: float, report: Report) -> None:
    """One connection, with every failure sorted into worth another try, or not."""
    offset = _length(part)
    if file.size is not None:
        if offset > file.size:
            part.unlink()
            offset = 0
        free = shutil.disk_usage(part.parent).free
        if file.size - offset > free:
            raise InputError(
                f"cannot download {file.url}: it needs {file.size - offset} bytes and {part.parent} has {free} free; "
                "make room or point JAXVISION_HOME at a folder on another disk"
            )
        if offset == file.size:
            return
    try:
        receive(file.url, part, offset=offset, size=file.size, timeout=timeout, report=report)
    except HTTPError as error:
        with error:
            _refused(file, part, error)


def _refused(file: PublishedFile, part: Path, error: HTTPError) -> None:
    if error.code == 416:  # the part is longer than what is published now
        part.unlink(missing_ok=True)
        raise Interrupted("the server has no more bytes than the partial file") from error
    if error.code in (408, 425, 429) or error.code >= 500:
        raise Interrupted(f"the server answered {error.code} {error.reason}") from error
    if 300 <= error.code < 400:
        raise InputError(f"{file.url} redirects in a circle or to a place that is not https") from error
    raise InputError(
        f"{file.url} cannot be had: the server answered {error.code} {error.reason}; if the file has moved, put it at "
        f"{file.location} yourself"
    ) from error


def _not_writable(file: PublishedFile, error: OSError) -> InputError:
    if error.errno in FULL_DISK:
        return InputError(
            f"cannot download {file.url} to {file.location}: the disk is full; make room or point JAXVISION_HOME at a "
            "folder on another disk"
        )
    return InputError(
        f"{writing_error(file.location, error)}: point JAXVISION_HOME at one, or at a folder that has {file.path} "
        f"(published at {file.url})"
    )


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

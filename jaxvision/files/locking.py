"""One process at a time for one file."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def exclusive(path: Path, *, waiting: Callable[[], None]) -> Generator[bool, None, None]:
    """Hold `PATH.lock` while the block runs; the operating system lets go of it even if the process is killed.

    Args:
        path: the file that the block will write.
        waiting: called once before waiting for another holder.

    Yields:
        True where the lock is held, False where the system or the file system has no such locks.

    Raises:
        OSError: if the lock file cannot be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, exclusive(Path(folder) / "a", waiting=lambda: None) as held:
        ...     [p.name for p in Path(folder).iterdir()] == (["a.lock"] if held else [])
        True
    """
    if fcntl is None:
        yield False
        return
    lock = path.with_name(path.name + ".lock")
    stream, held = _acquire(lock, waiting)
    try:
        yield held
    finally:
        with suppress(OSError):
            lock.unlink(missing_ok=True)  # before letting go, so that nobody waits on a file that is about to vanish
        stream.close()


def _acquire(lock: Path, waiting: Callable[[], None]) -> tuple[IO[bytes], bool]:
    assert fcntl is not None
    while True:
        stream = lock.open("ab")
        try:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:  # some network file systems have no locks
            return stream, False
        except BaseException:
            stream.close()
            raise
        # The holder before us removed its lock file: ours counts only while it is the one in the folder.
        with suppress(FileNotFoundError):
            if os.path.samestat(lock.stat(), os.fstat(stream.fileno())):
                return stream, True
        stream.close()

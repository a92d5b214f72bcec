"""What a download says on the terminal: always on standard error, which leaves standard output to results."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

Report = Callable[[int, int | None], None]
"""Told the bytes that are there and the bytes of the whole, or None where that is unknown."""


@contextmanager
def progress_bar(name: str, url: str, size: int | None) -> Generator[Report, None, None]:
    """A bar with bytes, rate and time left; a single line where standard error is no terminal.

    Args:
        name: the file's name.
        url: where it comes from.
        size: bytes, or None if unknown.

    Yields:
        A function to call with (bytes that are there, bytes of the whole or None).

    Example:
        >>> with progress_bar("a.gz", "https://example.org/a.gz", 10) as report:
        ...     report(10, 10)
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        notice(f"Downloading {url}" + (f" ({size / 1e6:.1f} MB)" if size else ""))
        yield lambda done, total: None
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True))
    with Progress(TextColumn("[bold]{task.description}"), *columns, console=console) as progress:
        task = progress.add_task(name, total=size)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def notice(line: str) -> None:
    """Say one line on standard error.

    Args:
        line: plain text, printed as it is.

    Example:
        >>> notice("Waiting for another process")
    """
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)

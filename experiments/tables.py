"""Tables of results: on the terminal, and as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from jaxvision.files import atomic_write

Lines = Sequence[tuple[str, ...]]
"""The names of the columns, then a line for each row; the first column is text, the others are numbers."""


def write_table(path: Path, lines: Lines, caption: str) -> None:
    """Writes a table as Markdown, whole or not at all.

    Args:
        path: where.
        lines: the table.
        caption: what is in it, without a full stop.
    """
    rule = (":--", *["--:"] * (len(lines[0]) - 1))
    with atomic_write(path, text=True) as stream:
        stream.writelines("| " + " | ".join(line) + " |\n" for line in (lines[0], rule, *lines[1:]))
        stream.write(f"\n{caption}.\n")


def print_table(lines: Lines, caption: str) -> None:
    """Shows a table on standard output.

    Args:
        lines: the table.
        caption: below it.
    """
    table = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left", caption_style="dim")
    for number, name in enumerate(lines[0]):
        table.add_column(name, justify="right" if number else "left", no_wrap=not number)
    for line in lines[1:]:
        table.add_row(*line)
    console = Console()
    # A file or a pipe has no width: columns are not to be cut there for the sake of a screen.
    (console if console.is_terminal else Console(width=200)).print(table)

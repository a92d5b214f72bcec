"""Large memory pages for large arrays, which on Linux must be asked for before a process begins.

A processor remembers where some thousand pages lie. Arrays of a hundred megabytes in pages of 4 KiB are more than that,
and a program that reads them once waits for addresses; in pages of 2 MiB they are few. Most distributions give them
only to those who ask, which glibc does for large allocations if an environment variable says so.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "GLIBC_TUNABLES"
WANTED = "glibc.malloc.hugetlb=1"
FIRST_GLIBC = (2, 35)  # that knows of pages
PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def restart_with_large_pages() -> None:
    """Begins this process anew with large pages, where they must be asked for and nobody has.

    It keeps its number, terminal and arguments. Nothing happens where the variable says anything about them, and on
    other systems.
    """
    if not PAGES.exists():
        return
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    asked = tunables(os.environ, libc or "", PAGES.read_text())
    if asked is not None:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, VARIABLE: asked})


def tunables(environment: Mapping[str, str], libc: str, pages: str) -> str | None:
    """What the variable must say for large pages.

    Args:
        environment: variables as they are.
        libc: name and version of the C library.
        pages: what the system says of large pages, the choice in brackets.

    Returns:
        The variable's new value; None where nothing is to be asked for.

    Example:
        >>> tunables({}, "glibc 2.36", "always [madvise] never")
        'glibc.malloc.hugetlb=1'
        >>> tunables({}, "glibc 2.36", "always madvise [never]") is None
        True
    """
    name, _, version = libc.partition(" ")
    given = environment.get(VARIABLE, "")
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < FIRST_GLIBC:
        return None
    if "[never]" in pages or "glibc.malloc.hugetlb" in given:
        return None
    return f"{given}:{WANTED}" if given else WANTED


def in_use(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process was begun with large pages."""
    return WANTED in environment.get(VARIABLE, "")

"""Runnable experiments: `python -m experiments.NAME --help`."""

import sys

from experiments.compiled_programs import keep_compiled_programs
from experiments.large_pages import restart_with_large_pages


def _is_command() -> bool:
    """Whether this process was begun as `python -m experiments.NAME` and looks for that module."""
    words = sys.orig_argv
    named = words[words.index("-m") + 1 :][:1] if "-m" in words else []
    # "-m" stands before a command's arguments only while Python looks for its module.
    return sys.argv[0] == "-m" and bool(named) and named[0].startswith("experiments.")


if _is_command():  # before anything heavy is imported
    restart_with_large_pages()
    keep_compiled_programs()

"""Runnable experiments: `python -m experiments.NAME --help`."""

from experiments.large_pages import restart_with_large_pages

restart_with_large_pages()  # before anything heavy is imported

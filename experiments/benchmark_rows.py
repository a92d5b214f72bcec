"""All rows of the benchmark, room by room: each module of rows has `programs(setup) -> {name: prepare}`."""

from collections.abc import Sequence

from experiments import (
    benchmark_attacks,
    benchmark_attention,
    benchmark_attribution,
    benchmark_captioning,
    benchmark_data,
    benchmark_gan,
    benchmark_looking,
    benchmark_metrics,
    benchmark_searches,
    benchmark_self_critical,
    benchmark_style,
)
from experiments.benchmark_program import Programs, Setup
from jaxvision.errors import InputError

ROOMS = (
    benchmark_looking,
    benchmark_attribution,
    benchmark_attacks,
    benchmark_searches,
    benchmark_style,
    benchmark_captioning,
    benchmark_attention,
    benchmark_self_critical,
    benchmark_gan,
    benchmark_metrics,
    benchmark_data,
)


def programs(setup: Setup) -> Programs:
    """Every row by name, in the order of the table."""
    return {name: prepare for room in ROOMS for name, prepare in room.programs(setup).items()}


def chosen(setup: Setup, words: Sequence[str]) -> tuple[str, ...]:
    """The names of the rows that have one of the words in them; all, where there are no words.

    Raises:
        InputError: if there is no such row.
    """
    names = tuple(programs(setup))
    found = tuple(name for name in names if not words or any(word in name for word in words))
    if not found:
        raise InputError(f"--rows {' '.join(words)} names none of: {', '.join(names)}")
    return found

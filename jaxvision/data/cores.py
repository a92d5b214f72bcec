"""How many things can be done at a time."""

import os


def n_cores() -> int:
    """CPU cores that this process may use, which may be fewer than the machine has.

    Returns:
        One or more.

    Example:
        >>> n_cores() >= 1
        True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

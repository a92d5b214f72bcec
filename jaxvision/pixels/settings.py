"""Functions with settings, of which the same settings give the same function."""

import functools
from collections.abc import Callable, Hashable
from typing import Any


@functools.cache
def with_settings(function: Callable[..., Any], *settings: Hashable) -> Callable[..., Any]:
    """`function` with its first arguments fixed: for what a program is compiled for, names and shapes and exponents.

    A program is looked up by comparing functions, and two `functools.partial` of the same are not equal. These are.

    Args:
        function: of a module, so that it is the same each time.
        settings: its first arguments, hashable.

    Returns:
        A function of the remaining arguments, the same object for the same settings.

    Example:
        >>> double = with_settings(pow, 2)
        >>> double(3), double is with_settings(pow, 2)
        (8, True)
    """
    return functools.partial(function, *settings)

"""Libraries that come with the extra `coco`."""

import contextlib
from collections.abc import Generator

from jaxvision.errors import InputError


@contextlib.contextmanager
def extra(what: str) -> Generator[None]:
    """Around an import: where it fails, one sentence says so.

    Args:
        what: the beginning of the sentence, say "pictures are read through grain, which".

    Raises:
        InputError: if something inside cannot be imported.

    Example:
        >>> with extra("pictures are painted by brushes, which"):
        ...     import brushes_and_easels
        Traceback (most recent call last):
        jaxvision.errors.InputError: pictures are painted by brushes, which cannot be imported (No module named
        'brushes_and_easels'): pip install "jaxvision[coco]"
    """
    try:
        yield
    except ImportError as error:
        raise InputError(f'{what} cannot be imported ({error}): pip install "jaxvision[coco]"') from error

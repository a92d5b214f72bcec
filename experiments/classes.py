"""From what a reader types to a class: an index, or any of a class's names."""

import difflib
from collections.abc import Sequence

from jaxvision.errors import InputError


def find_class(class_names: Sequence[str], words: str) -> int:
    """The class that `words` names.

    Args:
        class_names: each class's names, separated by commas.
        words: an index, a class's whole entry, or one of its names; upper and lower case are the same.

    Returns:
        The index.

    Raises:
        InputError: if no class is called so (the sentence suggests the nearest names), several are, or the index is
            out of range.

    Example:
        >>> names = ("tench, Tinca tinca", "goldfish, Carassius auratus", "crane", "crane")
        >>> find_class(names, "Carassius Auratus"), find_class(names, "0")
        (1, 0)
        >>> find_class(names, "tensh")
        Traceback (most recent call last):
        jaxvision.errors.InputError: no class is called "tensh": the nearest is tench, or give an index from 0 to 3
        >>> find_class(names, "crane")
        Traceback (most recent call last):
        jaxvision.errors.InputError: 2 classes are called "crane": give the index, one of 2 (crane), 3 (crane)
    """
    wanted = " ".join(words.lower().split())
    n = len(class_names)
    if wanted.lstrip("-").isdecimal():
        index = int(wanted)
        if not 0 <= index < n:
            raise InputError(f"there is no class {index}: the network's {n} classes are numbered from 0 to {n - 1}")
        return index
    synonyms = [_synonyms(name) for name in class_names]
    found = [i for i, names in enumerate(synonyms) if wanted in names]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{i} ({class_names[i]})" for i in found)
        raise InputError(f'{len(found)} classes are called "{words}": give the index, one of {choices}')
    near = _nearest(wanted, [name for names in synonyms for name in names])
    nearest = f"the nearest {'is' if len(near) == 1 else 'are'} {', '.join(near)}, or " if near else ""
    raise InputError(f'no class is called "{words}": {nearest}give an index from 0 to {n - 1}')


def _synonyms(name: str) -> set[str]:
    """All a class may be called, in lower case: the whole entry first and foremost, and each of its parts."""
    return {" ".join(part.lower().split()) for part in (name, *name.split(","))}


def _nearest(wanted: str, names: Sequence[str]) -> list[str]:
    """Up to three names: those that contain the word, then those that are spelt like it."""
    single = sorted({name for name in names if "," not in name})
    within = [name for name in single if wanted in name.split() or (len(wanted) > 3 and wanted in name)]
    alike = difflib.get_close_matches(wanted, single, n=3, cutoff=0.6)
    return list(dict.fromkeys([*alike, *within]))[:3]

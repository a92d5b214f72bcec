"""JSON that somebody else wrote."""

import json
import re
from collections.abc import Sequence
from typing import Any

from jaxvision.errors import InputError

MAX_DEPTH = 100  # lists and objects within each other; deeper ones exhaust Python's stack wherever they are walked
MAX_BYTES = 1 << 29  # half a gigabyte, three times COCO's largest caption file

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes | str, named: str, mend: str, *, finite: bool = True) -> Any:
    """The value of a JSON text, or one sentence; stricter than `json.loads`.

    Refused are, besides what is no JSON: an object with the same name twice, of which two readers may see different
    values; NaN and Infinity, which JSON does not have; halves of a surrogate pair, which cannot be written as UTF-8;
    depth beyond MAX_DEPTH; more than MAX_BYTES.

    Args:
        data: UTF-8, with or without a byte-order mark.
        named: what errors call it.
        mend: how to mend it, the end of the sentence.
        finite: whether NaN and Infinity are refused.

    Returns:
        Dictionaries, lists, strings, numbers, booleans, None.

    Raises:
        InputError: as above.

    Example:
        >>> parse_json(b'{"steps": [1, 2]}', "a.json", "write it anew")
        {'steps': [1, 2]}
        >>> parse_json(b'{"steps": 1, "steps": 2}', "a.json", "write it anew")
        Traceback (most recent call last):
        jaxvision.errors.InputError: a.json is not JSON ('steps' stands twice in one object): write it anew

    References:
        Bray, "The JavaScript Object Notation (JSON) data interchange format", RFC 8259, 2017,
        https://www.rfc-editor.org/rfc/rfc8259, sections 4, 6, 8 and 9.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"{len(data):,} bytes, and at most {MAX_BYTES:,} are read")
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse if finite else None)
        _check_depth(value)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise InputError(f"{named} is not JSON (its text is not UTF-8: {error.reason}): {mend}") from error
    except RecursionError as error:
        raise InputError(f"{named} is not JSON (more than {MAX_DEPTH} deep): {mend}") from error
    except ValueError as error:
        raise InputError(f"{named} is not JSON ({error}): {mend}") from error
    return value


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _check_depth(value: Any) -> None:
    """Level by level, for recursion is what depth would break."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inside = [item for item in level if isinstance(item, dict | list)]
        level = [part for item in inside for part in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise ValueError(f"more than {MAX_DEPTH} deep")

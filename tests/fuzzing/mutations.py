"""Valid files made a little wrong: bytes anywhere, and the fields of JSON, zip, gzip, PNG and safetensors files.

A check sum or a syntax error would keep most changed bytes from ever reaching the code behind it; what knows a format
changes a field and puts the file together again.
"""

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Mutate = Callable[[bytes, random.Random], bytes]

MAX_LENGTH = 1 << 18  # bytes of a mutated file

INTEGERS = (0, 1, -1, 2, 7, 8, 63, 64, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535, 65536, 2**24)
HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63))
TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "\x1b[2J",
    "\ud800",
    "\u202e",
    "é" * 3,
    "\U0001d518",
    "..",
    "../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "NaN",
    "1e999",
    "-1",
    "a" * 5000,
    "%s%n",
    "{}",
    "<script>",
)
DEEP, TWICE, LONG = "@deep@", "@twice@", "@long@"  # become what json.dumps does not write


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """One to four changes anywhere."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        found = _change(found, rng)
    return bytes(found[:MAX_LENGTH])


def _change(data: bytearray, rng: random.Random) -> bytearray:
    place, kind = rng.randrange(len(data) + 1), rng.randrange(9)
    if rng.random() < 0.4:  # headers are at the front
        place = min(place, rng.randrange(96))
    length = rng.choice((1, 1, 2, 4, 8, 16, 64, 512))
    if kind == 0 and place < len(data):
        data[place] ^= 1 << rng.randrange(8)
    elif kind == 1 and place < len(data):
        data[place] = rng.choice((0, 1, 0x20, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
    elif kind in (2, 3):
        width = rng.choice((1, 2, 4, 8))
        value = rng.choice(INTEGERS + HUGE) & ((1 << 8 * width) - 1)
        data[place : place + width] = value.to_bytes(width, rng.choice(("little", "big")))
    elif kind == 4:
        del data[place : place + length]
    elif kind == 5:
        data[place:place] = data[(start := rng.randrange(len(data) + 1)) : start + length]
    elif kind == 6:
        data[place:place] = rng.randbytes(min(length, 16))
    elif kind == 7:
        start = rng.randrange(len(data) + 1)
        data[place : place + length] = data[start : start + length]
    elif kind == 8 and rng.random() < 0.3:
        del data[place:]
    return data


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """A field of JSON removed, doubled, renamed or given another value; now and then bytes."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(data, rng)
    if rng.random() < 0.2:
        return mutate_bytes(data, rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        value = change_value(value, rng)
    return dumped(value, rng)


def dumped(value: Any, rng: random.Random) -> bytes:
    """JSON text, with what only text can hold: depth, a key that comes twice, a number of many digits."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    depth = rng.choice((10, 990, 5000, 100_000))
    text = text.replace(f'"{DEEP}"', "[" * depth + "]" * depth, 1)
    text = text.replace(f'"{TWICE}"', '{"id": 1, "id": 2, "words": [], "words": []}')
    text = text.replace(f'"{LONG}"', "9" * rng.choice((20, 400, 5000)), 1)
    return text.encode("utf-8", "surrogatepass")[:MAX_LENGTH]


def change_value(value: Any, rng: random.Random) -> Any:
    """A copy of JSON's value with one change in it."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return other_value(value, rng)
    kind = rng.randrange(6)
    if isinstance(value, dict):
        copy, key = dict(value), rng.choice(list(value))
        if kind == 0:
            del copy[key]
        elif kind == 1:
            copy[rng.choice((*TEXTS, *value))] = copy.pop(key)
        elif kind == 2:
            copy[rng.choice(TEXTS)] = rng.choice(list(value.values()))
        else:
            copy[key] = change_value(value[key], rng)
        return copy
    items, place = list(value), rng.randrange(len(value))
    if kind == 0:
        del items[place]
    elif kind == 1:
        items.insert(place, rng.choice(items))
    elif kind == 2:
        rng.shuffle(items)
    else:
        items[place] = change_value(items[place], rng)
    return items


def other_value(value: Any, rng: random.Random) -> Any:
    """Another value of JSON in a value's place."""
    near: list[Any] = [value, [value], {"a": value}]
    if isinstance(value, str):
        near += [value[:-1], value + rng.choice(TEXTS), value * 2, list(value)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        near += [value + 1, -value, value * 2**31, value + 0.5, str(value)] if abs(value) < 1e300 else [0]
    numbers = (rng.choice(INTEGERS), rng.choice(HUGE), 10**20, 1e308, float("nan"), float("inf"), -0.0, 0.5)
    others = (None, True, False, [], {}, "", DEEP, TWICE, LONG, rng.choice(TEXTS), rng.choice(TEXTS), *numbers)
    return rng.choice(near) if rng.random() < 0.3 else rng.choice(others)


def mutate_gzip(inner: Mutate) -> Mutate:
    """What is packed, or the packing."""

    def mutate(data: bytes, rng: random.Random) -> bytes:
        if data[:2] != b"\x1f\x8b":
            found = inner(data, rng)
            return gzip.compress(found, 1, mtime=0) if rng.random() < 0.1 else found
        if rng.random() < 0.5:
            return mutate_bytes(data, rng)
        try:
            return gzip.compress(inner(gzip.decompress(data), rng), 1, mtime=0)
        except (OSError, EOFError, zlib.error):
            return mutate_bytes(data, rng)

    return mutate


def mutate_zip(inner: Mutate) -> Mutate:
    """A member's content or name, or bytes of the archive; a bomb now and then."""

    def mutate(data: bytes, rng: random.Random) -> bytes:
        try:
            if rng.random() < 0.5:
                raise ValueError
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = [(info, archive.read(info)) for info in archive.infolist()]
        except Exception:
            return mutate_bytes(data, rng)
        chosen, kind = rng.randrange(len(members)) if members else -1, rng.randrange(6)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            for place, (info, content) in enumerate(members):
                name = info.filename
                if place == chosen and kind <= 2:
                    content = inner(content, rng)
                elif place == chosen and kind == 3:
                    name = rng.choice(("../../up.json", "/absolute.json", "a\\b", "..", "folder/", name + "x", "é"))
                elif place == chosen and kind == 4:
                    content = bytes(rng.choice((1 << 10, 1 << 20)))
                new = zipfile.ZipInfo(name)
                new.compress_type = archive.compression
                new.external_attr = rng.choice((0, 0o120777 << 16, 0o644 << 16))  # a symbolic link
                archive.writestr(new, content)
        found = written.getvalue()
        return (mutate_bytes(found, rng) if kind == 5 else found)[:MAX_LENGTH]

    return mutate


def mutate_image(data: bytes, rng: random.Random) -> bytes:
    """Bytes; of a PNG file the check sums are made right again."""
    found = mutate_bytes(data, rng)
    return _with_check_sums(found) if found[:4] == b"\x89PNG" and rng.random() < 0.8 else found


def _with_check_sums(data: bytes) -> bytes:
    parts, place = [data[:8]], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        body = data[place + 4 : place + 8 + length]
        if len(body) < 4 + length or place + 12 + length > len(data):
            break
        parts.append(struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + length
    return b"".join(parts) + data[place:]


def mutate_safetensors(data: bytes, rng: random.Random) -> bytes:
    """A field of the header, or bytes."""
    if len(data) < 8 or rng.random() < 0.3:
        return mutate_bytes(data, rng)
    (length,) = struct.unpack("<Q", data[:8])
    try:
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        return mutate_bytes(data, rng)
    if isinstance(header, dict) and isinstance(about := header.get("__metadata__"), dict) and about:
        if rng.random() < 0.6:  # text that is JSON itself, or a number
            key = rng.choice(list(about))
            text = str(about[key]).encode("utf-8", "replace")
            changed = mutate_json(text, rng).decode("utf-8", "replace")
            header["__metadata__"] = about | {key: changed}
        else:
            header["__metadata__"] = change_value(about, rng)
    if not isinstance(header, dict) or rng.random() < 0.5:
        header = change_value(header, rng)
    text = dumped(header, rng)
    text += b" " * (-len(text) % 8)
    return (struct.pack("<Q", len(text)) + text + data[8 + length :])[:MAX_LENGTH]

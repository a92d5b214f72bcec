"""The most memory that a call takes beside what the process already holds, as Linux counts it."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FORGET_PEAK = "5"


def peak_memory(call: Callable[[], Any]) -> int | None:
    """Bytes of memory in use at the call's worst moment, less those in use before it.

    Args:
        call: returns when its work is done; call it once beforehand, so that nothing is compiled any more.

    Returns:
        The bytes; None where the system does not tell (anything but Linux).

    Example:
        >>> found = peak_memory(lambda: bytes(bytearray(2**26)))
        >>> found is None or 0.9 < found / 2**26 < 2.2
        True
    """
    if not CLEAR.exists():
        return None
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)  # freed memory goes back to the system, or the call would use it again unseen
    CLEAR.write_text(FORGET_PEAK)
    before = _kibibytes("VmRSS")
    call()
    return 1024 * max(0, _kibibytes("VmHWM") - before)


def _kibibytes(name: str) -> int:
    return int(next(line for line in STATUS.read_text().splitlines() if line.startswith(name)).split()[1])

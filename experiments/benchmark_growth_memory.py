"""The peak of memory at each size of a curve, in a process that keeps nothing for later.

The C library keeps what a program frees, up to 32 MiB in each thread's arena, and gives it to the next call unseen: in
a process that has run anything, a call of a few megabytes seems to take none. Here every array is asked of the system
and given back.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from experiments.benchmark_growth_curves import CURVES
from experiments.peak_memory import peak_memory
from jaxvision.errors import InputError

GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}  # of glibc; others do not read them


def peaks(name: str, sizes: Sequence[int], seed: int) -> list[int | None]:
    """Bytes at a call's peak beside what was there before, measured in a process of their own.

    Args:
        name: of a curve.
        sizes: of its program.
        seed: of weights and images.

    Returns:
        For each size; None where the system does not tell.

    Raises:
        InputError: if the process fails; what it said stands above.
    """
    words = [sys.executable, "-m", __name__, json.dumps([name, list(sizes), seed])]
    environment = os.environ | GIVE_BACK
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode:
        raise InputError(f"the process that measures memory failed (exit code {done.returncode}): see above")
    return json.loads(done.stdout.splitlines()[-1])


def peak(name: str, size: int, seed: int) -> int | None:
    """Of one size, in this process."""
    call = next(curve for curve in CURVES if curve.name == name).prepare(size, seed)
    call()
    return peak_memory(call)


if __name__ == "__main__":
    name, sizes, seed = json.loads(sys.argv[1])
    print(json.dumps([peak(name, size, seed) for size in sizes]))

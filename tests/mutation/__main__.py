"""Breaks one equation at a time and asks whether its own tests see it: the share that they see is the score.

    python -m tests.mutation --n-mutants 12 --folder /tmp/mutants

Mutants are Cosmic Ray's (extra `mutation`): another operation, comparison, number or sign, and what is returned
replaced by zeros. Those of one module are drawn by `--seed`. What survived is printed as a difference.
"""

import argparse
import collections
import json
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.mutation.mutants import drawn
from tests.mutation.targets import TARGETS
from tests.mutation.trials import ROOT, open_tree, trial


def main() -> None:
    words = argparse.ArgumentParser("python -m tests.mutation", description=__doc__.partition("\n")[0])
    words.add_argument("--modules", nargs="+", help="paths that contain one of these; all by default")
    words.add_argument("--n-mutants", type=int, default=12, help="at most, for each module")
    words.add_argument("--seconds", type=float, default=120.0, help="at most, for the tests of one mutant")
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--folder", type=Path, help="for the copies that are broken; a temporary one by default")
    words.add_argument("--json", type=Path, help="a file for every mutant and what became of it")
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="mutation-"))

    modules = [name for name in TARGETS if any(part in name for part in given.modules or [""])]
    mutants = [each for name in modules for each in drawn(ROOT, name, given.n_mutants, given.seed)]
    unbroken = [(name, TARGETS[name]) for name in modules]
    print(f"{len(mutants)} mutants of {len(modules)} modules")
    begun, told = time.monotonic(), []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.workers, mp_context=spawn, initializer=open_tree, initargs=(folder,)) as pool:
        green = [pool.submit(trial, name, tests, None, 10 * given.seconds) for name, tests in unbroken]
        red = [(name, tests) for (name, tests), run in zip(unbroken, green, strict=True) if run.result() != "survived"]
        if red:
            raise SystemExit(f"these tests fail before anything is broken: {red}")
        runs = [
            (each, pool.submit(trial, each.module, TARGETS[each.module], each.source, given.seconds))
            for each in mutants
        ]
        for each, run in runs:
            told.append({"module": each.module, "what": each.what, "fate": run.result(), "difference": each.difference})
            if told[-1]["fate"] == "survived":
                print(f"\n{each.what}\n{each.difference}", flush=True)
            if given.json:
                given.json.write_text(json.dumps(told, indent=1))
    report(told, (time.monotonic() - begun) / 60)


def report(told: list[dict[str, str]], minutes: float) -> None:
    """A line for each module, and the score."""
    fates = collections.defaultdict(list)
    for each in told:
        fates[each["module"]].append(each["fate"])
    print(f"\n{'module':52} mutants  seen")
    for name, found in fates.items():
        print(f"{name:52} {len(found):7d} {len(found) - found.count('survived'):5d}")
    every = [fate for found in fates.values() for fate in found]
    seen, late = len(every) - every.count("survived"), every.count("late")
    print(f"{seen} of {len(every)} seen, {seen / max(1, len(every)):.1%}, {late} by time; {minutes:.0f} minutes")


if __name__ == "__main__":
    main()

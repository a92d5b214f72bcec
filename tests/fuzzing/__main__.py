"""Reads mutated files by the million: every reader of a user's file, for some minutes each.

    python -m tests.fuzzing --parser idx coco_json --executions 1000000 --minutes 30

With atheris (extra `fuzz`) the branches that a file reaches lead to the next one. A file that is neither read nor
refused by one clear `InputError` is kept in FOLDER/PARSER/findings, with a line that says what happened.
"""

import argparse
import importlib.util
import os
import tempfile
from contextlib import nullcontext
from pathlib import Path

from tests.fuzzing.campaign import MODULES, campaign, work

NAMES = (
    "idx",
    "cifar",
    "image",
    "coco_json",
    "pictures",
    "hdf5",
    "course",
    "features",
    "vocabulary",
    "class_names",
    "safetensors",
    "network",
    "captioner",
    "generator",
    "stylizer",
    "state_dict",
    "labels",
    "run",
    "checkpoint",
)


def main() -> None:
    words = argparse.ArgumentParser("python -m tests.fuzzing", description=__doc__.partition("\n")[0])
    words.add_argument("--parser", nargs="+", choices=NAMES, default=NAMES, help="which readers; all by default")
    words.add_argument("--executions", type=int, default=1_000_000, help="files for each reader")
    words.add_argument("--minutes", type=float, default=30.0, help="at most, for each reader")
    words.add_argument("--folder", type=Path, help="for findings and scratch files; on a disk in memory by default")
    words.add_argument("--unguided", action="store_true", help="without atheris")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--work", type=Path, help=argparse.SUPPRESS)  # the child's folder
    given = words.parse_args()
    if given.work:
        return child(given)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = given.folder or Path(tempfile.mkdtemp(prefix="fuzzing-", dir=memory))
    guided = not given.unguided and importlib.util.find_spec("atheris") is not None
    bad = False
    for name in given.parser:
        told = campaign(name, root / name, executions=given.executions, minutes=given.minutes, guided=guided)
        findings = told.pop("findings")
        print(", ".join(f"{key} {value}" for key, value in told.items()), flush=True)
        for key, wrong in findings.items():
            bad = True
            print(f"  {root / name / 'findings' / key}: {wrong}", flush=True)
    raise SystemExit(1 if bad else 0)


def child(given: argparse.Namespace) -> None:
    (name,) = given.parser
    os.environ["JAXVISION_HOME"] = str(given.work / "scratch" / "home")
    os.environ["JAXVISION_OFFLINE"] = "1"
    tracing = nullcontext()
    if not given.unguided:
        import atheris

        tracing = atheris.instrument_imports(include=MODULES)
    with tracing:  # a parser imports what it calls
        from tests.fuzzing.parsers import PARSERS

        parser = PARSERS[name]()
    limits = {"executions": given.executions, "seconds": 60 * given.minutes}
    work(name, parser, given.work, **limits, seed=given.seed, guided=not given.unguided)


if __name__ == "__main__":
    main()

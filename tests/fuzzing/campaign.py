"""Executions by the million: a child that may die, and a parent that keeps what killed it."""

import hashlib
import json
import mmap
import random
import resource
import struct
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxvision.errors import InputError
from tests.fuzzing.mutations import MAX_LENGTH, Mutate

SECONDS = 5.0  # that one file may take
GROWTH = 1 << 20  # kilobytes by which one file may raise the process's peak: a gigabyte
SENTENCE = 4000  # characters that an error may have
STALLED = 60.0  # seconds without an execution, after which a child is ended
MODULES = ["jaxvision", "experiments", "PIL", "zipfile", "gzip"]  # whose branches lead the search
SHARED = 16 + MAX_LENGTH


class Parser(NamedTuple):
    """One reader of files that users bring.

    Fields:
        seeds: makes valid files.
        read: calls the project's public function on a file's bytes; it may write in the folder.
        mutate: makes another file of one.
    """

    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], object]
    mutate: Mutate


def examine(parser: Parser, data: bytes, folder: Path) -> str | None:
    """What is wrong with how a file was met: None where it was read, or refused by one clear sentence."""
    began, peak = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        parser.read(data, folder)
    except InputError as error:
        sentence = str(error)
        if not sentence.isprintable() or not 10 < len(sentence) <= SENTENCE:
            return f"InputError is no clear sentence: {sentence[:300]!r} ({len(sentence)} characters)"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic of Rust is no Exception
        return f"{type(error).__name__}: {str(error)[:300]!r} at {_place(error)}"
    if (took := time.monotonic() - began) > SECONDS:
        return f"took {took:.0f} s"
    if (grown := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) > GROWTH:
        return f"took {grown >> 10} MB of memory"
    return None


def _place(error: BaseException) -> str:
    """The last line of the project's own that was at work."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/" not in frame.filename]
    own = [frame for frame in frames if "/jaxvision/" in frame.filename or "/experiments/" in frame.filename]
    last = (own or frames or traceback.extract_tb(error.__traceback__))[-1]
    return f"{Path(last.filename).name}:{last.lineno} {last.name}"


def mutated(parser: Parser, seed: int) -> Iterator[bytes]:
    """The seeds, then files made of them and of each other without end, the same for the same number."""
    rng = random.Random(seed)
    pool = parser.seeds()
    yield from pool
    while True:
        data = rng.choice(pool)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            data = parser.mutate(data, rng)
        yield data
        if rng.random() < 0.01:
            pool[rng.randrange(len(pool))] = data  # some wrong files are made more wrong
        if rng.random() < 0.01:
            pool = parser.seeds()


def work(name: str, parser: Parser, folder: Path, *, executions: int, seconds: float, seed: int, guided: bool) -> None:
    """The child: reads files until it has read so many, or the time is over; findings go to `folder/findings`."""
    counted = _shared(folder)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)

    def one(data: bytes) -> None:
        data = bytes(data[:MAX_LENGTH])
        warnings.simplefilter("error")
        counted[8:16] = struct.pack("<Q", len(data))
        counted[16 : 16 + len(data)] = data
        counted[:8] = struct.pack("<Q", struct.unpack("<Q", counted[:8])[0] + 1)
        if wrong := examine(parser, data, scratch):
            keep(folder, data, wrong)

    if not guided:
        end = time.monotonic() + seconds
        for number, data in enumerate(mutated(parser, seed)):
            if number >= executions or time.monotonic() > end:
                return
            one(data)
    import atheris

    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(parser.seeds()):
        (corpus / f"seed-{number:03d}").write_bytes(data)

    def mutator(data: bytes, max_size: int, number: int) -> bytes:
        rng = random.Random(number)
        warnings.simplefilter("ignore")  # of zipfile, whom two members of one name alarm; `one` makes them errors
        if rng.random() < 0.15:
            return atheris.Mutate(data, max_size)
        return parser.mutate(data, rng)[:max_size]

    limits = [f"-runs={executions}", f"-max_total_time={int(seconds)}", f"-max_len={MAX_LENGTH}", f"-seed={seed + 1}"]
    options = ["-timeout=120", "-rss_limit_mb=8192", "-print_final_stats=1", "-len_control=0"]
    atheris.Setup([name, str(corpus), *limits, *options], one, custom_mutator=mutator)
    atheris.Fuzz()


def keep(folder: Path, data: bytes, wrong: str) -> None:
    """A finding, once for each place: of two files with the same fault the shorter one is kept."""
    key = hashlib.sha256(wrong.rpartition(" at ")[2].encode() + wrong.partition(":")[0].encode()).hexdigest()[:12]
    file = folder / "findings" / key
    file.parent.mkdir(exist_ok=True)
    if file.exists() and file.stat().st_size <= len(data):
        return
    file.write_bytes(data)
    file.with_suffix(".txt").write_text(wrong + "\n", encoding="utf-8", errors="backslashreplace")


def campaign(name: str, folder: Path, *, executions: int, minutes: float, guided: bool) -> dict[str, object]:
    """The parent: begins a child as often as it takes, and keeps the file that a child died of."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shared").write_bytes(bytes(SHARED))
    counted = _shared(folder)
    began, deaths, coverage = time.monotonic(), 0, ""
    while (left := 60 * minutes - (time.monotonic() - began)) > 1 and (done := _count(counted)) < executions:
        words = [sys.executable, "-m", "tests.fuzzing", "--parser", name, "--work", str(folder)]
        words += ["--executions", str(executions - done), "--minutes", str(left / 60), "--seed", str(deaths)]
        words += [] if guided else ["--unguided"]
        with (folder / "log").open("wb") as log:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            code = _watch(child, counted)
        said = (folder / "log").read_bytes().decode(errors="replace")
        coverage = next((line.strip() for line in reversed(said.splitlines()) if " cov: " in line), coverage)
        if code == 0:
            break
        deaths += 1
        length = struct.unpack("<Q", counted[8:16])[0]
        keep(folder, counted[16 : 16 + length], f"died with {code} (death {deaths}): {said[-600:]} at {deaths}")
    taken = time.monotonic() - began
    findings = {file.stem: file.read_text().strip() for file in sorted((folder / "findings").glob("*.txt"))}
    done = _count(counted)
    told = {"parser": name, "executions": done, "minutes": round(taken / 60, 1), "a_second": round(done / taken)}
    told |= {"coverage": coverage, "deaths": deaths, "findings": findings}
    (folder / "told.json").write_text(json.dumps(told, indent=1))
    return told


def _shared(folder: Path) -> mmap.mmap:
    """How many files were read and which one is being read, where a parent finds it when the child is dead."""
    with (folder / "shared").open("r+b") as stream:
        return mmap.mmap(stream.fileno(), SHARED)


def _count(counted: mmap.mmap) -> int:
    return struct.unpack("<Q", counted[:8])[0]


def _watch(child: subprocess.Popen[bytes], counted: mmap.mmap) -> int:
    before, since = _count(counted), time.monotonic()
    while True:
        try:
            return child.wait(1.0)
        except subprocess.TimeoutExpired:
            if (now := _count(counted)) != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > STALLED * (5 if before == 0 else 1):
                child.kill()
                child.wait()
                return -1

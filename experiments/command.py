"""The one way from a terminal to an experiment: flags from its `Config`, a sentence for what the reader can mend."""

import errno
import inspect
import json
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import jax

from experiments.flags import Terminal, parsed
from jaxvision.errors import InputError
from jaxvision.training import FREE, Preempted, is_first, join, preemptible
from jaxvision.training.runs import json_text

C = TypeVar("C")

MENDABLE = 2  # exit code: the input or the machine is at fault and the sentence says how to mend it
INTERRUPTED = 130  # 128 + SIGINT, what a shell reports for Ctrl-C
SHOWN = 4  # pictures that the last line names
PREEMPTED = 0  # SIGTERM of a scheduler: a run that can go on did what was asked of it


def command(main: Callable[[C], Any], config: type[C], *, args: Sequence[str] | None = None) -> None:
    """Runs `main(config)` as a command: flags in, results and sentences out.

    The flags are the fields of the frozen dataclass `config`, their help the fields' docstrings or comments, and the
    description the docstring of the module that `main` is in. What the reader can mend (`InputError`, `OSError`,
    `FloatingPointError`) becomes one sentence on standard error and exit code 2, Ctrl-C a sentence and exit code 130,
    SIGTERM to what can go on a sentence and exit code 0; anything else is a bug and keeps its traceback. Every command
    also takes `--quiet`, to say nothing but what went wrong, and `--json`, to give its result to another program.

    Args:
        main: takes the resolved `config`; its result's `run_dir`, where there is one, is the last line printed, with
            the files in its `pictures`.
        config: the frozen dataclass whose fields are the flags.
        args: the words of the command line; None reads `sys.argv`.

    Raises:
        SystemExit: with code 2 (bad input or bad flags), 130 (Ctrl-C) or 0 (SIGTERM); a success returns.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     sides: int = 6
        >>> command(lambda config: print("rolled", config.sides), Config, args=["--sides", "4"])
        rolled 4
    """
    words = list(sys.argv[1:] if args is None else args)
    module = sys.modules[main.__module__]
    spec = getattr(module, "__spec__", None)
    program = f"python -m {spec.name if spec else module.__name__}"
    resolved = None
    try:
        resolved, terminal = parsed(config, program=program, description=_flowing(module.__doc__ or ""), words=words)
        _require_seed(resolved)
        if (hosts := getattr(resolved, "hosts", None)) is not None:
            join(hosts)
        with terminal.voice(), preemptible() if _resumable(resolved) else nullcontext():
            result = main(resolved)
    except (InputError, FloatingPointError) as error:
        _leave(str(error), MENDABLE)
    except KeyboardInterrupt:
        _leave(f"Interrupted: {_how_to_go_on(program, resolved, words)}", INTERRUPTED, at_once=args is None)
    except Preempted:
        _leave(f"Preempted: {_how_to_go_on(program, resolved, words)}", PREEMPTED, at_once=args is None)
    except Exception as error:
        sentence = machine_sentence(error) or _lost_process(error, program, resolved, words)
        if sentence is None:
            raise
        _leave(sentence, MENDABLE)
    else:
        if is_first():
            _tell(result, terminal)


def command_line(name: str, config: Any, *, without: Sequence[str] = FREE) -> str:
    """The command that gives these settings: a flag for each that is not the default.

    Args:
        name: the experiment.
        config: its settings, a dataclass.
        without: settings that are left out because they say where a run is, not what it does.

    Returns:
        One line for a shell.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     images: tuple[str, ...] = ()
        ...     n_steps: int = 100
        >>> command_line("saliency", Config(images=("a cat.jpg", "b.jpg")))
        "python -m experiments.saliency --images 'a cat.jpg' b.jpg"
    """
    words = ["python", "-m", f"experiments.{name}"]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in without or value == field.default:
            continue
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)


def machine_sentence(error: BaseException) -> str | None:
    """One sentence for a failure of disk or files, wherever in the chain of causes it lies; None for anything else.

    Libraries that write through their own I/O (safetensors, Orbax) raise errors of their own for a full disk, hence
    the look at causes and text.

    Args:
        error: what was raised.

    Returns:
        What went wrong and how to mend it, or None where the error is not the machine's.

    Example:
        >>> machine_sentence(OSError(errno.ENOSPC, "No space left on device", "runs/a.png"))
        'The disk is full while writing runs/a.png: free some space or choose another folder with --run-dir'
        >>> machine_sentence(KeyError("x")) is None
        True
    """
    for link in _chain(error):
        full = isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EDQUOT)
        if full or "No space left on device" in str(link):
            path = getattr(link, "filename", None)
            where = f" while writing {path}" if path else ""
            return f"The disk is full{where}: free some space or choose another folder with --run-dir"
    if not isinstance(error, OSError):
        return None
    path = error.filename
    if path is None:
        return str(error) or type(error).__name__
    unwritable = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno in unwritable:
        return f"Cannot use {path} ({reason}): choose a file or folder that may be read and written, see --run-dir"
    return f"Cannot use {path} ({reason}): check the path"


def _tell(result: Any, terminal: Terminal) -> None:
    """What came out: where it is, or all of it for another program."""
    run_dir = getattr(result, "run_dir", None)
    if terminal.json:
        print(json.dumps(json.loads(json_text(result))))
    elif run_dir is not None and not terminal.quiet:
        pictures = [Path(path) for path in getattr(result, "pictures", ())]
        shown = [str(path.relative_to(run_dir) if path.is_relative_to(run_dir) else path) for path in pictures[:SHOWN]]
        more = [f"{len(pictures) - SHOWN} more"] if len(pictures) > SHOWN else []
        print(f"Results are in {run_dir}{': ' if shown else ''}{', '.join(shown + more)}")


def _flowing(text: str) -> str:
    """Paragraphs as wide as the terminal, under the text of the boxes; one with indented lines keeps them."""
    # tyro joins lines that begin with a letter, and makes two of an empty one: hence the indent, and no empty line.
    indent, between = "  ", "\n\u200b\n"
    flow = textwrap.TextWrapper(
        min(shutil.get_terminal_size().columns, 120), indent, indent, break_long_words=False, break_on_hyphens=False
    )
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return between.join(textwrap.indent(part, indent) if "\n " in part else flow.fill(part) for part in paragraphs)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _lost_process(error: Exception, program: str, config: Any, words: Sequence[str]) -> str | None:
    """Of several processes that train together: one sentence when another one is gone."""
    # Where the others are missed first decides the type of the error; its text tells of the connection.
    missed = re.search("gloo|nccl|connection|coordination|heartbeat|barrier|peer", str(error), re.IGNORECASE)
    if jax.process_count() == 1 or not missed:
        return None
    said = str(error).split("\n", maxsplit=1)[0][:200]
    return (
        f"Another process of this training was lost ({said}): start all again, {_how_to_go_on(program, config, words)}"
    )


def _require_seed(config: Any) -> None:
    seed = getattr(config, "seed", 0)
    if not 0 <= seed < 2**32:
        raise InputError(f"--seed must be at least 0 and below 2**32, got {seed}")


def _resumable(config: Any) -> bool:
    """Of an experiment's modes, `resumable` says whether this one can go on."""
    return hasattr(config, "resume") and getattr(config, "resumable", True)


def _how_to_go_on(program: str, config: Any, words: Sequence[str]) -> str:
    if not _resumable(config):
        return "what was finished is kept in the run directory, the same command starts again"
    again = shlex.join([word for word in words if word not in ("--resume", "--no-resume")] + ["--resume"])
    return f"go on with `{program} {again}`"


def _leave(sentence: str, code: int, *, at_once: bool = False) -> None:
    # One line whatever the error's text held, so that a script can show it as it is.
    print(" ".join(sentence.split()), file=sys.stderr)
    if at_once and jax.process_count() == 1:
        # A program that still computes may crash while the interpreter is taken down, and lose the code.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)

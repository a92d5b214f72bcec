"""A flat `Config` as the flags of a command, in groups, with the flags that every command has.

The dataclass stays what Python code fills in. For the parser its fields are sorted into groups: those of each dataclass
that it is put together from, those that say where a run is and how it is kept, and those of the terminal; their help is
what stands below each field.
"""

import ast
import difflib
import inspect
import os
import sys
import textwrap
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, fields, make_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

from jaxvision.errors import InputError
from jaxvision.training import FREE

C = TypeVar("C")

RUN = (*FREE, "checkpoint_every", "export", "seed")  # what trainings and pictures alike have, last in every --help


@dataclass(frozen=True)
class Terminal:
    """What a command says."""

    quiet: bool = False
    """say nothing but what went wrong"""
    json: bool = False
    """on standard output the result alone, as JSON in one line; everything else on standard error"""

    @contextmanager
    def voice(self) -> Generator[None, None, None]:
        """Standard output and standard error as asked for, until the block ends."""
        with ExitStack() as stack:
            if self.quiet:
                nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                stack.enter_context(redirect_stdout(nowhere))
                stack.enter_context(redirect_stderr(nowhere))
            elif self.json:
                stack.enter_context(redirect_stdout(sys.stderr))
            yield


def parsed(config: type[C], *, program: str, description: str, words: Sequence[str]) -> tuple[C, Terminal]:
    """The settings that the words of a command line give.

    Args:
        config: a frozen dataclass; a dataclass that it inherits from becomes a group of flags of that name.
        program: how the command is called.
        description: what it does, for --help.
        words: of the command line.

    Returns:
        The settings, and what the command is to say.

    Raises:
        InputError: a choice is misspelt.
        SystemExit: with code 2 after a sentence on other bad flags, with 0 after --help.

    Example:
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     sides: int = 6
        >>> parsed(Config, program="dice", description="Rolls.", words=["--sides", "4", "--quiet"])
        (Config(sides=4), Terminal(quiet=True, json=False))
    """
    words = _in_the_plural(config, words)
    _check_spelling(config, words)
    groups = {name: _group(config, name, members) for name, members in _sorted(config).items()}
    terminal = _group(Terminal, "terminal", fields(Terminal))
    shape = make_dataclass("Command", [*groups.items(), ("terminal", terminal)], frozen=True)
    markers = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    found: Any = tyro.cli(shape, prog=program, description=description, args=words, config=markers)
    values = {f.name: getattr(getattr(found, name), f.name) for name, group in groups.items() for f in fields(group)}
    return config(**values), Terminal(**vars(found.terminal))


def _in_the_plural(config: Any, words: Sequence[str]) -> list[str]:
    """`--style` where the flag is `--styles` and takes several: whoever has one thinks of one."""
    names = {f"--{name}".replace("_", "-"): get_origin(hint) for name, hint in get_type_hints(config).items()}

    def plural(word: str) -> str:
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        return f"{flag}s{equals}{value}" if flag not in names and names.get(f"{flag}s") is tuple else word

    return [plural(word) for word in words]


def _check_spelling(config: Any, words: Sequence[str]) -> None:
    """One sentence where a word after a flag is nearly one of its choices; the rest is the parser's."""
    choices = {name: _choices(hint) for name, hint in get_type_hints(config).items()}
    flag = ""
    for word in words:
        if word.startswith("--"):
            flag, _, word = word.partition("=")
        known = choices.get(flag.removeprefix("--").replace("-", "_"), ())
        if word in known or not (near := difflib.get_close_matches(word, known, n=1)):
            continue
        others = [each for each in known if each != near[0]]
        raise InputError(f"{flag} has no {word}: the nearest is {near[0]}, the others are {', '.join(others)}")


def _choices(hint: Any) -> tuple[str, ...]:
    """The words that a setting may be, in a tuple or a union, too; none where it may be any."""
    if get_origin(hint) is Literal:
        return tuple(map(str, get_args(hint)))
    parts = get_args(hint)
    return () if {str, Path} & set(parts) else tuple(word for part in parts for word in _choices(part))


def _sorted(config: Any) -> dict[str, list[Any]]:
    """The fields of each group, in the order of the dataclass."""
    groups: dict[str, list[Any]] = {}
    for one in fields(config):
        origin = next(base for base in config.__mro__ if one.name in inspect.get_annotations(base))
        name = "run" if one.name in RUN else "settings" if origin is config else origin.__name__.lower()
        groups.setdefault(name, []).append(one)
    if "run" in groups:
        groups["run"] = groups.pop("run")  # last
    return groups


def _group(config: Any, name: str, members: Sequence[Any]) -> type:
    hints, said = get_type_hints(config, include_extras=True), _docstrings(config)
    made = []
    for one in members:
        hint, metavar, aside = hints[one.name], None, None
        inner = [kind for kind in get_args(hint) if kind is not NoneType]
        if get_origin(hint) in (Union, UnionType) and inner in ([int], [float], [str], [Path]):
            metavar = inner[0].__name__.upper()  # not "{None}|INT": the help says what none means
        if one.default is None or one.default is False or one.default == ():
            aside = ""  # "(default: )" says nothing
        told = said.get(one.name)
        if one.default is True and told:  # the flag is --no-x and turns it off
            told, aside = f"do not {told}", ""
        said_of_it = tyro.conf.arg(help=told, metavar=metavar, help_behavior_hint=aside)
        kept = field(default=one.default, default_factory=one.default_factory, kw_only=True)
        made.append((one.name, Annotated[hint, said_of_it], kept))
    group = make_dataclass(name.capitalize(), made, frozen=True)
    group.__doc__ = ""  # of the signature, which --help would show
    return group


def _docstrings(config: Any) -> dict[str, str]:
    """What stands below each field, in one line, so that a terminal of any width breaks it where it ends."""
    said: dict[str, str] = {}
    for base in reversed(config.__mro__[:-1]):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError):  # typed at a prompt: there is no source
            continue
        assert isinstance(body, ast.ClassDef)
        for one, then in zip(body.body, body.body[1:], strict=False):
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(then, ast.Expr):
                said[one.target.id] = " ".join(str(ast.literal_eval(then.value)).split())
    return said

"""What there is to run, and how long it takes without flags: `python -m experiments`."""

import ast
import difflib
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

PROGRAM = "python -m experiments"
ROOMS = {
    "Everything, small": ("tour", "studio"),
    "Look inside": ("saliency", "attribution", "class_visualization", "visualize"),
    "Fool": ("fooling", "attack", "attack_strength"),
    "Transfer style": ("style_transfer", "style_sheet", "style_quality", "fast_style"),
    "Caption": ("caption", "train_encoder"),
    "Generate": ("gan",),
    "Classify": ("train_classifier",),
    "Measure": ("caption_models", "caption_rewards", "benchmark", "benchmark_growth", "benchmark_feeding"),
    "Break": ("faults", "soak"),
}

UNITS = {"s": "s", "m": "min", "h": "h"}


def what_there_is() -> Table:
    """A table of every experiment, by rooms: its name, how long it takes, what it does."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for room, names in ROOMS.items():
        table.add_row(f"[bold]{room}[/bold]")
        for name in names:
            what, time = summary(name)
            table.add_row(f"  {name}", time, what)
    return table


def summary(name: str) -> tuple[str, str]:
    """What an experiment says of itself; its source is read, not imported, which would take seconds each.

    Args:
        name: of a module of this package.

    Returns:
        The first sentence of its docstring, and the time without flags that the docstring states.

    Example:
        >>> summary("saliency")
        ('Saliency maps: which pixels decide what a network sees', '15 s')
    """
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    words = " ".join((ast.get_docstring(ast.parse(source)) or "").split())
    time = re.search(r"(\d+(?: to \d+)?) (seconds?|minutes?|hours?)[^.;]*? on (?:one|two) (?:CPU )?cores?", words)
    short = f"{time[1]} {UNITS[time[2][0]]}" if time else ""
    return re.split(r"(?<=[.?]) ", words)[0].rstrip("."), short


def main(words: Sequence[str]) -> None:
    """Prints the list, or with `--completion` a script for the shell.

    Raises:
        SystemExit: with code 2 after a sentence, for other words.
    """
    names = [name for names in ROOMS.values() for name in names]
    if list(words) == ["--completion"]:
        # Not imported above: it imports every experiment, and the list need not wait for that.
        print(importlib.import_module("experiments.completion").script(names), end="")
        return
    named = [*names, "--completion"]
    if words and words[0] not in ("-h", "--help"):
        near = difflib.get_close_matches(words[0], named, n=1)
        command = f"{PROGRAM}{' ' if near == ['--completion'] else '.'}{near[0]}" if near else PROGRAM
        print(f"{words[0]} is nothing that {PROGRAM} takes: do you mean {command}?", file=sys.stderr)
        raise SystemExit(2)
    console = Console()
    console.print("Run [bold]python -m experiments.NAME[/bold], with [bold]--help[/bold] for its settings.")
    console.print("Times are those without flags, on one or two CPU cores.\n")
    console.print(what_there_is())
    console.print(
        "\n[bold]python -m experiments --completion[/bold] prints a script by which bash or zsh completes them."
    )


if __name__ == "__main__":
    main(sys.argv[1:])

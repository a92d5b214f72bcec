"""The command `python -m jaxvision.weights`: what is published and what is here, download, conversion."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxvision import files
from jaxvision.errors import InputError
from jaxvision.weights.conversion import convert
from jaxvision.weights.manifest import CLASS_NAMES, WEIGHTS, PublishedWeights

PROGRAM = "python -m jaxvision.weights"
DESCRIPTION = """Pretrained weights: what is published, what is here, and how it gets here.

Files live in JAXVISION_HOME (by default the user's cache folder). JAXVISION_OFFLINE=1 forbids the network."""
YES = Text("yes", "bold green")
MENDABLE = 2  # exit code for what the reader can mend, as for wrong flags


def main(args: Sequence[str] | None = None) -> None:
    """Run the command: a result on standard output, or one sentence on standard error and exit code 2.

    Args:
        args: the words after the program's name; None reads them from the command line.

    Raises:
        SystemExit: with code 2 for bad input or flags, 130 for Ctrl-C.

    Example:
        >>> main(["fetch", "vgg61"])
        Traceback (most recent call last):
        SystemExit: 2
    """
    commands = {"list": show, "fetch": fetch, "convert": convert_file}
    try:
        tyro.extras.subcommand_cli_from_dict(
            commands, prog=PROGRAM, description=DESCRIPTION, args=args, config=(tyro.conf.FlagCreatePairsOff,)
        )
    except (InputError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        raise SystemExit(MENDABLE) from None
    except KeyboardInterrupt:
        print("Interrupted: what was downloaded is kept, the same command goes on from there", file=sys.stderr)
        raise SystemExit(130) from None


def show(*, urls: bool = False) -> None:
    """List the published weights: size, expected score, terms, and whether they are here.

    Args:
        urls: also print where each file is published and what it must hash to.
    """
    table = Table(
        box=box.SIMPLE_HEAD, title="Published weights", title_justify="left", title_style="bold", pad_edge=False
    )
    table.add_column("name", style="bold cyan", no_wrap=True)
    for heading in ("top-1 %", "top-5 %", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("terms", style="dim")
    for entry in WEIGHTS.values():
        scores = ("" if score is None else f"{score:.3f}" for score in (entry.top1, entry.top5))
        state = _state(entry.file, entry.location, downloaded=Text("downloaded, not converted", "yellow"))
        table.add_row(entry.name, *scores, _size(entry.file), state, entry.file.licence)
    state = _state(CLASS_NAMES, files.home() / "imagenet" / "class_names.json", downloaded=YES)
    table.add_row("class_names", "", "", _size(CLASS_NAMES), state, CLASS_NAMES.licence)
    console = Console()
    console.print(table)
    console.print(
        f"Scores: ImageNet-1K validation, as torchvision reports them.\nHome: {files.home()}", highlight=False
    )
    if urls:
        for file in (*(entry.file for entry in WEIGHTS.values()), CLASS_NAMES):
            console.print(f"\n{file.url}\n  {file.digest}  {file.note}", highlight=False, markup=False, soft_wrap=True)


def fetch(
    names: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME [NAME ...]", help_behavior_hint="(required)")
    ],
    /,
) -> None:
    """Download weights into the home folder, check their SHA-256 and convert them to safetensors.

    Args:
        names: squeezenet1_1, vgg16, vgg19, inception_v3_fid or class_names; several are fetched one after the other.
    """
    known = (*WEIGHTS, "class_names")
    if not names:
        raise InputError(f"nothing to fetch: expected one or more of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise InputError(f"nothing is published here as {name!r}: expected one of {', '.join(known)}")
    for name in names:
        print(files.fetch(CLASS_NAMES) if name == "class_names" else _fetch_weights(WEIGHTS[name]))


def convert_file(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE.pth")],
    /,
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE.safetensors")] = None,
    overwrite: bool = False,
) -> None:
    """Convert a PyTorch state dict to safetensors; a file that holds more than tensors is refused, not opened.

    Args:
        file: as written by torch.save(model.state_dict(), FILE.pth).
        output: where to write. Without it, a published file becomes weights/NAME.safetensors in the home folder, where
            weights="imagenet" finds it, and any other goes beside its source.
        overwrite: replace an output that is already there.
    """
    print(convert(file, output, overwrite=overwrite))


def _fetch_weights(entry: PublishedWeights) -> Path:
    if entry.location.exists():
        return entry.location
    file = files.fetch(entry.file)
    files.verify(entry.file, file)
    return convert(file, entry.location)


def _state(file: files.PublishedFile, own: Path, *, downloaded: Text) -> Text:
    """Whether `own`, which is read first, is here, or else how much of the published file."""
    if own.exists():
        return YES
    if file.location.exists():
        return downloaded
    if file.part.exists() and file.size:
        return Text(f"{100 * file.part.stat().st_size // file.size} % downloaded", "yellow")
    return Text("no", "dim")


def _size(file: files.PublishedFile) -> str:
    if file.size is None:
        return "?"
    return f"{file.size / 1e6:.0f} MB" if file.size >= 1e6 else f"{file.size / 1e3:.0f} kB"

"""How a training run is going, on standard error: a bar in a terminal, now and then a line in a log."""

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from jaxvision.training.hosts import is_first

_EVERY = 30.0  # seconds between two lines where there is no terminal

Report = Callable[[int, Mapping[str, float]], None]


@contextmanager
def progress(n_steps: int, done: int = 0) -> Generator[Report, None, None]:
    """Shows steps, rate, the first metric and the time left until the block ends.

    A terminal gets a bar; a file or a pipe gets a line at most every 30 seconds and one at the end.

    Args:
        n_steps: the step at which the run ends.
        done: the step at which it begins or goes on.

    Yields:
        `report(step, metrics)`, to be called with the steps taken so far and the latest metrics.

    Example:
        >>> with progress(100) as report:
        ...     report(50, {"loss": 0.7})
    """
    if not is_first():  # one bar is enough for all of them
        yield lambda step, metrics: None
        return
    console = Console(stderr=True)
    began, compiled = (time.monotonic(), done), False

    def words(step: int, metrics: Mapping[str, float]) -> str:
        nonlocal began, compiled
        now = time.monotonic()
        rate = (step - began[1]) / max(now - began[0], 1e-9)
        if not compiled:  # the first dispatch includes compilation: later rates begin after it
            began, compiled = (now, step), True
        return status(step, n_steps, metrics, rate=rate)

    if not console.is_terminal:
        yield _lines(n_steps, words)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None))
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task(f"step {done}/{n_steps}", total=n_steps, completed=done)
        yield lambda step, metrics: bar.update(task, completed=step, description=words(step, metrics), refresh=True)


def status(step: int, n_steps: int, metrics: Mapping[str, float], *, rate: float) -> str:
    """One line of progress.

    Args:
        step: steps taken.
        n_steps: the step at which the run ends.
        metrics: the latest metrics; the first two are shown.
        rate: steps per second.

    Returns:
        The line.

    Example:
        >>> status(600, 6000, {"loss": 1.2345, "accuracy": 0.5, "gradient_norm": 2.0}, rate=4.0)
        'step 600/6000, 4 steps/s, loss 1.23, accuracy 0.5, 22:30 left'
    """
    shown = "".join(f", {name} {value:.3g}" for name, value in list(metrics.items())[:2])
    seconds = round((n_steps - step) / rate) if rate > 0 else 0
    hours, minutes = divmod(seconds // 60, 60)
    left = f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"
    return f"step {step}/{n_steps}, {rate:.3g} steps/s{shown}, {left} left"


def _lines(n_steps: int, words: Callable[[int, Mapping[str, float]], str]) -> Report:
    last = time.monotonic()

    def report(step: int, metrics: Mapping[str, float]) -> None:
        nonlocal last
        if step >= n_steps or time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            print(words(step, metrics), file=sys.stderr, flush=True)

    return report

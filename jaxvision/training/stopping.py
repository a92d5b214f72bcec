"""Being asked to stop: Ctrl-C, and SIGTERM, by which a scheduler announces that it takes the machine away."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from jaxvision.training.hosts import highest

Handler = Callable[[int, FrameType | None], None]


class Preempted(SystemExit):
    """SIGTERM came. A program that does not catch it ends with exit code 0: what was asked of it is done."""

    def __init__(self) -> None:
        super().__init__(0)


@contextmanager
def stoppable() -> Generator[Callable[[], BaseException | None], None, None]:
    """Holds the first Ctrl-C or SIGTERM back until the block asks for it; a Ctrl-C after that does not wait.

    An exception in the middle of a dispatch would find the old state's buffers given away and the new one not yet
    named: nothing left to save. A second SIGTERM changes nothing, for schedulers repeat it; they end with SIGKILL.
    Outside of the main thread, where no signals arrive, nothing is held back. The handlers of before come back at the
    end. Of several hosts all hear what one was sent, for they ask together.

    Yields:
        `stopping()`: None, or what to raise once the state is safe: `KeyboardInterrupt` or `Preempted`.

    Raises:
        KeyboardInterrupt: at a Ctrl-C that is not the first signal.

    Example:
        >>> with stoppable() as stopping:
        ...     before = stopping()
        ...     signal.raise_signal(signal.SIGTERM)
        ...     before, stopping()
        (None, Preempted(0))
    """
    received: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    def stopping() -> BaseException | None:
        first = highest(received[0] if received else 0)
        if not first:
            return None
        return KeyboardInterrupt() if first == signal.SIGINT else Preempted()

    with _handlers({signal.SIGINT: hold, signal.SIGTERM: hold}):
        yield stopping


@contextmanager
def preemptible() -> Generator[None, None, None]:
    """SIGTERM raises `Preempted` at once, as Ctrl-C does `KeyboardInterrupt`, wherever `stoppable` does not hold it.

    Example:
        >>> with preemptible():
        ...     signal.raise_signal(signal.SIGTERM)
        Traceback (most recent call last):
        jaxvision.training.stopping.Preempted: 0
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Preempted

    with _handlers({signal.SIGTERM: stop}):
        yield


@contextmanager
def _handlers(new: dict[signal.Signals, Handler]) -> Generator[None, None, None]:
    if threading.current_thread() is not threading.main_thread():  # only there do signals arrive
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in new.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

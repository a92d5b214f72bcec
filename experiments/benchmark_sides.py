"""The two sides of a benchmark, ours and the others', each in a process of its own.

Neither's waiting threads, caches or allocator serve the other, and both have as many threads as there are cores. While
one is timed the other sleeps.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from experiments.benchmark_program import Program, Programs, Setup
from experiments.peak_memory import peak_memory
from experiments.timing import Compiling, Costs, Timer, timer
from jaxvision.data import n_cores
from jaxvision.errors import InputError


class Prepared(NamedTuple):
    """What is known of a row before it is timed.

    Attributes:
        forms: whose programs there are, "ours" among them.
        compiling: seconds, of ours.
        costs: of a call.
        n_steps: that a call takes.
    """

    forms: tuple[str, ...]
    compiling: Compiling
    costs: Costs
    n_steps: int


class Side:
    """A process that prepares rows and, when asked, calls their programs; `with` ends it.

    Args:
        make: setup to rows, a function of a module (it goes to the process by its name).
        setup: what the rows are prepared with.
    """

    def __init__(self, make: Callable[[Setup], Programs], setup: Setup):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, setup))
        self._process.start()
        theirs.close()

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.join()

    def prepare(self, row: str) -> Prepared:
        """Compiles a row and compares its results.

        Raises:
            FloatingPointError: if ours and a peer's results differ.
            InputError: if the process came to an end, as where memory does not suffice.
        """
        return self._ask("prepare", row)

    def timer(self, row: str, form: str) -> Timer:
        """Seconds for so many calls of a prepared row's program."""
        return partial(self._ask, "seconds", row, form)

    def memory(self, row: str, form: str) -> int | None:
        """Bytes at the peak of a call; see `peak_memory`."""
        return self._ask("memory", row, form)

    def _ask(self, *request: Any) -> Any:
        try:
            self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            sentence = "the process that was to be timed has ended, perhaps for want of memory: choose fewer --rows"
            raise InputError(f"{request[1]}: {sentence}") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(connection: Connection, make: Callable[[Setup], Programs], setup: Setup) -> None:
    """Answers requests until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the asking process, which then closes this one
    if setup.peers:
        import torch  # noqa: PLC0415 - PyTorch is an extra
        import torch._dynamo  # noqa: PLC0415

        torch.set_num_threads(n_cores())
        # A program for each size, as ours has: by default it makes one for all sizes, and none after the eighth.
        torch._dynamo.config.automatic_dynamic_shapes = False
        torch._dynamo.config.recompile_limit = 100
    rows, programs = make(setup), dict[str, Program]()

    def prepare(row: str) -> Prepared:
        programs[row] = program = rows[row]()
        return Prepared(tuple(program.calls), program.compiling, program.costs, program.n_steps)

    answers: dict[str, Callable[..., Any]] = {
        "prepare": prepare,
        "seconds": lambda row, form, n: timer(programs[row].calls[form])(n),
        "memory": lambda row, form: peak_memory(programs[row].calls[form]),
    }
    while True:
        try:
            question, *arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = answers[question](*arguments)
        except Exception as error:  # told to the process that asked, which raises it
            error.add_note(traceback.format_exc())
            answer = error
        try:
            connection.send(answer)
        except OSError:  # the one that asked is no more
            return

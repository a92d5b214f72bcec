"""Several processes, on one machine or on many, that train together by `jax.distributed`."""

import socket
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxvision.errors import InputError

_LONGEST = 2000  # bytes of a sentence that the first process tells the others


def join(hosts: str) -> None:
    """Makes this process one of several; to be called before anything is computed.

    Args:
        hosts: "auto" where Slurm, Open MPI, GKE or a TPU pod says who takes part; else "ADDRESS:PORT,COUNT,INDEX", the
            first process's address, how many there are, and which one this is, from 0.

    Raises:
        InputError: the description cannot be read, or the others cannot be reached.

    Example:
        >>> join("10.0.0.1:9000,2")
        Traceback (most recent call last):
        jaxvision.errors.InputError: --hosts 10.0.0.1:9000,2 does not say who takes part: give auto, or \
ADDRESS:PORT,COUNT,INDEX, such as 10.0.0.1:9000,2,0
    """
    address, _, numbers = hosts.partition(",")
    count, _, index = numbers.partition(",")
    numbered = count.isdecimal() and index.isdecimal() and int(index) < int(count)
    if hosts != "auto" and not (numbered and ":" in address):
        raise InputError(
            f"--hosts {hosts} does not say who takes part: give auto, or ADDRESS:PORT,COUNT,INDEX, such as "
            "10.0.0.1:9000,2,0"
        )
    try:
        if hosts == "auto":
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(address, int(count), int(index))
    except (RuntimeError, ValueError) as error:
        said = str(error).split("\n", maxsplit=1)[0]
        mend = (
            "start all processes with the same address and number, each with an index of its own, within five minutes"
        )
        if hosts == "auto":
            mend = "where no Slurm, Open MPI, GKE or TPU pod says who takes part, give --hosts ADDRESS:PORT,COUNT,INDEX"
        raise InputError(f"{socket.gethostname()} cannot take part with --hosts {hosts} ({said}): {mend}") from error


def is_first() -> bool:
    """Whether this process is the one that writes pictures and logs.

    Example:
        >>> is_first()
        True
    """
    return jax.process_index() == 0


def by_first(action: Callable[[], Any]) -> None:
    """Lets the first process act while the others wait; bad input of it is raised by all.

    Args:
        action: called by the first process alone.

    Raises:
        InputError: `action` raised it.

    Example:
        >>> by_first(lambda: print("written once"))
        written once
    """
    if jax.process_count() == 1:
        action()
        return
    said = np.zeros(_LONGEST, np.uint8)
    if is_first():
        try:
            action()
        except InputError as error:
            text = np.frombuffer(str(error).encode()[:_LONGEST], np.uint8)
            said[: len(text)] = text
    said = np.asarray(multihost_utils.broadcast_one_to_all(said))
    if said.any():
        raise InputError(said.tobytes().rstrip(b"\0").decode(errors="replace"))


def highest(number: int) -> int:
    """The largest number that any process gives.

    Example:
        >>> highest(3)
        3
    """
    if jax.process_count() == 1:
        return number
    return int(np.max(multihost_utils.process_allgather(np.int32(number))))

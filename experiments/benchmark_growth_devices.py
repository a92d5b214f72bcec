"""What each of several devices computes, sends and holds, and that the result is that of one device.

A process of its own, `python -m experiments.benchmark_growth_devices`, makes 256 devices of one CPU. Programs run on up
to eight of them; for more they are only compiled, which takes no memory. They are compiled in the forms that `forms`
chooses for accelerators, since it is these that a model of accelerators asks about.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np

from experiments.benchmark_growth_hlo import work
from experiments.benchmark_growth_programs import PROGRAMS, Divided
from experiments.benchmark_program import TOLERANCE
from experiments.scaling_model import Traffic, Work
from jaxvision.errors import InputError

N_DEVICES = 256


class Share(NamedTuple):
    """What one of several devices does.

    Attributes:
        name: of the program.
        unit: what is divided.
        size: units of all devices together.
        n_devices: that share it.
        work: of each.
        memory: bytes of each: arguments, results and what lies between.
        difference: of the result from that of one device, as a share of its norm; None where it was not run.
    """

    name: str
    unit: str
    size: int
    n_devices: int
    work: Work
    memory: int
    difference: float | None = None


class Shares(NamedTuple):
    """What was found.

    Attributes:
        run: of programs that were run, by program and devices.
        growing: of the same problem for each device, compiled for many.
        fixed: of the same problem for all devices, compiled for one and for many.
    """

    run: list[Share]
    growing: list[Share]
    fixed: list[Share]


def compiled(program: Divided, size: int, devices: Sequence[Any]) -> Any:
    """A program for so many units on these devices, without any array."""
    shapes = jax.eval_shape(lambda: program.arguments(size))
    placed = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        program.place(shapes, devices),
    )
    return jax.jit(program.step(devices)).lower(*placed).compile()


def share(program: Divided, size: int, devices: Sequence[Any]) -> tuple[Share, Any]:
    """What each device does, and the program."""
    found = compiled(program, size, devices)
    plan = found.memory_analysis()
    memory = plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes
    each = work(found) if len(devices) > 1 else work(found)._replace(collectives={})
    return Share(program.name, program.unit, size, len(devices), each, memory), found


def compared(program: Divided, counts: Sequence[int]) -> list[Share]:
    """A program on each number of devices, the first of them alone, run and compared with the first.

    Raises:
        FloatingPointError: if a result differs from that of one device.
    """
    arguments = program.arguments(program.size)
    shares, alone = list[Share](), None
    for n in counts:
        devices = jax.devices()[:n]
        found, run = share(program, program.size, devices)
        result = program.compared(run(*jax.device_put(arguments, program.place(arguments, devices))))
        values = np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(result)])
        alone = values if alone is None else alone
        difference = float(np.linalg.norm(values - alone) / np.linalg.norm(alone))
        if not difference <= TOLERANCE:
            raise FloatingPointError(f"{program.name}: {n} devices and one differ by {difference:.1e} of the norm")
        shares.append(found._replace(difference=difference))
        say(f"{program.name} on {n}: differs from one device by {difference:.0e} of the norm")
    return shares


def measure(counts: Sequence[int], many: Sequence[int], programs: Sequence[Divided] = PROGRAMS) -> Shares:
    """Every program on few devices, run, and on many, compiled.

    Args:
        counts: of devices that run, the first 1.
        many: numbers of devices in the model.
        programs: that are shared.

    Returns:
        What each device does.
    """
    found = Shares([], [], [])
    with mock.patch.object(jax, "default_backend", return_value="accelerator"):  # `forms` asks for it
        for program in programs:
            found.run.extend(compared(program, counts))
            for n in (1, *many) if program.all and many else ():
                devices = jax.devices()[:n]
                if n > 1:
                    found.growing.append(share(program, n * program.each, devices)[0])
                found.fixed.append(share(program, program.all, devices)[0])
                say(f"{program.name}: compiled for {n}")
    return found


def in_a_process(counts: Sequence[int], many: Sequence[int]) -> Shares:
    """`measure` in a process with many devices; its progress goes to standard error.

    Raises:
        InputError: if the process fails; what it said stands above.
    """
    words = [sys.executable, "-m", __name__, json.dumps([list(counts), list(many)])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise InputError(f"the programs of several devices failed (exit code {done.returncode}): see above")
    return Shares(*([_share(row) for row in rows] for rows in json.loads(done.stdout.splitlines()[-1])))


def _share(row: list[Any]) -> Share:
    name, unit, size, n_devices, (operations, collectives), memory, difference = row
    found = Work(operations, {kind: Traffic(*traffic) for kind, traffic in collectives.items()})
    return Share(name, unit, size, n_devices, found, memory, difference)


def say(sentence: str) -> None:
    """Tells the reader, on standard error."""
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", N_DEVICES)
    print(json.dumps(measure(*json.loads(sys.argv[1]))))

"""What a compiled program says of itself: its collectives and operations, a loop's body as often as it runs."""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from experiments.scaling_model import Traffic, Work
from jaxvision import onednn

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all")

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
# The type of a tuple has brackets and comments in it, but no word before an opening bracket.
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.+?) ([a-z][a-z0-9\-]*)\((.*)$")
_ARRAY = re.compile(r"\b([a-z]+)(\d*)\w*\[([\d,]*)\]")
_CALLED = re.compile(r"\b(body|condition|calls|to_apply|branch_computations)=(\{[^}]*\}|%?[\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


class Instruction(NamedTuple):
    """A line of a compiled program.

    Attributes:
        name: of its result.
        type: of its result.
        opcode: what it does.
        rest: operands and attributes.
    """

    name: str
    type: str
    opcode: str
    rest: str


class Computation(NamedTuple):
    """A function of a compiled program.

    Attributes:
        instructions: its lines.
        times: how often it runs in one run of the program; a loop whose length only the run decides counts once.
        places: the same with every loop's body once.
    """

    instructions: tuple[Instruction, ...]
    times: int
    places: int


def work(program: Any) -> Work:
    """What one device does in one run of a compiled program.

    Operations are the compiler's count, which has a loop's body once, and the body's products of matrices as often as
    it runs beyond that.

    Args:
        program: of `jax.jit(...).lower(...).compile()`.

    Returns:
        Operations and collectives.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> run = lambda x: jax.lax.scan(lambda x, _: (x @ x, None), x, length=5)[0]
        >>> found = work(jax.jit(run).lower(jnp.ones((8, 8))).compile())
        >>> 5 * 2 * 8**3 <= found.operations < 1.1 * 5 * 2 * 8**3, found.collectives
        (True, {})
    """
    text = program.as_text()
    parsed = computations(text)
    again = sum((c.times - c.places) * sum(_product_operations(c)) for c in parsed.values() if c.times > c.places)
    return Work(float(program.cost_analysis()["flops"]) + onednn.operations(text) + again, traffic(parsed))


def traffic(parsed: dict[str, Computation]) -> dict[str, Traffic]:
    """The collectives by kind: how many, and bytes as in `scaling_model.Traffic`.

    Args:
        parsed: of `computations`.

    Returns:
        Kinds that do not occur are left out.

    Raises:
        ValueError: if a collective begins here and ends elsewhere, as in programs for some accelerators.
    """
    found: dict[str, Traffic] = {}
    for computation in parsed.values():
        types = {line.name: line.type for line in computation.instructions}
        for line in computation.instructions:
            if line.opcode.removesuffix("-start") in COLLECTIVES and line.opcode not in COLLECTIVES:
                raise ValueError(f"{line.opcode} is not counted: compile for the CPU")
            if line.opcode in COLLECTIVES and computation.times:
                operands = sum(n_bytes(types.get(name, "")) for name in _operands(line))
                number, total = found.get(line.opcode, Traffic(0, 0))
                size = max(n_bytes(line.type), operands)
                found[line.opcode] = Traffic(number + computation.times, total + computation.times * size)
    return found


def computations(text: str) -> dict[str, Computation]:
    """A compiled program's functions, with how often each runs.

    Args:
        text: of `compiled.as_text()`.

    Returns:
        By name.

    Raises:
        ValueError: if the text has no entry.
    """
    lines: dict[str, list[Instruction]] = {}
    entry, current = None, None
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            current = header[2]
            lines[current] = []
            entry = current if header[1] else entry
        elif current is not None and (found := _INSTRUCTION.match(line)):
            lines[current].append(Instruction(*found.groups()))
    if entry is None:
        raise ValueError("this is no compiled program: it has no entry")
    times, places = dict.fromkeys(lines, 0), dict.fromkeys(lines, 0)
    pending = [(entry, 1, 1)]  # a program's calls have no cycle
    while pending:
        name, runs, once = pending.pop()
        times[name] += runs
        places[name] += once
        calls = (call for line in lines[name] for call in _calls(line))
        pending += [(called, runs * trips, once) for called, trips in calls if called in lines]
    return {name: Computation(tuple(found), times[name], places[name]) for name, found in lines.items()}


def n_bytes(type: str) -> int:
    """Bytes of an array, or of all arrays of a tuple.

    Example:
        >>> n_bytes("f32[2,3]{1,0}"), n_bytes("(bf16[4], /*index=1*/pred[8], s32[])")
        (24, 20)
    """
    return sum(
        (1 if kind == "pred" else int(bits or 0) // 8) * math.prod(_lengths(axes))
        for kind, bits, axes in _ARRAY.findall(type)
    )


def _calls(line: Instruction) -> Iterator[tuple[str, int]]:
    """The functions that a line calls, each with how often."""
    trips = _TRIPS.search(line.rest) if line.opcode == "while" else None
    for _, names in _CALLED.findall(line.rest):
        for name in re.findall(r"[\w.\-]+", names):
            yield name, int(trips[1]) if trips else 1


def _product_operations(computation: Computation) -> Iterator[float]:
    """Of each product of matrices: two for each number of the result and of the axis that is summed."""
    types = {line.name: line.type for line in computation.instructions}
    for line in computation.instructions:
        if line.opcode == "dot":
            left = _axes(types[_operands(line)[0]])
            summed = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", line.rest)
            assert summed is not None, "every product says what it sums over"
            yield 2.0 * math.prod(_axes(line.type)) * math.prod(left[axis] for axis in _lengths(summed[1]))


def _operands(line: Instruction) -> list[str]:
    return re.findall(r"%([\w.\-]+)", line.rest.split(")", 1)[0])


def _axes(type: str) -> list[int]:
    found = _ARRAY.search(type)
    assert found is not None, "the type of an array"
    return _lengths(found[3])


def _lengths(axes: str) -> list[int]:
    return [int(length) for length in axes.split(",") if length]

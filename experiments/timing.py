"""Timing of compiled steps: interleaved, warm-up apart, medians with their spread."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from jaxvision import onednn

SAMPLE_SECONDS = 0.05  # a sample repeats a short call until it lasts at least this long
LONG_SECONDS = 2.0  # a call of at least this long is warm after one
REST_SECONDS = 0.05  # between samples, for the waiting threads of other libraries to fall asleep
PEAK_SIDE = 2048
STREAM_VALUES = 2**25  # 128 MiB


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median and the quartiles of the samples."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: np.ndarray) -> "Timing":
        """The three quartiles of seconds per call.

        Example:
            >>> Timing.of(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
            Timing(median=3.0, low=2.0, high=4.0)
        """
        low, median, high = np.percentile(samples, [25, 50, 75])
        return cls(float(median), float(low), float(high))


Timer = Callable[[int], float]
"""Makes so many calls and says how many seconds they took together."""


def timer(call: Callable[[], Any]) -> Timer:
    """Of calls in this process; each returns when its work is done.

    Example:
        >>> timer(lambda: time.sleep(0.01))(2) >= 0.02
        True
    """

    def seconds(n: int) -> float:
        begun = time.perf_counter()
        for _ in range(n):
            call()
        return time.perf_counter() - begun

    return seconds


def interleaved(timers: Mapping[str, Timer], *, rounds: int) -> dict[str, np.ndarray]:
    """Times everything once in each round, A B A B ..., so that a busy moment falls on all alike.

    A call of less than two seconds is made once more before each sample, untimed: as in a training, the one before it
    was its own, and not another program's, whose arrays are in the cache.

    Args:
        timers: by name. Each is called untimed beforehand: twice, or once if slow.
        rounds: samples of each.

    Returns:
        Seconds per call, `(rounds,)` by name. Entry i of all names was measured in the same round.

    Example:
        >>> samples = interleaved({"sleep": timer(lambda: time.sleep(0.01))}, rounds=3)["sleep"]
        >>> bool(samples.shape == (3,) and (samples >= 0.01).all())
        True
    """
    seconds = {name: _warm(seconds_of) for name, seconds_of in timers.items()}
    slow = {name: taken > LONG_SECONDS for name, taken in seconds.items()}
    repeats = {name: max(1, round(SAMPLE_SECONDS / taken)) for name, taken in seconds.items()}
    samples: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, seconds_of in timers.items():
            time.sleep(REST_SECONDS)
            if not slow[name]:
                seconds_of(1)
            samples[name].append(seconds_of(repeats[name]) / repeats[name])
    return {name: np.array(values) for name, values in samples.items()}


def _warm(seconds_of: Timer) -> float:
    """Of the second call; of the first, which compiles and allocates, where that alone is slow."""
    first = seconds_of(1)
    return first if first > LONG_SECONDS else seconds_of(1)


class Compiling(NamedTuple):
    """Seconds for tracing and compiling.

    Attributes:
        cold: the first time.
        warm: in a later process, which finds the program on disk (`experiments.compiled_programs`).
    """

    cold: float
    warm: float


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Callable[[], Any], Compiling]:
    """The function as a program, and how long compiling took.

    Args:
        function: takes the arguments, returns arrays.
        arguments: pytrees of arrays, inputs of the program.

    Returns:
        A call without arguments that returns when the result is there, and seconds for tracing and compiling.

    Example:
        >>> call, seconds = compiled(jnp.sin, jnp.zeros(3))
        >>> call(), seconds.cold > 0
        (Array([0., 0., 0.], dtype=float32), True)
    """
    program, seconds = _program(jax.jit(function), *arguments)
    return lambda: jax.block_until_ready(program(*arguments)), seconds


def compiled_step(function: Callable[..., Any], state: Any, *arguments: Any) -> tuple[Callable[[], Any], Compiling]:
    """As `compiled`, of a step that goes on from its own result and gives the old buffers away, as `training.fit` does.

    Args:
        function: `(state, *arguments) -> state`.
        state: the first, left intact.
        arguments: pytrees of arrays, the same in each step.

    Returns:
        A call that takes one step and returns the state after it, valid until the next call; and seconds for compiling.

    Example:
        >>> call, _ = compiled_step(lambda state, change: state + change, jnp.ones(()), jnp.ones(()))
        >>> float(call()), float(call())
        (2.0, 3.0)
    """
    program, seconds = _program(jax.jit(function, donate_argnums=0), state, *arguments)
    now = jax.tree.map(jnp.copy, state)

    def call() -> Any:
        nonlocal now
        now = jax.block_until_ready(program(now, *arguments))
        return now

    return call, seconds


def _program(function: Any, *arguments: Any) -> tuple[Callable[..., Any], Compiling]:
    """Compiled twice, with nothing on disk and then with what the first time left there."""
    programs, seconds = list[Callable[..., Any]](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "jax_enable_compilation_cache": True,
            "jax_persistent_cache_min_compile_time_secs": 0.0,
            "jax_compilation_cache_dir": folder,
        }
        before = {name: getattr(jax.config, name) for name in settings}
        try:
            _use(settings)
            for _ in range(2):
                jax.clear_caches()
                begun = time.perf_counter()
                programs.append(function.lower(*arguments).compile())
                seconds.append(time.perf_counter() - begun)
        finally:
            _use(before)
    return programs[0], Compiling(*seconds)


def _use(settings: Mapping[str, Any]) -> None:
    """JAX looks at its settings once, and again after a reset."""
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


class Costs(NamedTuple):
    """What one call of a program takes.

    Attributes:
        operations: floating-point ones, a product of matrices as two for each multiply-and-add.
        bytes: that its fused operations read and write, whether from memory or from a cache; None where not counted.
    """

    operations: float
    bytes: float | None = None

    def times(self, n: int) -> "Costs":
        """Of so many calls.

        Example:
            >>> Costs(10.0, 4.0).times(3)
            Costs(operations=30.0, bytes=12.0)
        """
        return Costs(n * self.operations, None if self.bytes is None else n * self.bytes)


def costs(function: Callable[..., Any], *arguments: Any) -> Costs:
    """What one call takes, as the compiler counts it.

    A loop's body is counted once, however often it runs: ask for one image and one step, and multiply.

    Args:
        function: takes the arguments, returns arrays.
        arguments: pytrees of arrays.

    Returns:
        Operations and bytes.

    Example:
        >>> found = costs(jnp.dot, jnp.ones((8, 16)), jnp.ones((16, 4)))
        >>> found.operations >= 2 * 8 * 16 * 4, found.bytes >= 4 * (8 * 16 + 16 * 4 + 8 * 4)
        (True, True)
    """
    program = jax.jit(function).lower(*arguments).compile()
    analysis: Any = program.cost_analysis()
    operations = float(analysis["flops"]) + onednn.operations(program.as_text() or "")
    return Costs(operations, float(analysis.get("bytes accessed", 0.0)))


def matmul_peak(*, rounds: int = 10) -> float:
    """What this machine reaches on a large float32 matrix product, operations per second (the best of a few)."""
    x = jnp.ones((PEAK_SIDE, PEAK_SIDE))
    call, _ = compiled(jnp.dot, x, x)
    return 2 * PEAK_SIDE**3 / float(interleaved({"matmul": timer(call)}, rounds=rounds)["matmul"].min())


def memory_bandwidth(*, rounds: int = 10) -> float:
    r"""What this machine reads and writes of arrays too large for its caches, bytes per second (the best of a few).

    The triad of McCalpin's STREAM, $a \leftarrow a + s b$: two arrays are read, one is written.
    """
    x = jnp.ones(STREAM_VALUES)
    call, _ = compiled_step(lambda a, b: a + 0.5 * b, x, x)
    return 3 * x.nbytes / float(interleaved({"triad": timer(call)}, rounds=rounds)["triad"].min())

"""Rows of the benchmark: distances of features and what is near what, and what others run for them.

Features are random and correlated, behind a rectifier: as wide as LeNet's and, for the Fréchet distance, Inception's.
Ours is computed in float64. At Inception's width the forms that do without symmetry are left out: their solvers alone
take half a minute.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache
from jaxtyping import Float

from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.timing import Compiling, Costs, compiled
from jaxvision.metrics.generative import frechet_distance, manifold_scores

N_FEATURES = 10_000
WIDTHS = (84, 2048)  # LeNet's, Inception's
NEIGHBOURS = 5
MAX_SLOW = 512  # width up to which the slow forms are measured

Features = Float[np.ndarray, "n d"]


def programs(setup: Setup, *, n: int = N_FEATURES, widths: tuple[int, ...] = WIDTHS) -> Programs:
    """The rows by name, of `n` features of either kind; neighbours at the first width."""
    rows: Programs = {f"Fréchet distance, {n:,} x {d}": partial(frechet, n, d, setup) for d in widths}
    return rows | {f"precision, recall, density, coverage, {n:,} x {widths[0]}": partial(manifold, n, widths[0], setup)}


def frechet(n: int, d: int, setup: Setup) -> Program:
    """The Fréchet distance from features."""
    name, (real, fake) = f"Fréchet distance, {n:,} x {d}", features(n, d, setup.seed)
    call, compiling = compiled(frechet_distance, jax.device_put(real), jax.device_put(fake))
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    if setup.peers:
        from experiments import peers_metrics as peers  # noqa: PLC0415 - PyTorch and SciPy are extras

        forms = {"PyTorch, symmetric": peers.symmetric_in_torch}
        if d <= MAX_SLOW:
            forms |= {"PyTorch, eigenvalues": peers.by_eigenvalues_in_torch}
            forms |= {"NumPy, eigenvalues": peers.by_eigenvalues, "SciPy, square root": peers.by_square_root}
        calls |= {form: partial(function, real, fake) for form, function in forms.items()}
    compare(name, calls)
    # Half of two covariances, Cholesky's factor, two products and what makes a matrix tridiagonal.
    return Program(name, calls, compiling, Costs(2 * n * d**2 + (1 / 3 + 4 + 4 / 3) * d**3))


def manifold(n: int, d: int, setup: Setup, *, k: int = NEIGHBOURS) -> Program:
    """Precision, recall, density and coverage from features."""
    name, (real, fake) = f"precision, recall, density, coverage, {n:,} x {d}", features(n, d, setup.seed)
    calls: dict[str, Callable[[], Any]] = {"ours": partial(manifold_scores, real, fake, k=k)}
    compiling = first_calls(calls["ours"])
    if setup.peers:
        import torch  # noqa: PLC0415 - PyTorch is an extra

        from experiments import peers_metrics as peers  # noqa: PLC0415

        calls["PyTorch, float32"] = partial(peers.manifold_in_torch, real, fake, k=k)
        calls["PyTorch, float64"] = partial(peers.manifold_in_torch, real, fake, k=k, dtype=torch.float64)
        calls["prdc"] = partial(peers.manifold_by_prdc, real, fake, k=k)
    compare(name, calls)
    return Program(name, calls, compiling, Costs(3 * 2.0 * n * n * d))  # the products of three tables of distances


def features(n: int, d: int, seed: int) -> tuple[Features, Features]:
    """Two sets `(n, d)` in float32 that overlap in part."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d)) / np.sqrt(d)
    real, fake = (rng.normal(size=(n, d)) @ mix for _ in range(2))
    return np.maximum(real, 0).astype(np.float32), np.maximum(0.95 * fake + 0.02, 0).astype(np.float32)


def compare(name: str, calls: dict[str, Callable[[], Any]]) -> None:
    """Refuses forms that give another number than ours."""
    expected = np.asarray(calls["ours"]())
    for form, call in calls.items():
        require_same(name, form, expected, np.asarray(call()))


def first_calls(call: Callable[[], Any]) -> Compiling:
    """Seconds that a first call takes beyond a later one, with nothing on disk and then with what it left there.

    For a function of several programs and of work on the host, which cannot be compiled as one.
    """
    settings: dict[str, Any] = {
        "jax_enable_compilation_cache": True,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    with tempfile.TemporaryDirectory() as folder:
        settings["jax_compilation_cache_dir"] = folder
        before = {name: getattr(jax.config, name) for name in settings}
        try:
            _use(settings)
            cold, later = _cleared(call), _seconds(call)
            warm = _cleared(call)
        finally:
            _use(before)
    return Compiling(max(0.0, cold - later), max(0.0, warm - later))


def _cleared(call: Callable[[], Any]) -> float:
    jax.clear_caches()
    return _seconds(call)


def _seconds(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _use(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()

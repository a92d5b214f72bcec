"""What every run shares: its defaults and its folder; and a training's loop by the clock and the file it leaves."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Array, Int

from jaxvision import weights
from jaxvision.errors import InputError
from jaxvision.training import FREE, Layout, Run, divided, fit, gathered, new_run, placed, resumed_run

S = TypeVar("S")


def filled(config: Any, defaults: Mapping[str, Any]) -> Any:
    """The settings, those that were not given (None or an empty tuple) as `defaults` has them.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     steps: int | None = None
        ...     batch_size: int | None = 8
        >>> filled(Config(), {"steps": 100, "batch_size": 32})
        Config(steps=100, batch_size=8)
    """
    missing = {name: value for name, value in defaults.items() if getattr(config, name) in (None, ())}
    return replace(config, **missing)


def open_run(name: str, config: Any) -> Run:
    """A run directory of its own, or with `config.resume` the earlier one, whose settings are free in --export alone.

    Raises:
        InputError: if the folder cannot be written or holds a run already, or the earlier run had other settings.
    """
    if config.resume:
        return resumed_run(name, config, run_dir=config.run_dir, free=(*FREE, "export"))
    return new_run(name, config, run_dir=config.run_dir)


def trained(
    config: Any,
    run: Run,
    state: S,
    step_fn: Callable[[S, Any], tuple[S, Mapping[str, Array]]],
    batch_fn: Callable[[Int[Array, ""]], Any],
    *,
    n_steps: int,
    steps_per_dispatch: int,
    after_checkpoint: Callable[[S], float | None] | None = None,
    layout: Layout | None = None,
) -> tuple[S, float]:
    """`training.fit` from the start, or with `config.resume` from where the run was left.

    `config` says whether to `resume`, and of checkpoints how often and whether behind; the rest is as in `fit`. With a
    layout several devices train; what comes back, and what `after_checkpoint` gets, is whole on one.

    Returns:
        The state at `n_steps`, and the seconds it took, compilation included; of a resumed run, since it was resumed.

    Raises:
        FloatingPointError: if a metric stops being a number.
    """
    if layout is not None:
        state = placed(state, layout)
        step_fn, batch_fn = divided(layout, step_fn, batch_fn)
    state = run.restore(state) if config.resume else state
    began = time.monotonic()
    state = fit(
        step_fn,
        state,
        batch_fn,
        n_steps=n_steps,
        steps_per_dispatch=steps_per_dispatch,
        run=run,
        checkpoint_every=config.checkpoint_every,
        async_checkpoints=config.async_checkpoints,
        after_checkpoint=None if after_checkpoint is None else lambda state: after_checkpoint(gathered(state)),
    )
    return gathered(state), time.monotonic() - began


def load_exported(
    file: Path, kind: str, experiment: str, names: Collection[str] = ()
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """What an experiment's --export wrote: metadata and tensors.

    Args:
        file: the safetensors file.
        kind: what it holds, its metadata's "kind", and the flag that takes it.
        experiment: what wrote it.
        names: tensors that must be there.

    Raises:
        InputError: if the file is missing, damaged or of another kind.
    """
    command = f"python -m experiments.{experiment} --export FILE"
    if not file.exists():
        raise InputError(f"{file} is not there: train a {kind} with {command}, and give it as --{kind} FILE")
    tensors, about = weights.load(file), weights.metadata(file)
    if about.get("kind") != kind or not set(names) <= set(tensors):
        raise InputError(
            f"{file} holds no {kind} ({', '.join(list(tensors)[:3])}, ...): give a file that {command} wrote"
        )
    return about, tensors

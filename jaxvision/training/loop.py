"""The training loop, written once: k steps per dispatch, one compiled program, exact resume."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key, Num

from jaxvision.training.progress import progress
from jaxvision.training.runs import Run
from jaxvision.training.stopping import stoppable

Metrics = dict[str, Float[Array, ""]]
TrainStep = Callable[[Any, Any], tuple[Any, Mapping[str, Num[Array, ""]]]]
BatchFn = Callable[[Int[Array, ""]], Any]

_MEND = "try a lower learning rate, a longer warm-up or gradient clipping"


class TrainState(NamedTuple):
    """All that a training run is, as one pytree: save it, load it, go on, and the bits are those of an unbroken run.

    Attributes:
        model: any pytree of float arrays, a Flax `nnx.Module` for one.
        optimizer_state: what the optax optimiser keeps.
        key: the run's typed key; step t draws from `fold_in(key, t)`, so it never changes.
        step: int32, how many steps have been taken.
    """

    model: Any
    optimizer_state: Any
    key: Key[Array, ""]
    step: Int[Array, ""]


def start(model: Any, optimizer: optax.GradientTransformation, *, key: Key[Array, ""]) -> TrainState:
    """The state before the first step.

    Args:
        model: a pytree of float arrays.
        optimizer: the optax optimiser that `gradient_step` was given.
        key: the source of the run's randomness (dropout, augmentation).

    Returns:
        `TrainState` at step 0.

    Example:
        >>> int(start({"w": jnp.zeros(3)}, optax.sgd(0.1), key=jax.random.key(0)).step)
        0
    """
    return TrainState(model, optimizer.init(model), key, jnp.int32(0))


def gradient_step(
    loss_fn: Callable[[Any, Any, Key[Array, ""]], tuple[Float[Array, ""], Metrics]],
    optimizer: optax.GradientTransformation,
) -> Callable[[TrainState, Any], tuple[TrainState, Metrics]]:
    r"""The step of every network trained by one loss and one optimiser.

    $$ \theta_{t+1} = \theta_t + U(\nabla_\theta L(\theta_t, b_t, k_t)), \qquad k_t = \mathrm{fold\_in}(k, t) $$

    Args:
        loss_fn: `(model, batch, key) -> (loss, metrics)`; scalars all.
        optimizer: the optax optimiser U.

    Returns:
        `step_fn(state, batch) -> (state, metrics)` for `fit`, with "loss" and "gradient_norm" (global L2 norm before
        the optimiser's own clipping) added to the metrics of `loss_fn`.

    Example:
        >>> step_fn = gradient_step(lambda model, batch, key: ((model - batch) ** 2, {}), optax.sgd(0.25))
        >>> state, metrics = step_fn(start(jnp.float32(3), optax.sgd(0.25), key=jax.random.key(0)), jnp.float32(1))
        >>> float(state.model), float(metrics["loss"]), float(metrics["gradient_norm"])
        (2.0, 4.0, 4.0)
    """
    differentiate = jax.value_and_grad(loss_fn, has_aux=True)

    def step_fn(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        (loss, metrics), gradient = differentiate(state.model, batch, key)
        with jax.numpy_dtype_promotion("standard"):  # optax's Adam mixes floats and counts, which strict mode refuses
            updates, optimizer_state = optimizer.update(gradient, state.optimizer_state, state.model)
        model = optax.apply_updates(state.model, updates)
        metrics = {"loss": loss, **metrics, "gradient_norm": optax.tree.norm(gradient)}
        return TrainState(model, optimizer_state, state.key, state.step + 1), metrics

    return step_fn


def fit(
    step_fn: TrainStep,
    state: Any,
    batch_fn: BatchFn,
    *,
    n_steps: int,
    steps_per_dispatch: int = 50,
    run: Run | None = None,
    checkpoint_every: int | None = None,
    async_checkpoints: bool = False,
    after_checkpoint: Callable[[Any], float | None] | None = None,
) -> Any:
    """Trains until `state.step` is `n_steps`, with at most `steps_per_dispatch` steps in each call of the device.

    One program serves every dispatch: its number of steps is an input, so the last, shorter one, and a run that was
    interrupted anywhere, execute the same compiled step and give the same bits. Batches are made inside the program
    from the step's number alone; hence the state is all that a resumed run needs.

    Ctrl-C and SIGTERM let the running dispatch end; where there is a run, its state is saved and it says where.
    Then `KeyboardInterrupt` or `Preempted` is raised. A second Ctrl-C does not wait; the last checkpoint stays whole.

    Args:
        step_fn: `(state, batch) -> (state, metrics)`, pure, adds one to `state.step`; metrics are finite scalars. A
            function, or a pytree that is callable (`jax.tree_util.Partial`) where it brings arrays of its own.
        state: a pytree with a scalar int32 `step`: `TrainState`, or a NamedTuple of your own. Left intact.
        batch_fn: `step -> batch`, pure; a function or a callable pytree such as a `Partial` over resident data.
        n_steps: the step to stop at, counted from the run's very first step, not from `state.step`.
        steps_per_dispatch: k; metrics come back, and signals are heard, every k steps. 1 is the fastest for steps of a
            tenth of a second and more on a CPU.
        run: where metrics, progress and checkpoints go; None keeps nothing.
        checkpoint_every: steps between checkpoints; the last step is always saved. None saves only that one.
        async_checkpoints: whether steps are taken while a checkpoint is being written. A process that is killed in
            that moment goes on from the checkpoint before: more than `checkpoint_every` steps may be lost.
        after_checkpoint: called with the state after each checkpoint of a run but that of a signal: to draw a sample,
            for one. A number that it returns is the checkpoint's score, and the highest one's is kept beyond the newest
            (`checkpoints.best`).

    Returns:
        The state at `n_steps`, of the type of `state`.

    Raises:
        FloatingPointError: a metric is NaN or infinite, or the state to be saved holds NaN; the sentence names it, the
            step and the last good checkpoint.
        KeyboardInterrupt: after Ctrl-C.
        Preempted: after SIGTERM; not caught, it ends the program with exit code 0.
        ValueError: a count below 1, a metric that is no scalar, or a `step_fn` that does not count its steps.

    Example:
        >>> step_fn = gradient_step(lambda model, batch, key: ((model - batch) ** 2, {}), optax.sgd(0.25))
        >>> state = start(jnp.float32(3), optax.sgd(0.25), key=jax.random.key(0))
        >>> float(fit(step_fn, state, lambda step: jnp.float32(1), n_steps=3).model)
        1.25
    """
    for name, count in [("steps_per_dispatch", steps_per_dispatch), ("checkpoint_every", checkpoint_every)]:
        if count is not None and count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    step_fn, batch_fn = callable_pytree(step_fn), callable_pytree(batch_fn)
    done = int(state.step)
    state = jax.tree.map(jnp.copy, state)  # the loop gives its buffers away: the caller's state stays whole
    checkpoint_every = checkpoint_every or max(n_steps, 1)
    with stoppable() as stopping, _reports(run, n_steps, done) as report:
        while done < n_steps:
            next_checkpoint = min(n_steps, (done // checkpoint_every + 1) * checkpoint_every)
            count = min(steps_per_dispatch, next_checkpoint - done)
            state, buffers = _advance(state, step_fn, batch_fn, np.int32(count), length=steps_per_dispatch)
            names = sorted(buffers, key=lambda name: (name != "loss", name))  # of many, the first two are shown
            metrics = {name: np.asarray(buffers[name])[:count] for name in names}
            if int(state.step) != done + count:
                raise ValueError(
                    f"step_fn must add one to state.step: {count} steps took it from {done} to {state.step}"
                )
            sound = _n_finite(metrics, count)
            if sound > 0:
                report(done, sound, {name: values[:sound] for name, values in metrics.items()})
            if sound < count:
                raise _diverged({name: values[sound] for name, values in metrics.items()}, done + sound + 1, run)
            done += count
            stop = stopping()
            if run is not None and (done == next_checkpoint or stop is not None):
                _require_numbers(state, done, run)
                run.save(state, wait=not async_checkpoints or stop is not None or done == n_steps)
                if after_checkpoint is not None and done == next_checkpoint:  # of no other: an unbroken run has none
                    score = after_checkpoint(state)
                    if score is not None:
                        run.rank(score)
                if stop is not None:
                    run.note(f"Stopped at step {done} of {n_steps}: {run.saved()} holds all of it")
            if stop is not None:
                raise stop
    return state


@partial(jax.jit, static_argnames="length", donate_argnames="state")
def _advance(
    state: Any, step_fn: TrainStep, batch_fn: BatchFn, count: Int[Array, ""], *, length: int
) -> tuple[Any, dict[str, Num[Array, " length"]]]:
    """`count` <= `length` steps; metrics come back as arrays of `length`, of which the first `count` are filled."""

    def step(state: Any) -> tuple[Any, Mapping[str, Array]]:
        return step_fn(state, batch_fn(state.step))

    _, shapes = jax.eval_shape(step, state)
    for name, shape in shapes.items():
        if shape.shape != ():
            raise ValueError(f"a metric must be a scalar, {name!r} has shape {shape.shape}: take its mean in step_fn")

    if length == 1:  # on a CPU the convolutions in a loop's body keep one core busy, those outside of it all cores
        state, metrics = step(state)
        return state, {name: value[None] for name, value in metrics.items()}

    # fori_loop and not scan: with a length that is data, one program serves all dispatches. The body reads the number
    # of the step from the state, so where a dispatch begins cannot matter.
    def body(index: Array, carry: tuple[Any, dict[str, Array]]) -> tuple[Any, dict[str, Array]]:
        state, buffers = carry
        state, metrics = step(state)
        return state, {name: buffers[name].at[index].set(value) for name, value in metrics.items()}

    buffers = {name: jnp.zeros(length, shape.dtype) for name, shape in shapes.items()}
    return jax.lax.fori_loop(0, count, body, (state, buffers))


@contextmanager
def _reports(
    run: Run | None, n_steps: int, done: int
) -> Generator[Callable[[int, int, Mapping[str, np.ndarray]], None], None, None]:
    """Where a dispatch's metrics go: into the run's files and onto the screen, or nowhere."""
    if run is None:
        yield lambda done, count, metrics: None
        return
    with progress(n_steps, done) as show:

        def report(done: int, count: int, metrics: Mapping[str, np.ndarray]) -> None:
            run.log(done, metrics)
            show(done + count, {name: float(values.mean()) for name, values in metrics.items()})

        yield report


def callable_pytree(function: Callable[..., Any]) -> Callable[..., Any]:
    """A bare function is a leaf to JAX, not a container: wrapped, it can be an argument of a compiled program."""
    return Partial(function) if jax.tree.leaves(function) == [function] else function


def _n_finite(metrics: Mapping[str, np.ndarray], count: int) -> int:
    """How many of the steps come before the first whose metrics are not all numbers."""
    return min((int(np.argmin(np.append(np.isfinite(x), False))) for x in metrics.values()), default=count)


def _diverged(metrics: Mapping[str, Any], step: int, run: Run | None) -> FloatingPointError:
    name = next(name for name, value in metrics.items() if not np.isfinite(value))
    kept = "no checkpoint was kept" if run is None else run.kept()
    return FloatingPointError(f"{name} became {metrics[name]} at step {step}: {kept}; {_MEND}")


def _require_numbers(state: Any, done: int, run: Run) -> None:
    """A gradient may spoil the weights in a step whose metrics are still numbers: such a state is not to be kept."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    floats = {jax.tree_util.keystr(path, simple=True, separator="/"): x for path, x in leaves if _is_float(x)}
    bad = [name for name, holds_nan in _any_nan(floats).items() if holds_nan]
    if bad:
        raise FloatingPointError(f"{bad[0]} of the state holds NaN after step {done}: {run.kept()}; {_MEND}")


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)


@jax.jit
def _any_nan(leaves: dict[str, Array]) -> dict[str, Array]:
    return {name: jnp.isnan(leaf).any() for name, leaf in leaves.items()}

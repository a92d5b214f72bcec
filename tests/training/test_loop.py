import os
import signal
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.tree_util import Partial

from jaxvision.training import Preempted, TrainState, checkpoints, fit, gradient_step, new_run, start, stoppable

OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))


class Net(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.first = nnx.Linear(5, 8, rngs=rngs)
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(jnp.tanh(self.first(x)))


def loss_fn(model, batch, key):
    inputs, labels = batch
    inputs = inputs + 0.1 * jax.random.normal(key, inputs.shape)
    logits = model(inputs)
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))
    return loss, {"accuracy": jnp.mean(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.float32)}


def batch_from(inputs, labels, step):
    rows = jax.random.randint(jax.random.fold_in(jax.random.key(5), step), (4,), 0, inputs.shape[0])
    return inputs[rows], labels[rows]


DATA = (jax.random.normal(jax.random.key(1), (20, 5)), jnp.arange(20, dtype=jnp.int32) % 3)
BATCHES = Partial(batch_from, *DATA)
STEP = gradient_step(loss_fn, OPTIMIZER)
COMPILED_STEP = jax.jit(STEP)


def fresh(seed=0):
    return start(Net(rngs=nnx.Rngs(seed)), OPTIMIZER, key=jax.random.key(seed))


def counted(step_fn):
    """The step, and a list that grows each time JAX traces it."""
    traces = []

    def step(state, batch):
        traces.append(1)
        return step_fn(state, batch)

    return step, traces


def linear_step(state, batch):
    """Loss 1/2 (w - batch)^2 by gradient descent at rate 1/2: the distance to a fixed batch halves at every step."""
    error = state.model - batch
    return state._replace(model=state.model - 0.5 * error, step=state.step + 1), {"loss": 0.5 * error**2}


def scalar_state(value=1.0):
    return TrainState(jnp.float32(value), (), jax.random.key(0), jnp.int32(0))


def test_halves_the_distance_at_every_step():
    state = fit(linear_step, scalar_state(), lambda step: jnp.float32(0), n_steps=5, steps_per_dispatch=2)
    assert float(state.model) == 2.0**-5
    assert int(state.step) == 5


def test_gradient_step_is_optax_by_hand():
    state = fresh()
    batch = BATCHES(jnp.int32(0))
    after, metrics = COMPILED_STEP(state, batch)
    key = jax.random.fold_in(state.key, 0)

    @jax.jit
    def by_hand(state, batch, key):
        (loss, _), gradient = jax.value_and_grad(loss_fn, has_aux=True)(state.model, batch, key)
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer_state = OPTIMIZER.update(gradient, state.optimizer_state, state.model)
        return loss, gradient, optax.apply_updates(state.model, updates), optimizer_state

    loss, gradient, model, optimizer_state = by_hand(state, batch, key)
    for a, b in zip(
        jax.tree.leaves((after.model, after.optimizer_state)), jax.tree.leaves((model, optimizer_state)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-6)
    squares = sum(float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient))
    np.testing.assert_allclose(float(metrics["gradient_norm"]), np.sqrt(squares), rtol=1e-6)


def test_batches_follow_the_step(tmp_path):
    def step_fn(state, batch):
        return state._replace(step=state.step + 1), {"batch": batch}

    with new_run("batches", {}, root=tmp_path) as run:
        fit(step_fn, scalar_state(), lambda step: 10 * step, n_steps=7, steps_per_dispatch=3, run=run)
        assert [(row["step"], row["batch"]) for row in run.metrics()] == [(i + 1, 10 * i) for i in range(7)]


@pytest.mark.parametrize("k", [1, 7, 100])
def test_steps_per_dispatch_does_not_change_a_bit(k, bits):
    assert bits(fit(STEP, fresh(), BATCHES, n_steps=11, steps_per_dispatch=k)) == bits(
        fit(STEP, fresh(), BATCHES, n_steps=11, steps_per_dispatch=4)
    )


def test_same_seed_same_bits_other_seed_other_bits(bits):
    first, second, other = (fit(STEP, fresh(seed), BATCHES, n_steps=4, steps_per_dispatch=4) for seed in (0, 0, 1))
    assert bits(first) == bits(second)
    assert bits(first.model) != bits(other.model)


def test_compiled_loop_is_the_plain_loop():
    state = fresh()
    for step in range(6):
        state, _ = COMPILED_STEP(state, BATCHES(jnp.int32(step)))
    compiled = fit(STEP, fresh(), BATCHES, n_steps=6, steps_per_dispatch=4)
    for a, b in zip(jax.tree.leaves(compiled.model), jax.tree.leaves(state.model), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_one_trace_for_a_run_with_tail_and_checkpoints(tmp_path):
    step, traces = counted(STEP)
    with new_run("traces", {}, root=tmp_path) as run:
        state = fit(step, fresh(), BATCHES, n_steps=4, steps_per_dispatch=4)
        traced_once = len(traces)
        fit(step, state, BATCHES, n_steps=23, steps_per_dispatch=4, run=run, checkpoint_every=7)
    assert len(traces) == traced_once


def test_callers_state_stays_whole(bits):
    state = fresh()
    before = bits(state)
    fit(STEP, state, BATCHES, n_steps=3, steps_per_dispatch=4)
    assert bits(state) == before


def test_a_state_that_is_done_comes_back_unchanged(tmp_path, bits):
    state = fit(STEP, fresh(), BATCHES, n_steps=3, steps_per_dispatch=4)
    assert bits(fit(STEP, state, BATCHES, n_steps=3, steps_per_dispatch=4)) == bits(state)


@pytest.mark.parametrize("stop", [1, 5, 6, 9])
def test_resume_is_the_unbroken_run_bit_for_bit(tmp_path, stop, bits):
    with new_run("unbroken", {}, root=tmp_path) as unbroken_run:
        unbroken = fit(STEP, fresh(), BATCHES, n_steps=10, steps_per_dispatch=4, run=unbroken_run)
    with new_run("broken", {}, root=tmp_path) as run:
        fit(STEP, fresh(), BATCHES, n_steps=stop, steps_per_dispatch=4, run=run)
    with run:
        state = run.restore(fresh())
        assert int(state.step) == stop
        state = fit(STEP, state, BATCHES, n_steps=10, steps_per_dispatch=4, run=run, checkpoint_every=3)
        assert run.metrics() == unbroken_run.metrics()
    assert bits(state) == bits(unbroken)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Preempted)])
def test_signals_save_and_resume_to_the_same_bits(tmp_path, bits, capsys, number, kind):
    def sent(state, batch):
        jax.debug.callback(lambda step: os.kill(os.getpid(), number) if step == 5 else None, state.step)
        return STEP(state, batch)

    looked_at = []
    options = {"n_steps": 30, "steps_per_dispatch": 4, "checkpoint_every": 10}
    handler = signal.getsignal(number)
    with new_run("stopped", {}, root=tmp_path) as run:
        with pytest.raises(kind):
            fit(sent, fresh(), BATCHES, run=run, after_checkpoint=lambda state: looked_at.append(1), **options)
        state = run.restore(fresh())
        assert 4 < int(state.step) < 30
        assert f"Stopped at step {int(state.step)} of 30: {run.path}" in capsys.readouterr().err
        assert len(looked_at) == int(state.step) // 10
        resumed = fit(STEP, state, BATCHES, run=run, **options)
    assert signal.getsignal(number) is handler
    assert bits(resumed) == bits(fit(STEP, fresh(), BATCHES, n_steps=30, steps_per_dispatch=4))


def test_ctrl_c_twice_leaves_the_last_checkpoint_whole(tmp_path, monkeypatch, bits):
    """The second comes while what the first one asked for is being written."""

    with new_run("twice", {}, root=tmp_path) as run:
        saved = run.save(fit(STEP, fresh(), BATCHES, n_steps=4, steps_per_dispatch=4))
        assert saved is not None
        later = fit(STEP, fresh(), BATCHES, n_steps=8, steps_per_dispatch=4)
        with stoppable(), monkeypatch.context() as patch:
            signal.raise_signal(signal.SIGINT)
            patch.setattr(os, "fsync", lambda descriptor: signal.raise_signal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                run.save(later)
        assert [path.name for path in saved.parent.iterdir()] == [saved.name]  # and nothing half written
        assert bits(run.restore(fresh())) == bits(fit(STEP, fresh(), BATCHES, n_steps=4, steps_per_dispatch=4))


def test_nan_names_step_metric_and_last_good_checkpoint(tmp_path):
    def step_fn(state, batch):
        state, metrics = linear_step(state, batch)
        return state, {"other": jnp.float32(0), **metrics}

    def batch_fn(step):
        return jnp.where(step == 13, jnp.nan, 0.0)

    with new_run("nan", {}, root=tmp_path) as run:
        with pytest.raises(FloatingPointError, match=r"loss became nan at step 14: .*step-00000010; try") as caught:
            fit(step_fn, scalar_state(), batch_fn, n_steps=20, steps_per_dispatch=4, run=run, checkpoint_every=5)
        assert str(tmp_path) in str(caught.value)
        assert [row["step"] for row in run.metrics()] == list(range(1, 14))  # up to the last that is a number
        good = run.restore(scalar_state())
        assert int(good.step) == 10
        assert float(good.model) == 2.0**-10


def test_a_state_that_a_gradient_spoilt_is_not_kept(tmp_path):
    """The metrics of the step are numbers still; a checkpoint falls between it and the first loss that is none."""

    def step_fn(state, batch):
        spoilt = jnp.where(state.step == 9, jnp.nan, 0.0)
        state, metrics = linear_step(state, batch)
        return state._replace(model=state.model + spoilt), metrics

    with new_run("spoilt", {}, root=tmp_path) as run:
        with pytest.raises(FloatingPointError, match=r"model of the state holds NaN after step 10: .*-00000005; try"):
            fit(step_fn, scalar_state(), lambda step: jnp.float32(0), n_steps=20, run=run, checkpoint_every=5)
        assert int(run.restore(scalar_state()).step) == 5


def test_nan_in_a_gradient_alone_is_told(tmp_path):
    """Of sqrt at 0 times 0: the loss is 0, its derivative is none."""

    def loss_fn(model, batch, key):
        return jnp.sqrt(jnp.maximum(model * batch, 0.0)), {}

    step_fn, state = (
        gradient_step(loss_fn, optax.sgd(0.0)),
        start(jnp.float32(1), optax.sgd(0.0), key=jax.random.key(0)),
    )
    with pytest.raises(FloatingPointError, match="gradient_norm became nan at step 4"):
        fit(step_fn, state, lambda step: jnp.where(step == 3, 0.0, 1.0), n_steps=6)


class TwoNets(NamedTuple):
    generator: Any
    critic: Any
    step: Any


def test_any_named_tuple_with_a_step_is_a_state():
    def step_fn(state, batch):
        return TwoNets(state.generator + batch, 2 * state.critic, state.step + 1), {}

    state = fit(step_fn, TwoNets(jnp.int32(0), jnp.int32(1), jnp.int32(0)), lambda step: step, n_steps=5)
    assert (int(state.generator), int(state.critic)) == (10, 32)


def test_step_fn_may_carry_arrays_as_inputs():
    def pull(target, state, batch):
        return linear_step(state, target)

    for target in (1.0, 3.0):  # the second must not find the first one's value baked in
        state = fit(Partial(pull, jnp.float32(target)), scalar_state(0.0), lambda step: jnp.float32(0), n_steps=30)
        np.testing.assert_allclose(state.model, target, rtol=1e-6)


@pytest.mark.parametrize(
    ("step_fn", "error", "words"),
    [
        (lambda state, batch: (state, {}), ValueError, r"must add one to state\.step"),
        (
            lambda state, batch: (linear_step(state, batch)[0], {"losses": jnp.zeros(3)}),
            ValueError,
            r"'losses' has shape \(3,\)",
        ),
        (
            lambda state, batch: (linear_step(state, batch)[0], {"loss": 1 / state.model}),
            FloatingPointError,
            "loss became inf at step 1: no checkpoint was kept",
        ),
    ],
    ids=["it does not count", "a metric is no scalar", "a metric is infinite"],
)
def test_a_step_is_refused(step_fn, error, words):
    with pytest.raises(error, match=words):
        fit(step_fn, scalar_state(0.0), lambda step: jnp.float32(0), n_steps=3)


@pytest.mark.parametrize("wrong", [{"steps_per_dispatch": 0}, {"checkpoint_every": 0}])
def test_counts_below_one_are_refused(wrong):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        fit(linear_step, scalar_state(), lambda step: jnp.float32(0), n_steps=3, **wrong)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_checkpoints_fall_on_their_steps_and_each_state_is_shown(tmp_path, k):
    seen = []
    with new_run("steps", {}, root=tmp_path) as run:
        fit(
            linear_step,
            scalar_state(3.0),
            lambda step: jnp.float32(1),
            n_steps=10,
            steps_per_dispatch=k,
            run=run,
            checkpoint_every=4,
            after_checkpoint=lambda state: seen.append((int(state.step), float(state.model))),
        )
    names = [path.name for path in checkpoints.found(run.path / "checkpoints")]
    assert names == ["step-00000010", "step-00000008", "step-00000004"]
    assert seen == [(step, 1 + 2 * 2.0**-step) for step in (4, 8, 10)]

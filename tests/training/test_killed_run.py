"""A training process that is stopped, and one that goes on where it fell. As a program: the run to be stopped."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxvision.training import TrainState, checkpoints, fit, gradient_step, new_run, resumed_run, start


def loss_fn(model, batch, key):
    noise = jax.random.normal(key, batch.shape)
    return jnp.mean((jnp.tanh(batch @ model["w"]) - noise) ** 2), {}


def train(folder: Path, *, pause: float = 0.0, resume: bool = False, behind: bool = False) -> TrainState:
    """Sixty steps, each at least `pause` seconds long, with a checkpoint after every ten, perhaps written behind."""

    def batch_fn(step):
        jax.debug.callback(lambda: time.sleep(pause))
        return jax.random.normal(jax.random.fold_in(jax.random.key(7), step), (16, 16))

    optimizer = optax.adam(1e-2)
    step_fn = gradient_step(loss_fn, optimizer)
    state = start({"w": jnp.eye(16)}, optimizer, key=jax.random.key(0))
    with (resumed_run if resume else new_run)("killed", {}, run_dir=folder) as run:
        state = run.restore(state) if resume else state
        return fit(
            step_fn,
            state,
            batch_fn,
            n_steps=60,
            steps_per_dispatch=4,
            run=run,
            checkpoint_every=10,
            async_checkpoints=behind,
        )


def stopped_by(number: int, folder: Path, *, behind: bool = False) -> subprocess.CompletedProcess[str]:
    """A process that was sent the signal somewhere after step 20."""
    command = [sys.executable, __file__, folder, *(["behind"] if behind else [])]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(folder.glob("checkpoints/step-*2?")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, stderr=told)


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_and_resumed_gives_the_bits_of_the_unbroken_run(tmp_path, capsys, bits, number, behind):
    stopped = stopped_by(number, tmp_path / "broken", behind=behind)
    if number == signal.SIGTERM:
        newest = checkpoints.found(tmp_path / "broken" / "checkpoints")[0]
        assert f"of 60: {newest} holds all of it" in stopped.stderr
        assert len((tmp_path / "broken" / "metrics.jsonl").read_text().splitlines()) == int(newest.name[-2:]) < 60
    assert stopped.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    resumed = train(tmp_path / "broken", resume=True, behind=behind)
    assert "Going on from" in capsys.readouterr().err
    assert bits(resumed) == bits(train(tmp_path / "whole"))
    metrics = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "broken")]
    assert metrics[0] == metrics[1]


if __name__ == "__main__":
    train(Path(sys.argv[1]), pause=0.05, behind="behind" in sys.argv)

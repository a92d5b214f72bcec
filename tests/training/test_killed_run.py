"""A training process that is killed, and one that goes on where it fell. As a program: the run that is to be killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from jaxvision.training import TrainState, fit, gradient_step, new_run, resumed_run, start


def loss_fn(model, batch, key):
    noise = jax.random.normal(key, batch.shape)
    return jnp.mean((jnp.tanh(batch @ model["w"]) - noise) ** 2), {}


def train(folder: Path, *, pause: float = 0.0, resume: bool = False) -> TrainState:
    """Sixty steps, each at least `pause` seconds long, with a checkpoint after every ten."""

    def batch_fn(step):
        jax.debug.callback(lambda: time.sleep(pause))
        return jax.random.normal(jax.random.fold_in(jax.random.key(7), step), (16, 16))

    optimizer = optax.adam(1e-2)
    step_fn = gradient_step(loss_fn, optimizer)
    state = start({"w": jnp.eye(16)}, optimizer, key=jax.random.key(0))
    with (resumed_run if resume else new_run)("killed", {}, run_dir=folder) as run:
        state = run.restore(state) if resume else state
        return fit(step_fn, state, batch_fn, n_steps=60, steps_per_dispatch=4, run=run, checkpoint_every=10)


def test_killed_and_resumed_gives_the_bits_of_the_unbroken_run(tmp_path, capsys, bits):
    killed = subprocess.Popen([sys.executable, __file__, tmp_path / "broken"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "broken").glob("checkpoints/step-*2?")):  # killed somewhere after step 20
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    resumed = train(tmp_path / "broken", resume=True)
    assert "Going on from" in capsys.readouterr().err
    assert bits(resumed) == bits(train(tmp_path / "whole"))
    metrics = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "broken")]
    assert metrics[0] == metrics[1]


if __name__ == "__main__":
    train(Path(sys.argv[1]), pause=0.05)

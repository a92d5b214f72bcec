"""A training process that is killed, and one that goes on where it fell."""

import signal
import subprocess
import sys
import time
from pathlib import Path

TRAINING = """
import hashlib, sys, time
import jax, jax.numpy as jnp, optax
from jaxvision.training import fit, gradient_step, new_run, resumed_run, start

def loss_fn(model, batch, key):
    noise = jax.random.normal(key, batch.shape)
    return jnp.mean((jnp.tanh(batch @ model["w"]) - noise) ** 2), {}

def batch_fn(step):
    # slow enough to be killed in the middle
    jax.debug.callback(lambda: time.sleep(float(sys.argv[2])))
    return jax.random.normal(jax.random.fold_in(jax.random.key(7), step), (16, 16))

optimizer = optax.adam(1e-2)
state = start({"w": jnp.eye(16)}, optimizer, key=jax.random.key(0))
resumed = "--resume" in sys.argv
with (resumed_run if resumed else new_run)("killed", {}, run_dir=sys.argv[1]) as run:
    state = run.restore(state) if resumed else state
    state = fit(gradient_step(loss_fn, optimizer), state, batch_fn, n_steps=60, steps_per_dispatch=4, run=run,
                checkpoint_every=10)
leaves = jax.tree.leaves(state._replace(key=jax.random.key_data(state.key)))
print(hashlib.sha256(b"".join(jax.device_get(leaf).tobytes() for leaf in leaves)).hexdigest())
"""


def command(folder, pause, *flags):
    return [sys.executable, "-c", TRAINING, str(folder), str(pause), *flags]


def test_killed_and_resumed_gives_the_bits_of_the_unbroken_run(tmp_path):
    unbroken = subprocess.run(
        command(tmp_path / "whole", 0), capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    killed = subprocess.Popen(command(tmp_path / "broken", 0.05), stderr=subprocess.DEVNULL, cwd=Path.cwd())
    deadline = time.monotonic() + 120
    while not list((tmp_path / "broken").glob("checkpoints/step-*2?")):  # killed somewhere after step 20
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    resumed = subprocess.run(
        command(tmp_path / "broken", 0, "--resume"), capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert "Going on from" in resumed.stderr
    assert resumed.stdout == unbroken.stdout
    metrics = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "broken")]
    assert metrics[0] == metrics[1]

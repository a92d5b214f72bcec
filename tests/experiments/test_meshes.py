import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from experiments import gan
from experiments.gan_training import layout_of
from experiments.meshes import spread
from jaxvision.errors import InputError
from jaxvision.training import Layout, divided, fit, gathered, gradient_step, named_mesh, placed, start

QUICK = ("captioner", "generator", "generators side by side")
TRAININGS = ("transformer", "classifier", "encoder", "style in one pass")
LOOKS = (
    ("saliency", "fooling", "class_visualization", "visualize"),
    ("attack", "attribution", "style_sheet", "style_transfer"),
)


@cache
def on_eight_devices(names: tuple[str, ...]) -> dict[str, list]:
    """What `eight_devices.py` says of some experiments, which one process runs for all tests of them."""
    script = Path(__file__).with_name("eight_devices.py")
    environment = os.environ | {
        "PYTHONPATH": str(script.parents[2]),
        "JAXVISION_OFFLINE": "1",
        "JAX_NUM_CPU_DEVICES": "8",
    }
    done = subprocess.run(
        [sys.executable, script, *names], capture_output=True, text=True, env=environment, check=False, timeout=800
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {name: row for name, *row in rows}


def check_training(name: str, group: tuple[str, ...]) -> None:
    error, of_one, of_many, n_divided = on_eight_devices(group)[name]
    # 3e-15 to 2e-7, and 2e-6 of style, whose crops are made in float32 and which no AVX-512 rounds alike.
    assert error < 1e-5
    assert (of_one, of_many) == (1, 8)
    assert (n_divided > 0) == (name in QUICK)  # those have large weights, or replicas of their own


@pytest.mark.parametrize("name", QUICK)
def test_a_training_on_eight_devices_is_that_on_one(name):
    """In float64; what is divided differs only in the order of its sums."""
    check_training(name, QUICK)


@pytest.mark.parametrize("name", TRAININGS)
def test_further_trainings_on_eight_devices(name):
    check_training(name, TRAININGS)


@pytest.mark.parametrize(("name", "group"), [(name, group) for group in LOOKS for name in group])
def test_looking_on_eight_devices(name, group):
    """In float32: all numbers of the result, and every picture to one level of 255 (of the first steps)."""
    error, levels = on_eight_devices(group)[name]
    assert error < 1e-5
    assert levels <= 1


def toy(layout=None):
    """A linear layer on four examples; the batch of step t is made of t."""
    optimizer = optax.sgd(0.1)
    step_fn = gradient_step(lambda w, batch, key: (jnp.mean((batch[0] @ w - batch[1]) ** 2), {}), optimizer)
    state = start(jnp.ones((3, 2)), optimizer, key=jax.random.key(0))

    def batch_fn(step):
        x = jnp.arange(12.0).reshape(4, 3) / (1.0 + step.astype(jnp.float32))
        return x, x[:, :2]

    if layout is not None:
        state = placed(state, layout)
        step_fn, batch_fn = divided(layout, step_fn, batch_fn)
    return fit(step_fn, state, batch_fn, n_steps=5, steps_per_dispatch=2)


@pytest.mark.parametrize("mesh", ["data=2", "model=2", "data=1,model=2"])
def test_two_devices_are_one(mesh):
    layout = Layout(named_mesh(mesh), state=lambda leaf, mesh: P(None, "model") if leaf.ndim == 2 else P())
    many = toy(layout)
    assert many.model.sharding.num_devices == 2
    assert many.model.addressable_shards[0].data.shape == ((3, 1) if "model" in mesh else (3, 2))
    np.testing.assert_allclose(gathered(many).model, toy().model, rtol=1e-4)
    assert gathered(many).model.sharding.num_devices == 1


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("data", "'data' is no mesh: give data and model a number of devices, such as data=8"),
        ("data=0", "is no mesh"),
        ("data=2,data=1", "is no mesh"),
        ("rows=2", "is no mesh"),
        ("data=2;model=1", "is no mesh"),
        ("data=2,model=2", "a mesh of data=2,model=2 is of 4 devices and there are 2"),
    ],
)
def test_what_is_no_mesh(shape, words):
    with pytest.raises(InputError, match=words):
        named_mesh(shape)


def test_batches_that_cannot_be_divided():
    layout = Layout(named_mesh("data=2"))
    _, batch_fn = divided(layout, lambda state, batch: (state, {}), lambda step: jnp.zeros((3, 2)))
    with pytest.raises(InputError, match="a batch of 3 cannot be divided among data=2: choose a multiple of 2"):
        batch_fn(jnp.int32(0))
    with pytest.raises(InputError, match="--mesh data=2 cannot divide 3 pictures evenly"):
        spread("data=2", jnp.zeros((3, 1)), 3)


def test_replicas_have_devices_of_their_own_where_their_number_allows_it():
    alone, shared = (layout_of(gan.Config(mesh="data=2", replicas=r)) for r in (4, 3))
    assert alone is not None
    assert shared is not None
    assert (alone.batch, shared.batch) == (P("data"), P(None, None, "data"))
    assert layout_of(gan.Config(replicas=4)) is None

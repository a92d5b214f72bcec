"""An image whose rows lie on several devices gives what it gives on one, in a part of the memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import style
from jaxvision.backbones import conv2d, max_pool, relu

EIGHT_DEVICES = """
import json
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 8)
from jaxvision import style
from jaxvision.backbones import features_fn, squeezenet1_1, with_replicated_edges
from jaxvision.pixels import advance, start

image, picture = (jax.random.normal(jax.random.key(i), (1, 1024, 1024, 3)) for i in (0, 1))
features = features_fn(with_replicated_edges(squeezenet1_1()))
targets = style.style_targets(features, image, [picture], content_layers={"features.3": 1.0},
                              style_layers={f"features.{i}": 1.0 for i in (1, 4, 6, 7)}, tv_weight=0.1, relative=True)
problem = style.style_problem(features, targets, style.adam())
one = problem, start(problem, picture)
eight = style.divide_rows(one, style.space_mesh())
gradient = jax.jit(lambda problem, state: jax.grad(lambda x: jnp.sum(problem.objective(x)[0]))(state.images))
alone, together = (np.asarray(gradient(*where)) for where in (one, eight))
programs = [advance.lower(*where, n_steps=2).compile().memory_analysis() for where in (one, eight)]
print(json.dumps({
    "difference": float(np.abs(alone - together).max() / np.abs(alone).max()),
    "memory": [program.temp_size_in_bytes for program in programs],
}))
"""


def features(images):
    kernel = jax.random.normal(jax.random.key(3), (3, 3, 3, 8)) / 3
    half = max_pool(relu(conv2d(images, kernel, jnp.zeros(8), padding=1)), size=3, ceil_mode=True)
    return {"pixels": images, "half": half}


def test_divided_among_devices_is_the_transfer_on_one():
    content, picture = (jax.random.normal(jax.random.key(i), (1, 16, 12, 3)) for i in (0, 1))
    layers = {"content_layers": {"half": 1.0}, "style_layers": {"half": 1.0}}
    settings = {"n_steps": 5, "sizes": [8, 12], "tv_weight": 0.1, "init": picture, **layers}
    alone = style.transfer(features, content, [picture], **settings)
    mesh = style.space_mesh(jax.devices()[:2])
    together = style.transfer(features, content, [picture], **settings, mesh=mesh)
    np.testing.assert_allclose(together.images, alone.images, atol=1e-5)
    np.testing.assert_allclose(together.final["loss"], alone.final["loss"], rtol=1e-5)


def test_what_has_no_rows_stays_whole():
    mesh = style.space_mesh(jax.devices()[:2])
    tree = {
        "image": jnp.ones((1, 8, 6, 3)),
        "odd": jnp.ones((1, 7, 6, 3)),
        "gram": jnp.ones((1, 8, 8)),
        "key": jax.random.key(0),
    }
    placed = style.divide_rows(tree, mesh)
    rows = {name: leaf.addressable_shards[0].data.shape for name, leaf in placed.items()}
    assert rows == {"image": (1, 4, 6, 3), "odd": (1, 7, 6, 3), "gram": (1, 8, 8), "key": ()}
    history = style.divide_rows(jnp.ones((1, 5, 8, 6, 3)), mesh)  # what L-BFGS keeps of its steps
    assert history.addressable_shards[0].data.shape == (1, 5, 4, 6, 3)


@pytest.mark.slow
def test_eight_devices_at_1024_px():
    """The gradient to 1e-5, in less than a sixth of the memory: an eighth of the features, and neighbours' rows.

    oneDNN, which is for one device, would round otherwise, and a ReLU at zero might choose its other side.
    """
    words, environment = [sys.executable, "-c", EIGHT_DEVICES], os.environ | {"JAXVISION_ONEDNN": "off"}
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path.cwd(), env=environment)
    found = json.loads(done.stdout)
    assert found["difference"] < 1e-5
    one, eight = found["memory"]
    assert eight < one / 6

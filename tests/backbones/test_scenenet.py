"""SceneNet: one answer for every 8 pixels, files, what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import weights
from jaxvision.backbones import lenet, scenenet, state_dict
from jaxvision.errors import InputError


@pytest.fixture(scope="module")
def model(filled):
    return filled(lambda: scenenet(n_scores=5))


def test_a_cell_sees_its_surroundings_and_nothing_else(model):
    run = jax.jit(lambda images: model(images)[0])
    plain = jnp.full((1, 128, 128, 3), 0.5)
    changed = plain.at[:, :8, :8].set(1.0)
    differs = np.asarray(jnp.any(run(plain) != run(changed), axis=-1)[0])
    assert run(plain).shape == (1, 16, 16, 5)
    assert differs[0, 0]
    assert not differs[6:].any()
    assert not differs[:, 6:].any()


def test_what_was_saved_is_loaded(model, tmp_path):
    weights.save(tmp_path / "net.safetensors", state_dict(model))
    jax.tree.map(np.testing.assert_array_equal, scenenet(tmp_path / "net.safetensors"), model)
    with pytest.raises(InputError, match="5 scores for each cell, not n_scores=6"):
        scenenet(tmp_path / "net.safetensors", n_scores=6)


def test_weights_of_another_network(tmp_path):
    weights.save(tmp_path / "lenet.safetensors", state_dict(lenet()))
    with pytest.raises(InputError, match="these are not weights of scenenet"):
        scenenet(tmp_path / "lenet.safetensors")

"""Scenes that the tests of this room share: sampling them takes seconds to compile."""

import jax
import numpy as np
import pytest

from jaxvision.data.scenes import Scene, describe, sample_scene, split_key
from jaxvision.data.scenes.shapes import shape_distances

N = 4096
N_DESCRIBED = 1500


@pytest.fixture(scope="session")
def scenes() -> Scene:
    """Thousands of scenes, on the host."""
    return jax.device_get(jax.vmap(sample_scene)(jax.random.split(split_key(7, "train"), N)))


@pytest.fixture(scope="session")
def described(scenes) -> list[tuple[Scene, tuple[str, ...]]]:
    """The first of them, one by one, with their captions."""
    singles = [pick(scenes, i) for i in range(N_DESCRIBED)]
    return [(scene, describe(scene)) for scene in singles]


def pick(scenes: Scene, i: int) -> Scene:
    return Scene(*(field[i] for field in scenes))


def exact_cover(scene: Scene, side: int = 160) -> np.ndarray:
    """Which points of a fine grid each object covers if it were alone: independent of renderer and sampler."""
    at = (np.arange(side, dtype=np.float32) + 0.5) / side
    covers = []
    for i in range(int(scene.n_objects)):
        dx, dy = at[None] - scene.center[i, 0], scene.center[i, 1] - at[:, None]
        turned = (dx + 1j * dy) * np.exp(-1j * scene.rotation[i]) / scene.scale[i]
        covers.append(shape_distances(turned.real, turned.imag)[scene.shape[i]] < 0)
    return np.stack(covers)

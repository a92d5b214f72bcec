"""Labels of a scene's cells."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.data.scenes import GRID, N_SCORES, scene_parts, split_scores


def test_labels_against_a_loop(scenes):
    scenes = jax.tree.map(lambda field: field[:200], scenes)
    found = jax.device_get(jax.jit(jax.vmap(scene_parts))(scenes))
    for n in range(200):
        there = np.zeros((GRID, GRID), bool)
        of_object = np.zeros((GRID, GRID, 4), int)
        for i in range(scenes.n_objects[n]):
            x, y = np.clip(np.floor(scenes.center[n, i] * np.float32(GRID)), 0, GRID - 1).astype(int)
            there[y, x] = True
            fields = (scenes.shape, scenes.color, scenes.texture, scenes.size)
            of_object[y, x] = [field[n, i] for field in fields]
        np.testing.assert_array_equal(found.there[n], there)
        np.testing.assert_array_equal(found.of_object[n][there], of_object[there])
    np.testing.assert_array_equal(found.background, scenes.background)


def test_scores_are_split_without_loss():
    scores = jnp.arange(float(N_SCORES))
    np.testing.assert_array_equal(jnp.concatenate(list(split_scores(scores).values())), scores)

"""CLIPScore against NumPy, with a reference that is missing."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.metrics.captions import clip_score, ref_clip_score


def test_scores_are_those_of_numpy():
    rng = np.random.default_rng(0)
    v, c, r = rng.normal(size=(6, 8)), rng.normal(size=(6, 8)), rng.normal(size=(6, 3, 8))
    r[0, 0], given = 5 * c[0], np.ones((6, 3), bool)
    given[0, 0] = given[5, 1:] = False
    v[5] = 0
    arrays = [jnp.asarray(array, jnp.float32) for array in (v, c, r)]
    found = np.asarray(clip_score(*arrays[:2]))
    both = np.asarray(jax.jit(ref_clip_score)(*arrays, given=jnp.asarray(given)))
    for i in range(6):
        fits = 2.5 * max(v[i] @ c[i] / max(np.linalg.norm(v[i]) * np.linalg.norm(c[i]), 1e-9), 0)
        best = max([0.0, *(c[i] @ x / np.linalg.norm(c[i]) / np.linalg.norm(x) for x in r[i][given[i]])])
        np.testing.assert_allclose(found[i], fits, atol=1e-5)
        np.testing.assert_allclose(both[i], 2 * fits * best / (fits + best) if fits + best else 0, atol=1e-5)
    assert found[5] == 0
    assert (both > 0).any()
    assert ref_clip_score(*arrays)[0] >= both[0]


def test_an_embedding_that_is_zero_has_a_gradient():
    """None of its own, and its neighbours' is that without it."""
    v, c, r = (jax.random.normal(jax.random.key(seed), shape) for seed, shape in enumerate([(3, 8), (3, 8), (3, 2, 8)]))
    c = v + 0.1 * c

    def total(v, c, r):
        return jnp.sum(clip_score(v, c)) + jnp.sum(ref_clip_score(v, c, r))

    gradient = jax.jit(jax.grad(total, argnums=(0, 1, 2)))
    broken = v.at[0].set(0.0), c.at[1].set(0.0), r.at[2].set(0.0)
    found = jax.tree.map(np.asarray, gradient(*broken))
    assert all(np.isfinite(leaf).all() for leaf in found)
    assert not found[0][0].any()
    assert not found[1][1].any()
    others = np.array([0, 2])
    np.testing.assert_allclose(gradient(v, broken[1], r)[0][others], gradient(v, c, r)[0][others], rtol=1e-5)

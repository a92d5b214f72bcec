"""Insertion and deletion: a loop of NumPy's, and a linear classifier whose best order is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import deletion, insertion
from jaxvision.metrics.faithfulness.curves import descending_ranks
from jaxvision.pixels import target_logit

IMAGES = jax.random.uniform(jax.random.key(0), (2, 6, 5, 3))
LABELS = np.array([1, 0])
MAPS = jax.random.normal(jax.random.key(1), (2, 6, 5))
WEIGHTS = np.random.default_rng(1).normal(size=(6, 5, 3, 2)).astype(np.float32)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, jnp.asarray(WEIGHTS, images.dtype), precision="highest")


def by_loop(start, end, n_steps):
    """Probabilities while the pixels of `start` become those of `end`, the largest of the map first."""
    scores = np.zeros((2, n_steps + 1))
    for i in range(2):
        order = np.argsort(-np.asarray(MAPS)[i].ravel(), kind="stable")
        for j in range(n_steps + 1):
            image = np.array(start[i]).reshape(30, 3)
            moved = order[: 30 * j // n_steps]
            image[moved] = np.asarray(end[i]).reshape(30, 3)[moved]
            logits = np.einsum("hwc,hwck->k", image.reshape(6, 5, 3).astype(np.float64), WEIGHTS)
            scores[i, j] = softmax(logits)[LABELS[i]]
    return scores, np.trapezoid(scores, dx=1 / n_steps, axis=1)


@pytest.mark.parametrize("n_steps", [1, 7, 30])
def test_both_are_a_loop(n_steps):
    baseline = np.random.default_rng(2).uniform(size=(2, 6, 5, 3)).astype(np.float32)
    settings = {"baseline": baseline, "n_steps": n_steps}
    for found, (scores, auc) in [
        (deletion(linear, IMAGES, LABELS, MAPS, **settings), by_loop(IMAGES, baseline, n_steps)),
        (insertion(linear, IMAGES, LABELS, MAPS, **settings), by_loop(baseline, IMAGES, n_steps)),
    ]:
        np.testing.assert_allclose(found.scores, scores, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.auc, auc, rtol=1e-4)


def test_no_order_beats_a_linear_classifiers_own_contributions():
    """Pixels by what they add to the logit: the curve is above, or below, that of any other order everywhere."""
    own = jnp.einsum("nhwc,hwcn->nhw", IMAGES, jnp.asarray(WEIGHTS[..., LABELS]))
    settings = {"n_steps": 30, "score": target_logit}
    best = [f(linear, IMAGES, LABELS, own, **settings) for f in (insertion, deletion)]
    contributions = -np.sort(-np.asarray(own, np.float64).reshape(2, -1), axis=1)
    inserted = np.concatenate([np.zeros((2, 1)), np.cumsum(contributions, axis=1)], axis=1)
    np.testing.assert_allclose(best[0].scores, inserted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(best[1].scores, inserted[:, -1:] - inserted, rtol=1e-4, atol=1e-4)
    for seed in range(5):
        other = jax.random.normal(jax.random.key(seed), own.shape)
        assert np.all(insertion(linear, IMAGES, LABELS, other, **settings).scores <= best[0].scores + 1e-4)
        assert np.all(deletion(linear, IMAGES, LABELS, other, **settings).scores >= best[1].scores - 1e-4)


def test_ranks_are_of_a_stable_order():
    maps = jnp.array([[[2.0, 1.0], [2.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]])
    np.testing.assert_array_equal(descending_ranks(maps), [[[1, 3], [2, 0]], [[0, 1], [2, 3]]])


def test_only_the_order_counts_and_it_does():
    found = deletion(linear, IMAGES, LABELS, MAPS, n_steps=10)
    same = deletion(linear, IMAGES, LABELS, jnp.exp(MAPS), n_steps=10)
    np.testing.assert_array_equal(found.scores, same.scores)
    assert not np.allclose(found.scores, deletion(linear, IMAGES, LABELS, -MAPS, n_steps=10).scores)


def test_float64_stays():
    with jax.enable_x64(True):
        images = np.asarray(IMAGES, np.float64)
        assert deletion(linear, images, LABELS, np.asarray(MAPS), n_steps=3).auc.dtype == np.float64


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"n_steps must be from 1 to 30, the number of pixels, got 31"):
        deletion(linear, IMAGES, LABELS, MAPS, n_steps=31)
    with pytest.raises(InputError, match=r"maps must have shape .* \(2, 6, 5\), got \(1, 6, 5\)"):
        insertion(linear, IMAGES, LABELS, MAPS[:1], n_steps=3)

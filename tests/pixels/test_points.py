"""Scores at many points: nothing depends on how many go through the network together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxvision.errors import InputError
from jaxvision.pixels import check_baseline, points_per_pass, scores_at_points, sum_over_scores, target_probability
from jaxvision.pixels.points import FORWARD

IMAGES = jax.random.normal(jax.random.key(0), (3, 5, 4, 2))
LABELS = jnp.array([1, 0, 1])


def cubes(images):
    return jnp.mean(images**3, axis=(1, 2))


def point(k):
    return IMAGES + 0.1 * jnp.asarray(k, jnp.float32)


def scores(k):
    """In NumPy."""
    return np.mean((np.asarray(IMAGES, np.float64) + 0.1 * k) ** 3, axis=(1, 2))[np.arange(3), np.asarray(LABELS)]


@pytest.mark.parametrize("n_points", [1, 2, 7, 24, 50, 96, 101])
def test_scores_and_their_sum_are_those_of_a_loop(n_points):
    expected = np.stack([scores(k) for k in range(n_points)])
    np.testing.assert_allclose(scores_at_points(cubes, LABELS, point, n_points), expected, rtol=1e-4, atol=1e-5)

    def term(k, values):
        return {"weighted": (1 + jnp.asarray(k, jnp.float32)) * values, "outer": jnp.outer(values, values)}

    found = sum_over_scores(cubes, LABELS, point, term, n_points)
    weights = 1 + np.arange(n_points)
    np.testing.assert_allclose(found["weighted"], weights @ expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["outer"], expected.T @ expected, rtol=1e-4, atol=1e-4)


def test_a_probability_is_the_softmaxs_also_of_large_logits():
    logits = np.array([[1.0, -2.0, 3.0], [1e4, 1e4 + 1, 0.0]], np.float32)
    found = target_probability(jnp.asarray(logits), jnp.array([2, 0]))
    np.testing.assert_allclose(found, softmax(logits.astype(np.float64), axis=1)[[0, 1], [2, 0]], rtol=1e-5)


def test_a_score_is_of_logits_and_labels():
    found = scores_at_points(cubes, LABELS, point, 3, score=lambda logits, labels: logits.sum(axis=1))
    np.testing.assert_allclose(found[0], cubes(IMAGES).sum(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("onednn", "most"), [("off", 2 * 224**2), ("on", 8 * 224**2)])
def test_a_pass_wastes_little_and_holds_little(monkeypatch, onednn, most):
    monkeypatch.setenv("JAXVISION_ONEDNN", onednn)
    for n_points in range(1, 200):
        for n, side in [(1, 28), (16, 28), (128, 28), (1, 224), (8, 224)]:
            size = points_per_pass(n_points, n, side, side)
            assert size in FORWARD
            assert n_points <= -(-n_points // size) * size <= 1.1 * n_points
            assert size == 1 or size * n * side**2 <= most
    assert points_per_pass(100, 1, 28, 28) == 50


def test_no_point_is_refused():
    with pytest.raises(InputError, match="one point or more, got 0"):
        scores_at_points(cubes, LABELS, point, 0)
    with pytest.raises(InputError, match="one point or more, got 0"):
        sum_over_scores(cubes, LABELS, point, lambda k, values: values, 0)


def test_a_baseline_takes_the_images_shape():
    np.testing.assert_array_equal(check_baseline(None, IMAGES), np.zeros(IMAGES.shape))
    np.testing.assert_array_equal(check_baseline(np.array([1.0, 2.0]), IMAGES)[2, 3, 1], [1, 2])
    with pytest.raises(InputError, match="baseline must be floats"):
        check_baseline(np.array([1, 2]), IMAGES)
    with pytest.raises(InputError, match=r"baseline must broadcast to the images' shape \(3, 5, 4, 2\), got .*\(3,\)"):
        check_baseline(np.zeros(3), IMAGES)

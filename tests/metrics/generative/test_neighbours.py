"""Neighbours, manifolds and classes: points placed by hand, and tables of all distances in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.metrics import generative
from jaxvision.metrics.generative import class_histogram, classifier_score, manifold_scores, nearest_neighbours
from jaxvision.metrics.generative.neighbours import BLOCK, squared_radii


def points(n, seed, d=3):
    return np.random.default_rng(seed).normal(size=(n, d))


def table(x, y):
    return np.linalg.norm(x[:, None] - y[None], axis=2)


@pytest.mark.parametrize("n", [7, BLOCK + 5])
@pytest.mark.parametrize("k", [1, 4])
def test_in_blocks_as_from_the_whole_table(n, k):
    real, fake = points(n, 0), points(n - 2, 1) + 0.5
    radii = np.sort(table(real, real), axis=1)[:, k]
    np.testing.assert_allclose(np.sqrt(squared_radii(real, k)), radii, rtol=1e-6)
    fake_radii = np.sort(table(fake, fake), axis=1)[:, k]
    distances = table(real, fake)
    found = manifold_scores(real, fake, k=k)
    expected = (
        np.mean((distances < radii[:, None]).any(axis=0)),
        np.mean((distances < fake_radii[None]).any(axis=1)),
        np.mean((distances < radii[:, None]).sum(axis=0)) / k,
        np.mean(distances.min(axis=1) < radii),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    near = nearest_neighbours(fake, real)
    np.testing.assert_array_equal(near.indices, distances.argmin(axis=0))
    np.testing.assert_allclose(near.distances, distances.min(axis=0), rtol=1e-9)


def test_manifolds_placed_by_hand():
    """Two clusters of real points; samples fill one of them, and one lies far away."""
    real = np.array([[0, 0], [1, 0], [0, 1], [10, 0], [11, 0], [10, 1]], float)
    fake = np.array([[0.5, 0.5], [0.25, 0.0], [0.0, 0.25], [50.0, 50.0]])
    found = manifold_scores(real, fake, k=1)  # every real ball has radius 1
    assert found.precision == 0.75  # all but the one far away
    assert found.recall == 4 / 6  # (0, 0) lies in small balls, the second cluster in one of radius 70.004
    assert found.density == (3 + 2 + 2) / 4  # balls around (0, 0), (1, 0), (0, 1); those that contain each sample
    assert found.coverage == 0.5  # of the one cluster only


def test_an_outlier_among_real_images_counts_for_precision_and_little_for_density():
    real = np.concatenate([np.arange(10.0), [1000.0]])[:, None]
    fake = np.linspace(100.0, 900.0, 20)[:, None]
    found = manifold_scores(real, fake, k=1)
    assert found.precision > 0.8
    assert found.coverage <= 1 / 11


def test_copies_of_training_images_have_distance_zero():
    training = 1000 + points(30, 0, d=50)
    samples = np.concatenate([training[[7, 3]], points(1, 1, d=50)]).astype(np.float32)
    near = nearest_neighbours(jnp.asarray(samples), training.astype(np.float32))
    assert near.indices[:2].tolist() == [7, 3]
    assert near.distances[:2].tolist() == [0.0, 0.0]
    assert near.distances[2] > 1000


def test_copies_within_a_set_are_each_others_neighbours():
    np.testing.assert_array_equal(squared_radii(np.array([[0.0], [0.0], [3.0]]), 1), [0, 0, 9])
    np.testing.assert_array_equal(squared_radii(np.array([[0.0], [0.0], [3.0]]), 2), [9, 9, 9])
    with pytest.raises(InputError, match="at least 4 images are needed"):
        squared_radii(np.zeros((3, 1)), 3)
    with pytest.raises(InputError, match="k must be at least 1"):
        squared_radii(np.zeros((3, 1)), 0)


def test_classifier_score_of_sure_and_of_unsure_classifiers():
    sure = 1e4 * np.eye(5)[np.arange(50) % 5]
    np.testing.assert_allclose(classifier_score(sure, n_splits=2), (5, 0), rtol=1e-6)
    np.testing.assert_allclose(classifier_score(sure[:1].repeat(9, 0), n_splits=3), (1, 0), atol=1e-6)
    logits = points(12, 0, d=4)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    parts = [np.exp(np.mean(np.sum(q * np.log(q / q.mean(0)), axis=1))) for q in (p[:4], p[4:8], p[8:])]
    np.testing.assert_allclose(classifier_score(logits, n_splits=3), (np.mean(parts), np.std(parts)), rtol=1e-12)
    with pytest.raises(InputError, match="n_splits must be from 1 to the number of samples, 12, got 13"):
        classifier_score(logits, n_splits=13)


def test_classes_reached_and_missed():
    labels = jnp.array([0, 0, 0, 2, 2, 3])
    np.testing.assert_array_equal(class_histogram(labels, 5), [3, 0, 2, 1, 0])
    found = generative.mode_coverage(labels, 5, least=2)
    assert found.n_modes == 2
    expected = sum(q * np.log(q / 0.2) for q in (1 / 2, 1 / 3, 1 / 6))
    np.testing.assert_allclose(found.divergence, expected)
    assert generative.mode_coverage(labels, 4, expected=np.array([3, 1e-9, 2, 1])).divergence < 1e-9
    with pytest.raises(InputError, match="labels must be from 0 to 2, got 0 to 3"):
        class_histogram(labels, 3)
    with pytest.raises(InputError, match="there are no labels"):
        generative.mode_coverage(np.zeros(0, int), 3)
    for expected in (np.ones(1), np.ones(4), np.array([1.0, 0.0, 2.0, 1.0, 1.0]), np.array([1, 1, 1, 1, np.inf])):
        with pytest.raises(InputError, match="expected must be a finite number above zero for each of the 5 classes"):
            generative.mode_coverage(labels, 5, expected=expected)

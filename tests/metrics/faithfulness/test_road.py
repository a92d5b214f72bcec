"""ROAD: a direct solver of SciPy's, and a classifier that reads the holes' outline."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import linear_imputation, road
from jaxvision.metrics.faithfulness.curves import descending_ranks
from jaxvision.pixels import target_logit

KEY = jax.random.key(3)
IMAGES = jax.random.normal(jax.random.key(0), (2, 12, 9, 2))
LABELS = np.array([1, 0])
MAPS = jax.random.normal(jax.random.key(1), (2, 12, 9))
NEAR = {(i, j): 1 / 6 if i == 0 or j == 0 else 1 / 12 for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j}


def solved(image, removed):
    """One channel, with a row of the matrix for each removed pixel."""
    places = [tuple(place) for place in np.argwhere(removed)]
    number = {place: k for k, place in enumerate(places)}
    matrix, vector = lil_matrix((len(places), len(places))), np.zeros(len(places))
    for k, (i, j) in enumerate(places):
        for (down, right), weight in NEAR.items():
            at = (i + down, j + right)
            if not (0 <= at[0] < image.shape[0] and 0 <= at[1] < image.shape[1]):
                continue
            matrix[k, k] += weight
            if at in number:
                matrix[k, number[at]] -= weight
            else:
                vector[k] += weight * image[at]
    filled = image.astype(np.float64).copy()
    filled[removed] = spsolve(matrix.tocsr(), vector)
    return filled


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_holes_are_filled_as_by_a_direct_solver(share):
    removed = np.asarray(descending_ranks(MAPS) < round(share * 108))
    found = linear_imputation(IMAGES, removed)
    for i in range(2):
        for c in range(2):
            expected = solved(np.asarray(IMAGES)[i, ..., c], removed[i])
            np.testing.assert_allclose(found[i, ..., c], expected, rtol=1e-4, atol=1e-4)


def test_a_wide_hole_is_filled():
    image = jax.random.normal(jax.random.key(5), (1, 40, 40, 1))
    removed = np.zeros((1, 40, 40), bool)
    removed[0, 3:36, 4:38] = True
    expected = solved(np.asarray(image)[0, ..., 0], removed[0])
    np.testing.assert_allclose(linear_imputation(image, removed)[0, ..., 0], expected, atol=1e-3)
    assert np.abs(linear_imputation(image, removed, n_iterations=2)[0, ..., 0] - expected).max() > 0.05


def test_a_ramp_comes_back_and_nothing_is_known_of_nothing():
    ramp = jnp.broadcast_to(jnp.arange(9.0)[None, None, :, None], (1, 12, 9, 1))
    removed = np.zeros((1, 12, 9), bool)
    removed[0, 3:8, 2:7] = True
    np.testing.assert_allclose(linear_imputation(ramp.at[0, 5, 5].set(jnp.nan), removed), ramp, atol=1e-4)
    np.testing.assert_array_equal(linear_imputation(ramp, np.ones_like(removed)), 0)


def test_a_score_is_that_of_the_filled_image():
    mean = lambda images: jnp.tanh(images).mean(axis=(1, 2))  # noqa: E731
    settings = {"shares": (0.25, 0.75), "score": target_logit, "key": KEY}
    found = road(mean, IMAGES, LABELS, MAPS, noise=0.0, **settings)
    for k, share in enumerate((0.25, 0.75)):
        filled = linear_imputation(IMAGES, descending_ranks(MAPS) < round(share * 108))
        np.testing.assert_allclose(found[:, k], mean(filled)[np.arange(2), LABELS], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found, road(mean, IMAGES, LABELS, MAPS, noise=0.5, **settings), atol=1e-3)


def test_noise_is_of_the_given_deviation_and_in_the_holes_alone():
    square = lambda images: jnp.mean(images**2, axis=(1, 2))  # noqa: E731
    images = jnp.zeros((1, 60, 60, 1))
    settings = {"shares": (0.5,), "score": target_logit, "key": KEY}
    found = road(square, images, [0], jax.random.normal(KEY, (1, 60, 60)), noise=0.2, **settings)
    np.testing.assert_allclose(found, 0.5 * 0.04, rtol=4.5 * (2 / 1800) ** 0.5)


def test_memory_does_not_grow_with_shares_and_iterations():
    def bytes_for(n_shares, n_iterations):
        settings = {"shares": np.linspace(0.1, 0.9, n_shares).tolist(), "n_iterations": n_iterations, "key": KEY}
        run = jax.jit(lambda x: road(lambda x: jnp.tanh(x).mean(axis=(1, 2)), x, LABELS, MAPS, **settings))
        return run.lower(IMAGES).compile().memory_analysis().temp_size_in_bytes

    assert bytes_for(40, 50) < 1.5 * bytes_for(20, 5)


def test_shares_may_be_an_array():
    mean = lambda images: images.mean(axis=(1, 2))  # noqa: E731
    expected = road(mean, IMAGES, LABELS, MAPS, key=KEY, shares=(0.25, 0.5))
    for shares in (np.array([0.25, 0.5]), jnp.array([0.25, 0.5])):
        np.testing.assert_array_equal(road(mean, IMAGES, LABELS, MAPS, key=KEY, shares=shares), expected)


def test_bad_input_is_one_sentence():
    mean = lambda images: images.mean(axis=(1, 2))  # noqa: E731
    with pytest.raises(InputError, match=r"shares must be above 0 and below 1, one or more, got \(0.5, nan\)"):
        road(mean, IMAGES, LABELS, MAPS, key=KEY, shares=(0.5, np.nan))
    with pytest.raises(InputError, match=r"shares must be above 0 and below 1, one or more, got \(\)"):
        road(mean, IMAGES, LABELS, MAPS, key=KEY, shares=())
    with pytest.raises(InputError, match=r"noise must be zero or more and finite, .* got nan"):
        road(mean, IMAGES, LABELS, MAPS, key=KEY, noise=np.nan)
    with pytest.raises(InputError, match=r"shares must be above 0 and below 1, one or more, got \(1.0,\)"):
        road(mean, IMAGES, LABELS, MAPS, key=KEY, shares=(1.0,))
    with pytest.raises(InputError, match="noise must be zero or more"):
        road(mean, IMAGES, LABELS, MAPS, key=KEY, noise=-1.0)
    with pytest.raises(InputError, match="n_iterations must be 1 or more, got 0"):
        road(mean, IMAGES, LABELS, MAPS, key=KEY, n_iterations=0)
    with pytest.raises(InputError, match=r"removed must have shape .* \(2, 12, 9\), got \(1, 12, 9\)"):
        linear_imputation(IMAGES, np.ones((1, 12, 9), bool))

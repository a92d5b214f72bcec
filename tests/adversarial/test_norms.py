"""Sizes, steepest directions, projections and draws of the three norms, each against an oracle in NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import L1, L2, LINF, l1_ascent

NORMS = {"linf": (LINF, np.inf), "l2": (L2, 2), "l1": (L1, 1)}
SHAPE = (4, 3, 2)
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(6, *SHAPE))
LOW, HIGH = -RNG.uniform(0, 1.5, size=VALUES.shape), RNG.uniform(0, 1.5, size=VALUES.shape)
WIDE = np.full_like(VALUES, 1e3)

every_norm = pytest.mark.parametrize(("norm", "p"), NORMS.values(), ids=NORMS)


def norms(values, p):
    return np.linalg.norm(values.reshape(len(values), -1), p, axis=1)


def onto_ball(row, eps, p):
    """The nearest point of a ball: clipping, scaling, and for l1 the sorting of Duchi et al., 2008, figure 1."""
    if np.linalg.norm(row, p) <= eps:
        return row
    if p == np.inf:
        return np.clip(row, -eps, eps)
    if p == 2:
        return row * eps / np.linalg.norm(row)
    falling = np.sort(np.abs(row))[::-1]
    counts = np.arange(1, len(row) + 1)
    amounts = (np.cumsum(falling) - eps) / counts
    amount = amounts[np.flatnonzero(falling > amounts)[-1]]
    return np.sign(row) * np.maximum(np.abs(row) - amount, 0)


def onto_both(row, eps, p, low, high):
    """The nearest point of ball and box, by Dykstra's alternating projections."""
    x, from_ball, from_box = row, np.zeros_like(row), np.zeros_like(row)
    for _ in range(5000):
        y = onto_ball(x + from_ball, eps, p)
        from_ball = x + from_ball - y
        x = np.clip(y + from_box, low, high)
        from_box = y + from_box - x
    return x


@every_norm
def test_size_is_numpys(norm, p):
    np.testing.assert_allclose(norm.size(jnp.asarray(VALUES, jnp.float32)), norms(VALUES, p), rtol=1e-6)


@every_norm
@pytest.mark.parametrize("eps", [0.3, 2.0, 100.0])
def test_projection_onto_the_ball_alone(norm, p, eps):
    found = norm.project(*(jnp.asarray(x, jnp.float32) for x in (VALUES, np.full(6, eps), -WIDE, WIDE)))
    expected = [onto_ball(value.ravel(), eps, p) for value in VALUES]
    np.testing.assert_allclose(np.reshape(found, (6, -1)), expected, rtol=1e-5, atol=1e-6)


@every_norm
def test_projection_onto_ball_and_bounds_with_a_budget_for_each_image(norm, p):
    eps = np.array([0.0, 0.1, 0.4, 1.0, 3.0, 50.0])
    with jax.enable_x64(True):
        found = np.asarray(norm.project(*(jnp.asarray(x) for x in (VALUES, eps, LOW, HIGH))))
    for i in range(1, 6):
        expected = onto_both(VALUES[i].ravel(), eps[i], p, LOW[i].ravel(), HIGH[i].ravel())
        np.testing.assert_allclose(found[i].ravel(), expected, atol=1e-8)
    assert (norms(found, p) <= eps + 1e-12).all()
    assert (norms(found, p)[1:4] > eps[1:4] - 1e-8).all()  # nothing of a budget that binds is left
    np.testing.assert_array_equal(found[0], np.zeros(SHAPE))


def test_black_pixels_have_all_their_room_upwards():
    found = L1.project(jnp.full((1, 2, 2, 1), 0.5), jnp.ones(1), jnp.zeros((1, 2, 2, 1)), jnp.ones((1, 2, 2, 1)))
    np.testing.assert_allclose(found, 0.25, rtol=1e-6)


@every_norm
def test_what_is_inside_stays_bit_for_bit(norm, p):
    inside = jnp.asarray(np.clip(VALUES, LOW, HIGH), jnp.float32)
    eps = norm.size(inside)
    bounds = jnp.asarray(LOW, jnp.float32), jnp.asarray(HIGH, jnp.float32)
    np.testing.assert_array_equal(norm.project(inside, eps, *bounds), inside)


@every_norm
def test_projecting_twice_is_projecting_once(norm, p):
    arguments = [jnp.asarray(x, jnp.float32) for x in (np.full(6, 0.5), LOW, HIGH)]
    once = norm.project(jnp.asarray(VALUES, jnp.float32), *arguments)
    np.testing.assert_allclose(norm.project(once, *arguments), once, rtol=0, atol=3e-7)


@every_norm
def test_projection_of_what_is_not_a_number_ends(norm, p):
    values = jnp.asarray(VALUES, jnp.float32).at[0].set(jnp.nan)
    bounds = jnp.asarray(LOW, jnp.float32), jnp.asarray(HIGH, jnp.float32)
    found = norm.project(values, jnp.full(6, 0.5), *bounds)
    clean = norm.project(jnp.asarray(VALUES, jnp.float32), jnp.full(6, 0.5), *bounds)
    np.testing.assert_array_equal(found[1:], clean[1:])


@pytest.mark.parametrize(("norm", "dual"), [(LINF, 1), (L2, 2)], ids=["linf", "l2"])
def test_direction_is_the_steepest(norm, dual):
    """Of all directions of size 1 none rises by more than the gradient's dual norm (Hoelder), and this one does."""
    for scale in (1.0, 1e-30):
        gradients = jnp.asarray(VALUES * scale, jnp.float32)
        directions = norm.ascend(gradients, -jnp.ones_like(gradients), jnp.ones_like(gradients))
        np.testing.assert_allclose(norm.size(directions), np.ones(6), rtol=1e-6)
        rises = (VALUES * np.asarray(directions, np.float64)).reshape(6, -1).sum(axis=1)
        np.testing.assert_allclose(rises, norms(VALUES, dual), rtol=1e-6)


def test_sparse_direction_takes_the_largest_that_can_move():
    gradients = jnp.asarray(VALUES, jnp.float32)
    low, high = -jnp.ones_like(gradients), jnp.ones_like(gradients).at[:, 0].set(0)  # the first row is at its highest
    found = np.asarray(l1_ascent(gradients, low, high, share=0.2)).reshape(6, -1)
    stuck = np.zeros(SHAPE, bool)
    stuck[0] = True
    for row, value in zip(found, VALUES, strict=True):
        strength = np.where(stuck & (value > 0), 0, np.abs(value)).ravel()
        largest = np.argsort(-strength)[:5]  # ceil(0.2 * 24)
        assert set(np.flatnonzero(row)) == set(largest)
        np.testing.assert_allclose(row[largest], np.sign(value.ravel()[largest]) / 5, rtol=1e-6)


def test_the_sparsest_direction_is_the_steepest():
    gradients = jnp.asarray(VALUES, jnp.float32)
    ascend = functools.partial(l1_ascent, share=1e-9)
    directions = np.asarray(ascend(gradients, -jnp.ones_like(gradients), jnp.ones_like(gradients)), np.float64)
    np.testing.assert_allclose((VALUES * directions).reshape(6, -1).sum(axis=1), norms(VALUES, np.inf), rtol=1e-6)


@every_norm
def test_a_zero_gradient_is_no_direction(norm, p):
    zero = jnp.zeros((1, *SHAPE))
    np.testing.assert_array_equal(norm.ascend(zero, zero - 1, zero + 1), zero)


@every_norm
def test_draws_are_uniform_in_the_ball(norm, p):
    """The volume within radius r is r^D, so size^D is uniform; and the first value is distributed as in jax's draws."""
    n, shape = 4000, (2, 1, 2)
    keys = jax.random.split(jax.random.key(0), n)
    draws = norm.sample(keys, shape, jnp.float32)
    np.testing.assert_allclose(np.sort(norm.size(draws) ** 4), (np.arange(n) + 0.5) / n, atol=0.03)  # KS: 1.9 / sqrt(n)
    if p < np.inf:
        theirs = jax.random.ball(jax.random.key(1), 4, p=p, shape=(n,))
        quantiles = np.linspace(0.05, 0.95, 19)
        ours = np.quantile(draws[:, 0, 0, 0], quantiles)
        np.testing.assert_allclose(ours, np.quantile(theirs[:, 0], quantiles), atol=0.05)
    signs = np.sign(np.reshape(draws, (n, 4)))
    np.testing.assert_allclose(signs.T @ signs / n, np.eye(4), atol=0.08)

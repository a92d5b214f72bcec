"""The shapes in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data.scenes import SHAPES
from jaxvision.data.scenes.shapes import SHAPE_POINTS, select, shape_distances, to_local


def test_every_shape_covers_pi():
    at = (np.arange(999) + 0.5) / 999 * 4 - 2  # on no outline
    distances = shape_distances(*np.meshgrid(at, at))
    for name, distance in zip(SHAPES, distances, strict=True):
        assert np.mean(distance < 0) * 16 == pytest.approx(np.pi, rel=2e-3), name


def test_distances_are_never_overestimated():
    """A step of length s changes a distance by at most s, or antialiased edges would be too hard."""
    rng = np.random.default_rng(0)
    here, there = rng.uniform(-2, 2, (2, 2, 20_000))
    step = np.hypot(*(there - here))
    for a, b in zip(shape_distances(*here), shape_distances(*there), strict=True):
        assert np.all(np.abs(a - b) <= step * (1 + 1e-6))


def test_shapes_have_the_symmetry_they_should():
    rng = np.random.default_rng(1)
    u, v = rng.uniform(-1.5, 1.5, (2, 500))
    turn = np.exp(2j * np.pi / 5) * (u + 1j * v)
    quarter = 1j * (u + 1j * v)
    third = np.exp(2j * np.pi / 3) * (u + 1j * v)
    for name, turned in (("star", turn), ("square", quarter), ("cross", quarter), ("triangle", third)):
        k = SHAPES.index(name)
        np.testing.assert_allclose(
            shape_distances(u, v)[k], shape_distances(turned.real, turned.imag)[k], atol=1e-6, err_msg=name
        )
    for name in ("heart", "star", "triangle"):  # mirrored left to right
        k = SHAPES.index(name)
        np.testing.assert_allclose(shape_distances(u, v)[k], shape_distances(-u, v)[k], err_msg=name)


def test_numpy_and_jax_agree():
    u, v = np.random.default_rng(2).uniform(-2, 2, (2, 300)).astype(np.float32)
    for a, b in zip(shape_distances(u, v), shape_distances(jnp.asarray(u), jnp.asarray(v)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_points_lie_inside_and_centre_on_the_area():
    for k in range(len(SHAPES)):
        assert np.all(shape_distances(*SHAPE_POINTS[k].T)[k] < 0)
    circle = SHAPE_POINTS[SHAPES.index("circle")]
    np.testing.assert_allclose(circle.mean(0), 0, atol=0.1)
    assert np.mean(np.sum(circle**2, axis=-1)) == pytest.approx(0.5, abs=0.05)  # of a uniform disc


def test_select_is_indexing():
    choices = tuple(jnp.arange(3.0) + 10 * k for k in range(8))
    for k in range(8):
        np.testing.assert_array_equal(select(jnp.asarray(k), choices), choices[k])


def test_to_local_turns_counter_clockwise():
    center, scale = jnp.array([0.5, 0.5]), jnp.array(0.5)
    u, v = to_local(jnp.array(0.5), jnp.array(0.0), center, scale, jnp.array(0.0))  # the top of the image
    np.testing.assert_allclose([u, v], [0, 1], atol=1e-6)
    u, v = to_local(jnp.array(0.0), jnp.array(0.5), center, scale, jnp.array(np.pi / 2, jnp.float32))  # its left edge
    np.testing.assert_allclose([u, v], [0, 1], atol=1e-6)  # is where the object's top has turned to

"""Sums of gradients over many points: nothing depends on how many go through the network together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import integrated_gradients, smoothgrad
from jaxvision.attribution.gradients import POINTS, logit_gradient, sum_over_points
from jaxvision.errors import InputError
from jaxvision.pixels import points_per_pass

IMAGES = jax.random.normal(jax.random.key(0), (3, 5, 4, 2))
LABELS = jnp.array([1, 0, 1])


def cubes(images):
    return jnp.sum(images**3, axis=(1, 2))


@pytest.mark.parametrize("n_points", [1, 2, 3, 5, 7, 10, 19])
def test_a_sum_is_that_of_a_loop(n_points):
    def point(k):
        return IMAGES + 0.1 * jnp.asarray(k, jnp.float32)

    def term(k, gradient):
        return {"weighted": (1 + jnp.asarray(k, jnp.float32)) * gradient, "squares": jnp.sum(gradient**2, axis=(1, 2))}

    found = sum_over_points(cubes, LABELS, point, term, n_points)
    images, of_class = np.asarray(IMAGES, np.float64), np.eye(2)[np.asarray(LABELS)][:, None, None]
    gradients = [3 * (images + 0.1 * k) ** 2 * of_class for k in range(n_points)]
    np.testing.assert_allclose(found["weighted"], sum((1 + k) * g for k, g in enumerate(gradients)), rtol=1e-5)
    np.testing.assert_allclose(found["squares"], sum(np.sum(g**2, axis=(1, 2)) for g in gradients), rtol=1e-5)


@pytest.mark.parametrize(("onednn", "most"), [("off", 2 * 224**2), ("on", 8 * 224**2)])
def test_a_pass_wastes_little_and_holds_little(monkeypatch, onednn, most):
    monkeypatch.setenv("JAXVISION_ONEDNN", onednn)
    for n_points in range(1, 200):
        for n, side in [(1, 28), (16, 28), (128, 28), (1, 224), (8, 224)]:
            size = points_per_pass(n_points, n, side, side, sizes=POINTS)
            computed = -(-n_points // size) * size
            assert n_points <= computed <= 1.1 * n_points
            assert size == 1 or size * n * side**2 <= most
    assert points_per_pass(50, 16, 28, 28, sizes=POINTS) == 5  # as many as make a batch of some size


def test_large_images_go_in_chunks_of_the_batch(monkeypatch):
    """Each with its own key and label."""
    monkeypatch.setenv("JAXVISION_ONEDNN", "off")  # with it more images go at once
    images, labels = jax.random.normal(jax.random.key(1), (4, 160, 120, 2)), jnp.array([0, 1, 1, 0])
    keys = jax.random.split(jax.random.key(2), 4)
    whole = smoothgrad(cubes, images, labels, key=keys, n_samples=3)
    singles = [
        smoothgrad(cubes, images[i : i + 1], labels[i : i + 1], key=keys[i : i + 1], n_samples=3) for i in range(4)
    ]
    np.testing.assert_allclose(whole, jnp.concatenate(singles), rtol=1e-5, atol=1e-6)
    baseline = jax.random.normal(jax.random.key(3), images.shape)
    found = integrated_gradients(cubes, images, labels, baseline=baseline, n_steps=2)
    of_class = np.eye(2)[np.asarray(labels)][:, None, None]
    np.testing.assert_allclose(found.attributions, (images**3 - baseline**3) * of_class, rtol=1e-4, atol=1e-4)


def test_a_gradient_is_of_the_images_own_class():
    np.testing.assert_allclose(
        logit_gradient(cubes, IMAGES, LABELS), 3 * IMAGES**2 * np.eye(2)[np.asarray(LABELS)][:, None, None], rtol=1e-6
    )


def test_no_point_is_refused():
    with pytest.raises(InputError, match="one point or more, got 0"):
        sum_over_points(cubes, LABELS, lambda k: IMAGES, lambda k, gradient: gradient, 0)

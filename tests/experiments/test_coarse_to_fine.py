"""The optimiser for small images: lengths and blurs by hand, and the pixel loop's laws."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.coarse_to_fine import coarse_to_fine
from jaxvision.pixels import PixelProblem, gaussian_blur, optimize

GRADIENT = jnp.zeros((32, 32, 3)).at[16, 16, 0].set(-2.0)


def step(count, **settings):
    optimizer = coarse_to_fine(10.0, 100, **settings)
    updates, state = optimizer.update(GRADIENT, jnp.int32(count))
    assert state == count + 1
    return updates


@pytest.mark.parametrize(("count", "length"), [(0, 10.0), (50, 10 * (0.05 + 0.95 / 2)), (100, 0.5), (250, 0.5)])
def test_steps_get_shorter_along_a_cosine(count, length):
    np.testing.assert_allclose(optax.tree.norm(step(count)), length, rtol=1e-5)


@pytest.mark.parametrize(("count", "sigma"), [(0, 4.0), (24, 4.0), (25, 2.0), (50, 1.0), (75, 0.5), (300, 0.5)])
def test_the_blur_halves_from_stage_to_stage(count, sigma):
    blurred = gaussian_blur(GRADIENT[None], sigma)[0]
    found = step(count, first_sigma=4.0, last_sigma=0.5)
    np.testing.assert_allclose(found / jnp.max(jnp.abs(found)), -blurred / jnp.max(jnp.abs(blurred)), atol=1e-5)


def test_the_same_settings_are_the_same_optimiser():
    assert coarse_to_fine(3.0, 7) is coarse_to_fine(3.0, 7)


def test_a_batch_is_a_loop_of_singles():
    images = jax.random.normal(jax.random.key(0), (3, 16, 16, 1))
    target = jax.random.normal(jax.random.key(1), (16, 16, 1))
    objective = lambda x: (jnp.sum((x - jnp.broadcast_to(target, x.shape)) ** 2, axis=(1, 2, 3)), {})  # noqa: E731
    problem = PixelProblem(objective, coarse_to_fine(1.0, 8, last_sigma=0.5))
    together = optimize(problem, images, n_steps=8)
    alone = [optimize(problem, image[None], n_steps=8).images for image in images]
    np.testing.assert_allclose(together.images, jnp.concatenate(alone), rtol=1e-5, atol=1e-5)
    assert bool(jnp.all(together.final["loss"] < together.trace["loss"][0]))

"""The assignment's losses: published values, NumPy, and shapes that must not be multiplied with each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import cs231n


@pytest.fixture(scope="module")
def published(needs):
    return np.load(needs("checks/gan.npz"))


def test_published_losses(published):
    with jax.enable_x64(True):
        d = cs231n.discriminator_loss(published["logits_real"], published["logits_fake"])
        g = cs231n.generator_loss(published["logits_fake"])
        y = cs231n.leaky_relu(published["lrelu_x"])
    np.testing.assert_allclose(d, published["d_loss_true"], rtol=1e-8)
    np.testing.assert_allclose(g, published["g_loss_true"], rtol=1e-7)
    np.testing.assert_allclose(y, published["lrelu_y"], rtol=1e-7)
    single = {name: np.asarray(published[name], np.float32) for name in published}
    d = cs231n.discriminator_loss(single["logits_real"], single["logits_fake"])
    np.testing.assert_allclose(d, published["d_loss_true"], rtol=1e-6)
    np.testing.assert_allclose(cs231n.generator_loss(single["logits_fake"]), published["g_loss_true"], rtol=1e-6)


def test_losses_in_numpy():
    real, fake = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5)  # noqa: E731
    close(cs231n.discriminator_loss(real, fake), -np.mean(np.log(sigmoid(real)) + np.log(1 - sigmoid(fake))))
    close(cs231n.generator_loss(fake), -np.mean(np.log(sigmoid(fake))))
    close(cs231n.ls_discriminator_loss(real, fake), 0.5 * np.mean((real - 1) ** 2) + 0.5 * np.mean(fake**2))
    close(cs231n.ls_generator_loss(fake), 0.5 * np.mean((fake - 1) ** 2))
    close(cs231n.wgangp_generator_loss(fake), -np.mean(fake))
    columns = real[:, None], fake  # (N, 1) and (N,): one loss, not a table of N x N
    close(cs231n.discriminator_loss(*columns), cs231n.discriminator_loss(real, fake))
    close(cs231n.ls_discriminator_loss(*columns), cs231n.ls_discriminator_loss(real, fake))


@pytest.mark.parametrize("column", [False, True])
def test_wasserstein_with_the_penalty_of_a_linear_critic(column):
    weights = jnp.array([3.0, 4.0])
    critic = lambda x: x @ weights[:, None] if column else x @ weights  # noqa: E731
    real, fake = jax.random.normal(jax.random.key(0), (2, 6, 2))
    found = cs231n.wgangp_discriminator_loss(critic, critic(real), critic(fake), real, fake, jax.random.key(1), lam=0.5)
    np.testing.assert_allclose(found, np.mean((np.asarray(fake) - real) @ weights) + 0.5 * 16, rtol=1e-4)


def test_noise_and_leaky_relu():
    noise = cs231n.sample_noise(jax.random.key(0), 50, 7)
    assert noise.shape == (50, 7)
    assert noise.min() >= -1
    assert noise.max() < 1
    np.testing.assert_allclose(cs231n.leaky_relu(jnp.array([-2.0, 0.0, 3.0]), alpha=0.2), [-0.4, 0, 3])

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.optimizers import adamw, muon_of_convolutions, warm_cosine

RATE = warm_cosine(0.01, n_steps=100, warmup=0.0)
PARAMETERS = {
    "conv": jax.random.normal(jax.random.key(0), (3, 3, 4, 8)),
    "dense": jax.random.normal(jax.random.key(1), (6, 5)),
    "bias": jnp.ones(8),
}
GRADIENT = jax.tree.map(lambda x: jnp.cos(7 * x), PARAMETERS)


def first_step(optimizer, gradient=GRADIENT):
    with jax.numpy_dtype_promotion("standard"):
        updates, _ = jax.jit(optimizer.update)(gradient, optimizer.init(PARAMETERS), PARAMETERS)
    return updates


def test_muon_drives_all_singular_values_of_a_kernel_to_about_one():
    step = first_step(muon_of_convolutions(RATE, weight_decay=0.0, clip=1.0))["conv"].reshape(36, 8)
    values = np.linalg.svd(np.asarray(step) / (0.01 * 0.2 * np.sqrt(36)), compute_uv=False)
    assert np.all((values > 0.6) & (values < 1.25))  # Newton-Schulz stops short of one on purpose
    assert np.linalg.cond(GRADIENT["conv"].reshape(36, 8)) > 1.5 * np.linalg.cond(step)


def test_muon_leaves_biases_and_dense_kernels_to_nadam():
    updates = first_step(muon_of_convolutions(RATE, weight_decay=0.0, clip=1.0))
    for name in ("dense", "bias"):
        # Adam's first step is the rate; Nesterov looks ahead by b1 of the next, corrected by 1 - b1^2.
        expected = -0.0025 * (1 + 0.9 * 0.1 / (1 - 0.9**2)) * jnp.sign(GRADIENT[name])
        np.testing.assert_allclose(updates[name], expected, rtol=1e-3)


@pytest.mark.parametrize("make", [adamw, muon_of_convolutions])
def test_only_kernels_decay(make):
    plain, decayed = (first_step(make(RATE, weight_decay=decay, clip=1.0)) for decay in (0.0, 0.5))
    np.testing.assert_allclose(decayed["conv"], plain["conv"] - 0.01 * 0.5 * PARAMETERS["conv"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(decayed["bias"], plain["bias"], rtol=1e-6)


@pytest.mark.parametrize("make", [adamw, muon_of_convolutions])
def test_the_length_of_a_large_gradient_does_not_matter(make):
    optimizer = make(RATE, weight_decay=0.0, clip=1.0)
    longer = first_step(optimizer, jax.tree.map(lambda g: 1000 * g, GRADIENT))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7), longer, first_step(optimizer))

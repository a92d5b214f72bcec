"""Penalties: closed forms of linear and quadratic critics, one gradient per image, zero gradients, spectral norms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision import gan
from jaxvision.errors import InputError

KEY = jax.random.key(7)
REAL, FAKE = jax.random.normal(jax.random.key(0), (2, 3, 4, 5, 2))
PENALTIES = {
    "gradient": gan.gradient_penalty,
    "one-sided": gan.one_sided_penalty,
    "DRAGAN": lambda critic, real, fake, key: gan.dragan_penalty(critic, real, key),
    "R1": lambda critic, real, fake, key: gan.r1_penalty(critic, real),
    "R2": lambda critic, real, fake, key: gan.r2_penalty(critic, fake),
}
every_kind = pytest.mark.parametrize(  # R2 is R1 at other images, the one-sided a part of the two-sided
    "penalty",
    [
        pytest.param(penalty, id=name, marks=pytest.mark.slow if name in ("one-sided", "R2") else ())
        for name, penalty in PENALTIES.items()
    ],
)
every_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES.keys())


def linear(weights, images):
    return jnp.sum(images * weights[None], axis=(1, 2, 3))


def curved(weights, images):
    return jnp.tanh(linear(weights, images)) + jnp.sum(images**3, axis=(1, 2, 3))


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_of_a_linear_critic(norm):
    weights = jax.random.normal(jax.random.key(1), REAL.shape[1:])
    critic = functools.partial(linear, norm * weights / jnp.linalg.norm(weights))
    found = {name: penalty(critic, REAL, FAKE, KEY) for name, penalty in PENALTIES.items()}
    for name in ("gradient", "DRAGAN"):
        np.testing.assert_allclose(found[name], np.full(3, (norm - 1) ** 2), atol=1e-5)
    np.testing.assert_allclose(found["one-sided"], np.full(3, max(0, norm - 1) ** 2), atol=1e-5)
    for name in ("R1", "R2"):
        np.testing.assert_allclose(found[name], np.full(3, norm**2), rtol=1e-5)


def test_where_the_gradient_is_taken():
    """Of |x|^2 / 2 the gradient is the image: between the two, around the real one, at either of them."""
    critic = lambda images: jnp.sum(images**2, axis=(1, 2, 3)) / 2  # noqa: E731
    shares = [float(jax.random.uniform(jax.random.fold_in(KEY, i))) for i in range(3)]
    points = [u * r + (1 - u) * f for u, r, f in zip(shares, np.asarray(REAL), np.asarray(FAKE), strict=True)]
    norms = np.array([np.linalg.norm(point) for point in points])
    np.testing.assert_allclose(gan.gradient_penalty(critic, REAL, FAKE, KEY), (norms - 1) ** 2, rtol=1e-5)
    np.testing.assert_allclose(gan.r1_penalty(critic, REAL), np.sum(np.asarray(REAL) ** 2, (1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(gan.r2_penalty(critic, FAKE), np.sum(np.asarray(FAKE) ** 2, (1, 2, 3)), rtol=1e-5)
    far = gan.dragan_penalty(critic, jnp.zeros((200, 4, 5, 2)), KEY, spread=2.0)
    np.testing.assert_allclose(np.mean((np.sqrt(far) + 1) ** 2), 40 * 4, rtol=0.1)  # 40 pixels of variance 4


@every_kind
def test_each_image_on_its_own(penalty):
    """Single images, a loop over them by the gradient of one score, and other images beside them."""
    weights = jax.random.normal(jax.random.key(1), REAL.shape[1:])
    critic, keys = functools.partial(curved, weights), jax.random.split(KEY, 3)
    penalties = jax.jit(functools.partial(penalty, critic))
    batch = penalties(REAL, FAKE, keys)
    for i in range(3):
        one = slice(i, i + 1)
        np.testing.assert_allclose(batch[one], penalties(REAL[one], FAKE[one], keys[one]), rtol=1e-4, atol=1e-6)
    slopes = jax.vmap(jax.grad(lambda image: curved(weights, image[None])[0]))(REAL)
    np.testing.assert_allclose(gan.squared_gradient_norms(critic, REAL), jnp.sum(slopes**2, (1, 2, 3)), rtol=1e-4)


@every_kind
def test_second_derivative_is_the_finite_difference(penalty):
    with jax.enable_x64(True):
        real, fake = (jnp.asarray(np.asarray(x, np.float64)) for x in (REAL, FAKE))
        weights = jnp.asarray(np.random.default_rng(0).normal(size=real.shape[1:]))

        @jax.jit
        def loss(weights):
            return penalty(functools.partial(curved, weights), real, fake, KEY)

        assert loss(weights).dtype == jnp.float64
        check_grads(loss, (weights,), order=1, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-6)


@every_penalty
def test_a_zero_gradient_has_a_finite_derivative(penalty):
    def loss(weights):
        return jnp.sum(penalty(functools.partial(linear, weights), REAL, FAKE, KEY))

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.zeros(REAL.shape[1:]))
    assert np.isfinite(value)
    np.testing.assert_array_equal(gradient, 0)


def test_a_critic_with_labels_is_a_closure_over_them():
    labels = jnp.array([2, 0, 1])
    slopes = jnp.array([1.0, 2.0, 3.0])
    critic = lambda images: slopes[labels] * images[:, 0, 0, 0]  # noqa: E731
    np.testing.assert_allclose(gan.gradient_penalty(critic, REAL, FAKE, KEY), [4, 0, 1], atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 4), (3, 3, 2, 5)])
def test_spectral_norm_is_the_largest_singular_value(shape):
    kernel = jax.random.normal(jax.random.key(3), shape)
    matrix = np.asarray(kernel, np.float64).reshape(-1, shape[-1])
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    (vector,) = gan.spectral_vectors([kernel], KEY)
    sigma, vector = gan.spectral_norm(kernel, vector, n_steps=200)
    np.testing.assert_allclose(sigma, values[0], rtol=1e-5)
    np.testing.assert_allclose(np.abs(vector), np.abs(right[0]), atol=1e-4)
    gradient = jax.grad(lambda kernel: gan.spectral_norm(kernel, vector)[0])(kernel)
    np.testing.assert_allclose(gradient.reshape(-1, shape[-1]), np.outer(left[:, 0], right[0]), atol=1e-4)


def test_spectral_normalisation_keeps_its_state_between_calls():
    """One step in each of many calls is as good as many steps in one; biases stay as they are."""
    model = {"a": jax.random.normal(KEY, (6, 4)), "b": jnp.ones(4), "c": jnp.zeros((4, 2))}
    vectors = gan.spectral_vectors(model, KEY)
    step = jax.jit(gan.spectral_normalize)
    for _ in range(100):
        normalized, vectors = step(model, vectors)
    np.testing.assert_allclose(np.linalg.norm(normalized["a"], 2), 1, rtol=1e-5)
    np.testing.assert_array_equal(normalized["b"], model["b"])
    np.testing.assert_array_equal(normalized["c"], 0)
    again, same = gan.spectral_normalize(model, vectors, n_steps=0)
    np.testing.assert_allclose(again["a"], normalized["a"], rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, same, vectors)
    gradient = jax.grad(lambda kernel: gan.spectral_norm(kernel, vectors[0])[0])(model["a"])
    assert np.isfinite(gradient).all()
    with pytest.raises(InputError, match="1 vectors do not fit the model's 2 kernels"):
        gan.spectral_normalize(model, vectors[:1])
    with pytest.raises(InputError, match="3 vectors do not fit the model's 2 kernels"):
        gan.spectral_normalize(model, (*vectors, vectors[0]))


def test_clipped_weights_are_bounded():
    found = gan.clip_weights({"w": jnp.array([-3.0, 0.05, 3.0])}, 0.1)
    np.testing.assert_allclose(found["w"], [-0.1, 0.05, 0.1])


def test_a_kernel_of_zeros_has_the_gradient_of_an_ordinary_one():
    model = {"kernel": jnp.zeros((3, 2))}
    vectors = gan.spectral_vectors(model, KEY)
    total = lambda model: jnp.sum(gan.spectral_normalize(model, vectors)[0]["kernel"])  # noqa: E731
    assert total(model) == 0
    np.testing.assert_array_equal(jax.grad(total)(model)["kernel"], np.ones((3, 2)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_has_a_derivative_at_a_gradient_of_zero(dtype):
    real, fake = REAL.astype(dtype), FAKE.astype(dtype)
    penalty = lambda weights: jnp.sum(gan.gradient_penalty(functools.partial(linear, weights), real, fake, KEY))  # noqa: E731
    assert np.isfinite(np.float32(jax.grad(penalty)(jnp.zeros(REAL.shape[1:], dtype)))).all()

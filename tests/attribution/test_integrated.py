"""Integrated gradients: closed forms, completeness on trained networks, memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import integrated_gradients
from jaxvision.attribution.integrated import gauss_legendre
from jaxvision.backbones import lenet, logits_fn, squeezenet1_1
from jaxvision.data import scene_batch, split_key
from jaxvision.errors import InputError
from jaxvision.pixels import normalize

IMAGES = jax.random.normal(jax.random.key(0), (3, 5, 4, 2))
LABELS = jnp.array([1, 0, 1])


def of_class(labels=LABELS):
    return np.eye(2)[np.asarray(labels)][:, None, None]


def powers(images, *, power):
    """Each channel's sum of powers is the logit of one class."""
    return jnp.sum(images**power, axis=(1, 2))


def digits():
    """A nought and a one."""
    rows = np.linspace(-1, 1, 28, dtype=np.float32)
    nought = np.exp(-((np.hypot(rows[:, None], rows) - 0.5) ** 2) / 0.02)
    one = np.exp(-(rows**2) / 0.02) * (np.abs(rows[:, None]) < 0.7)
    return np.stack([nought, one])[..., None], np.array([0, 1])


def test_of_a_linear_classifier_it_is_weight_times_way():
    weights = jax.random.normal(jax.random.key(1), (5, 4, 2, 2))
    found = integrated_gradients(lambda x: jnp.einsum("nhwc,hwck->nk", x, weights), IMAGES, LABELS, n_steps=1)
    np.testing.assert_allclose(found.attributions, IMAGES * jnp.moveaxis(weights[..., LABELS], -1, 0), rtol=1e-5)
    np.testing.assert_allclose(found.delta, 0, atol=1e-4)


@pytest.mark.parametrize(("power", "n_steps"), [(2, 1), (3, 2), (4, 2), (7, 4)])
def test_powers_are_shared_out_exactly(power, n_steps):
    """Of a sum over pixels each value contributes its own difference: a polynomial of degree 2K needs K nodes."""
    baseline = jax.random.normal(jax.random.key(2), IMAGES.shape)
    found = integrated_gradients(lambda x: powers(x, power=power), IMAGES, LABELS, baseline=baseline, n_steps=n_steps)
    expected = (np.asarray(IMAGES, np.float64) ** power - np.asarray(baseline, np.float64) ** power) * of_class()
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-4, atol=1e-4)


def test_a_product_is_shared_out_equally():
    """Symmetry: both factors contribute half, whatever their size."""
    image = jnp.array([2.0, 3.0]).reshape(1, 1, 2, 1)
    found = integrated_gradients(lambda x: x.prod(axis=(1, 2)), image, [0], n_steps=1)
    np.testing.assert_allclose(found.attributions.ravel(), [3, 3], rtol=1e-6)


def test_too_few_steps_show_in_delta():
    found = integrated_gradients(lambda x: powers(x, power=4), IMAGES, LABELS, n_steps=1)
    missed = (4 / 8 - 1) * jnp.sum(IMAGES**4 * of_class(), axis=(1, 2, 3))  # the midpoint's 4 (1/2)^3 for 1
    np.testing.assert_allclose(found.delta, missed, rtol=1e-4)


@pytest.mark.parametrize("baseline", [0.5, np.float32(0.5), np.full((2,), 0.5, np.float32), np.full((1, 5, 4, 2), 0.5)])
def test_a_baseline_is_broadcast(baseline):
    found = integrated_gradients(lambda x: powers(x, power=2), IMAGES, LABELS, baseline=baseline, n_steps=1)
    np.testing.assert_allclose(found.attributions, (IMAGES**2 - 0.25) * of_class(), rtol=1e-4, atol=1e-5)


def test_quadrature_is_exact_for_polynomials():
    for n in (1, 2, 5, 50):
        nodes, weights = gauss_legendre(n)
        for degree in {0, 1, n, 2 * n - 1}:
            assert weights @ nodes**degree == pytest.approx(1 / (degree + 1), rel=1e-12)


def test_completeness_on_lenet():
    """ReLUs switch on the way: 50 steps leave half a per cent, 500 less than a thousandth."""
    images, labels = digits()
    classifier = logits_fn(lenet(CHECKPOINTS / "lenet_mnist.safetensors"))
    logits = np.asarray(classifier(jnp.concatenate([images, 0 * images])))
    change = logits[[0, 1], labels] - logits[[2, 3], labels]
    assert (change > 5).all()
    for n_steps, missed in [(50, 1e-2), (500, 1e-3)]:
        found = integrated_gradients(classifier, images, labels, n_steps=n_steps)
        sums = np.asarray(found.attributions, np.float64).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(sums, change, rtol=missed)
        np.testing.assert_allclose(found.delta, sums - change, atol=1e-4)


@pytest.mark.slow
def test_completeness_on_squeezenet():
    """Far more ReLUs and pooling windows switch: 4,000 steps do for these; two of the first eight scenes take more."""
    images, labels = scene_batch(split_key(0, "test"), 2, 64)
    images = normalize(images)
    classifier = logits_fn(squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors"))
    logits = np.asarray(classifier(jnp.concatenate([images, 0 * images])))
    change = logits[[0, 1], labels] - logits[[2, 3], labels]
    found = integrated_gradients(classifier, images, labels, n_steps=4000)
    np.testing.assert_allclose(np.asarray(found.attributions, np.float64).sum(axis=(1, 2, 3)), change, rtol=1e-3)
    np.testing.assert_allclose(found.delta / change, 0, atol=1e-3)


@pytest.mark.parametrize("n", [1, 16])
def test_memory_does_not_grow_with_the_steps(n):
    classifier = logits_fn(lenet())

    def temporary(n_steps):
        program = jax.jit(lambda f, images, labels: integrated_gradients(f, images, labels, n_steps=n_steps))
        compiled = program.lower(classifier, jnp.zeros((n, 28, 28, 1)), jnp.zeros(n, jnp.int32)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    few, many = temporary(10), temporary(1000)
    assert few > 4 * n * 24 * 24 * 20  # it is counted: the first layer's activations are more
    assert abs(many - few) <= 0.01 * few


def test_bad_input_is_one_sentence():
    def square(images):
        return powers(images, power=2)

    with pytest.raises(InputError, match="n_steps must be 1 or more, got 0"):
        integrated_gradients(square, IMAGES, LABELS, n_steps=0)
    with pytest.raises(InputError, match=r"broadcast to the images' shape \(3, 5, 4, 2\), got shape \(3,\)"):
        integrated_gradients(square, IMAGES, LABELS, baseline=np.zeros(3, np.float32))
    with pytest.raises(InputError, match="floats in the range of the images, got uint8"):
        integrated_gradients(square, IMAGES, LABELS, baseline=np.zeros((5, 4, 2), np.uint8))
    with pytest.raises(InputError, match="got 2 at position 1"):
        integrated_gradients(square, IMAGES, [0, 2, 1])

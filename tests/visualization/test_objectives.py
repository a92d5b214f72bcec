import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.errors import InputError
from jaxvision.visualization import (
    add,
    alignment,
    channel,
    class_logit,
    direction,
    diversity,
    energy,
    likeness,
    log_probability,
    neuron,
    scale,
)

FEATURES = np.random.default_rng(0).normal(size=(4, 3, 5, 6)).astype(np.float32)
ACTIVATIONS = {"conv": jnp.asarray(FEATURES), "other": jnp.zeros((4, 1, 1, 2))}
CHANNELS = np.array([2, 0, 5, 5])
VECTORS = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
ROWS = np.arange(4)


def cosine(a, b):
    return np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2))


def test_one_number_each_by_hand():
    means = FEATURES.mean(axis=(1, 2))
    expected = {
        channel("conv", CHANNELS): means[ROWS, CHANNELS],
        neuron("conv", CHANNELS): FEATURES[ROWS, 1, 2, CHANNELS],
        neuron("conv", CHANNELS, (2, 4)): FEATURES[ROWS, 2, 4, CHANNELS],
        direction("conv", VECTORS): np.einsum("nhwc,nc->n", FEATURES, VECTORS) / 15,
        energy("conv"): (FEATURES**2).sum(axis=(1, 2, 3)) / (2 * 90),
    }
    for objective, values in expected.items():
        np.testing.assert_allclose(objective(ACTIVATIONS), values, rtol=1e-5, atol=1e-6)
    logits = FEATURES[:, 0, 0]
    np.testing.assert_array_equal(class_logit(CHANNELS)(jnp.asarray(logits)), logits[ROWS, CHANNELS])
    expected = logits[ROWS, CHANNELS] - 5 * np.log(np.exp(logits / 5).sum(axis=1))
    np.testing.assert_allclose(log_probability(CHANNELS, temperature=5.0)(jnp.asarray(logits)), expected, rtol=1e-5)


def test_one_example_serves_all_images():
    one = likeness("conv", FEATURES[:1])(ACTIVATIONS)
    np.testing.assert_allclose(one, likeness("conv", FEATURES[:1].repeat(4, axis=0))(ACTIVATIONS), rtol=1e-5)


def test_sums_and_multiples():
    total = add(scale(channel("conv", CHANNELS), 2.0), scale(energy("conv"), -0.5), energy("conv"))
    expected = 2 * channel("conv", CHANNELS)(ACTIVATIONS) + 0.5 * energy("conv")(ACTIVATIONS)
    np.testing.assert_allclose(total(ACTIVATIONS), expected, rtol=1e-5)
    own = add(lambda activations: activations["conv"][:, 0, 0, 0], channel("conv", CHANNELS))
    np.testing.assert_allclose(own(ACTIVATIONS), FEATURES[:, 0, 0, 0] + FEATURES.mean(axis=(1, 2))[ROWS, CHANNELS])


def test_diversity_is_minus_the_mean_cosine_of_gram_matrices_within_a_group():
    grams = [f.reshape(-1, 6).T @ f.reshape(-1, 6) for f in FEATURES]
    expected = [-np.mean([cosine(grams[a], grams[b]) for b in range(4) if b != a]) for a in range(4)]
    np.testing.assert_allclose(diversity("conv", 4)(ACTIVATIONS), expected, rtol=1e-5)
    pairs = diversity("conv", 2)(ACTIVATIONS)
    np.testing.assert_allclose(pairs, np.repeat([-cosine(*grams[:2]), -cosine(*grams[2:])], 2), rtol=1e-5)
    changed = {"conv": ACTIVATIONS["conv"].at[3].multiply(-2.0).at[3, 0].set(1.0)}
    np.testing.assert_array_equal(diversity("conv", 2)(changed)[:2], pairs[:2])
    assert not np.isclose(diversity("conv", 2)(changed)[2], pairs[2])


def test_alignment_adds_up_to_the_weighted_squares_between_neighbours():
    aligned = alignment("conv", 4, reach=2, decay=3.0)(ACTIVATIONS)
    pairs = [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)]
    total = sum(np.mean((FEATURES[a] - FEATURES[b]) ** 2) / 3.0 ** (b - a) for a, b in pairs)
    np.testing.assert_allclose(aligned.sum(), -total, rtol=1e-5)
    assert (alignment("conv", 2)({"conv": jnp.ones((4, 2, 2, 3))}) == 0).all()


def test_likeness_is_a_product_times_a_power_of_the_cosine():
    given = np.random.default_rng(2).normal(size=FEATURES.shape).astype(np.float32) + FEATURES
    products = [np.sum(a * b) / 15 for a, b in zip(FEATURES, given, strict=True)]
    cosines = [max(cosine(a, b), 0.1) for a, b in zip(FEATURES, given, strict=True)]
    for power in (0.0, 1.0, 2.0):
        expected = np.array(products) * np.array(cosines) ** power
        np.testing.assert_allclose(likeness("conv", given, power=power)(ACTIVATIONS), expected, rtol=1e-4)
    np.testing.assert_allclose(likeness("conv", given[:, :2])(ACTIVATIONS), _of_means(given[:, :2]), rtol=1e-4)


def _of_means(given):
    means = zip(given.mean(axis=(1, 2)), FEATURES.mean(axis=(1, 2)), strict=True)
    return [a @ b * max(cosine(a, b), 0.1) for a, b in means]


def test_silent_layers_have_finite_values_and_gradients():
    silent = {"conv": jnp.zeros((4, 2, 2, 3))}
    for objective in (diversity("conv", 2), likeness("conv", jnp.ones((4, 2, 2, 3))), alignment("conv", 2)):
        gradient = jax.jit(jax.grad(lambda activations, o=objective: o(activations).sum()))(silent)["conv"]
        assert np.isfinite(objective(silent)).all()
        assert np.isfinite(gradient).all()


def test_gradients_are_finite_differences():
    with jax.enable_x64(True):
        features = jnp.asarray(FEATURES, jnp.float64)
        objective = add(
            channel("conv", CHANNELS),
            direction("conv", jnp.asarray(VECTORS, jnp.float64)),
            diversity("conv", 2),
            alignment("conv", 4),
            likeness("conv", features + 1.0, power=2.0),
            scale(energy("conv"), 3.0),
        )
        value = jax.jit(lambda x: objective({"conv": x}))
        check_grads(value, (features,), order=1, modes=["rev"], rtol=1e-6)


def test_one_program_for_all_channels_and_weights():
    traces = []

    @jax.jit
    def value(objective, activations):
        traces.append(1)
        return objective(activations)

    for seed in range(3):
        channels = np.random.default_rng(seed).integers(0, 6, size=4)
        value(add(channel("conv", channels), scale(diversity("conv", 2), float(seed))), ACTIVATIONS)
    assert len(traces) == 1


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match='there is no layer "fire2": the network gives conv, other'):
        energy("fire2")(ACTIVATIONS)
    with pytest.raises(InputError, match=r"one class or channel for each of the 4 images, got shape \(2,\)"):
        channel("conv", [1, 2])(ACTIVATIONS)
    with pytest.raises(InputError, match=r"n_group must be 2 or more and a divisor .* images, got 3 for 4"):
        diversity("conv", 3)(ACTIVATIONS)
    with pytest.raises(InputError, match=r'no neuron at \(3, 0\): the activations of "conv" are 3 x 5'):
        neuron("conv", CHANNELS, (3, 0))(ACTIVATIONS)
    for wrong in (FEATURES[:3], FEATURES[..., :5]):
        with pytest.raises(InputError, match="6 channels of 4 images"):
            likeness("conv", wrong)(ACTIVATIONS)

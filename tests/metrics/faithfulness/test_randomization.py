"""Cascading randomisation: models whose layers are known to count, or not to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.networks import CHECKPOINTS
from jaxvision.attribution.gradients import logit_gradient
from jaxvision.backbones import lenet, logits_fn
from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import cascading_randomization, redraw
from jaxvision.metrics.faithfulness.spearman import pearson

KEY = jax.random.key(3)
IMAGES = jax.random.normal(jax.random.key(0), (2, 6, 5, 2))
LABELS = np.array([1, 0])


def make_model():
    rng = np.random.default_rng(1)
    return {
        "fc1": {"kernel": jnp.asarray(rng.normal(size=(60, 8)), jnp.float32), "bias": jnp.ones(8)},
        "fc2": {"kernel": jnp.asarray(rng.normal(size=(8, 3)), jnp.float32), "bias": jnp.zeros(3)},
        "fc21": jnp.arange(3.0),
    }


def two_layers(model, images):
    hidden = jnp.tanh(0.2 * images.reshape(len(images), -1) @ model["fc1"]["kernel"] + model["fc1"]["bias"][None])
    return hidden @ model["fc2"]["kernel"] + model["fc2"]["bias"][None] + model["fc21"][None]


def gradient(model, images, labels):
    return logit_gradient(lambda x: two_layers(model, x), images, labels)


def test_each_step_is_the_map_of_the_model_that_lost_so_much():
    layers = ["fc2", "fc1.kernel"]
    found = cascading_randomization(gradient, make_model(), IMAGES, LABELS, layers, key=KEY)
    model = make_model()
    original = np.asarray(gradient(model, IMAGES, jnp.asarray(LABELS)))
    leaves = [("fc2", "bias", 2), ("fc2", "kernel", 3), ("fc1", "kernel", 1)]  # places in the order of their names
    for lost, step in [(leaves[:2], 0), (leaves[2:], 1)]:
        for layer, name, place in lost:
            model[layer][name] = redraw(jax.random.fold_in(KEY, place), model[layer][name])
        maps = np.asarray(gradient(model, IMAGES, jnp.asarray(LABELS)))
        np.testing.assert_allclose(found.maps[step], maps, rtol=1e-4, atol=1e-6)
        expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(maps, original, strict=True)]
        np.testing.assert_allclose(found.correlations[step], expected, atol=1e-4)
    assert np.abs(found.correlations).max() < 0.9


def test_jit_is_eager_each_image_is_on_its_own_and_other_weights_are_no_new_program():
    traces = []

    def counted(model, images, labels):
        traces.append(images.shape)
        return gradient(model, images, labels)

    def run(model, images=IMAGES, labels=LABELS, key=KEY):
        return cascading_randomization(counted, model, images, labels, ["fc2", "fc1"], key=key)

    found = run(make_model())
    first = len(traces)
    again, other = run(make_model()), run(make_model(), key=jax.random.key(4))
    run(jax.tree.map(jnp.negative, make_model()), -IMAGES, 1 - LABELS)
    assert len(traces) == first > 0
    jax.tree.map(np.testing.assert_array_equal, again, found)
    assert np.abs(other.maps - found.maps).max() > 0.01
    for i in range(2):
        single = run(make_model(), IMAGES[i : i + 1], LABELS[i : i + 1])
        jax.tree.map(lambda x, y, i=i: np.testing.assert_allclose(x[:, 0], y[:, i], atol=1e-5), single, found)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), jax.jit(run)(make_model()), found)


def test_an_edge_detector_does_not_care():
    edges = lambda model, images, labels: jnp.abs(jnp.diff(images, axis=1)).sum(axis=-1)  # noqa: E731
    found = cascading_randomization(edges, make_model(), IMAGES, LABELS, ["fc2", "fc1"], key=KEY)
    np.testing.assert_allclose(found.correlations, 1, rtol=1e-5)


def test_a_layer_is_its_whole_name():
    seen = lambda model, images, labels: jnp.stack([model["fc21"], model["fc21"]])  # noqa: E731
    found = cascading_randomization(seen, make_model(), IMAGES, LABELS, ["fc2", "fc21"], key=KEY, initialize=negative)
    np.testing.assert_allclose(found.correlations, [[1, 1], [-1, -1]], rtol=1e-6)


def negative(key, leaf):
    return -leaf


def test_noise_has_the_weights_mean_and_deviation():
    leaf = 3 + 0.5 * jax.random.normal(jax.random.key(1), (200, 50))
    drawn = redraw(KEY, leaf)
    np.testing.assert_allclose(drawn.mean(), 3, atol=4.5 * 0.5 / 1e2)
    np.testing.assert_allclose(drawn.std(), 0.5, rtol=0.05)
    assert abs(np.corrcoef(drawn.ravel(), leaf.ravel())[0, 1]) < 0.05
    np.testing.assert_array_equal(redraw(KEY, jnp.arange(3)), jnp.arange(3))


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r'layer "fc3" has no leaf of its own among fc1.bias, fc1.kernel'):
        cascading_randomization(gradient, make_model(), IMAGES, LABELS, ["fc2", "fc3"], key=KEY)
    with pytest.raises(InputError, match=r'layer "fc2.bias" has no leaf of its own'):
        cascading_randomization(gradient, make_model(), IMAGES, LABELS, ["fc2", "fc2.bias"], key=KEY)
    with pytest.raises(InputError, match="one layer or more to lose"):
        cascading_randomization(gradient, make_model(), IMAGES, LABELS, [], key=KEY)
    with pytest.raises(InputError, match="labels must be one integer for each of the 2 images"):
        cascading_randomization(gradient, make_model(), IMAGES, [0], ["fc2"], key=KEY)


def test_a_flax_networks_layers_go_by_their_paths():
    """And a gradient changes with the layers that are lost."""
    model = lenet(CHECKPOINTS / "lenet_mnist.safetensors")

    def magnitude(model, images, labels):
        return jnp.abs(logit_gradient(logits_fn(model), images, labels))[..., 0]

    layers = [f"layers.{name}" for name in ("fc2", "fc1", "conv2", "conv1")]
    images = jax.random.uniform(jax.random.key(0), (2, 28, 28, 1))
    found = cascading_randomization(magnitude, model, images, LABELS, layers, key=KEY)
    assert found.correlations.shape == (4, 2)
    assert found.maps.shape == (4, 2, 28, 28)
    assert found.correlations.max() < 0.9
    assert found.correlations[-1].max() < 0.5


def test_a_correlation_of_huge_or_tiny_numbers_is_that_of_others():
    for size in (1.0, 1e30, 1e-30):
        values = size * jnp.array([[1.0, 2.0, 4.0]])
        np.testing.assert_allclose(pearson(values, jnp.array([[2.0, 1.0, 0.0]])), [-0.98198], rtol=1e-4)

"""Class activation maps: closed forms of linear heads, and many layers at once against one at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, layer_cams, xgrad_cam
from jaxvision.backbones import VGG, lenet, scenenet, squeezenet1_1
from jaxvision.errors import InputError

CAMS = [grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam]
FEATURES = jnp.abs(jax.random.normal(jax.random.key(0), (2, 4, 5, 3)))
WEIGHTS = jax.random.normal(jax.random.key(1), (3, 6))
LABELS = jnp.array([5, 0])


def mean_head(x):
    return x.mean(axis=(1, 2)) @ WEIGHTS


def pixel_head(x):
    """A weight of its own for each value, so that derivatives differ from pixel to pixel."""
    weights = jax.random.normal(jax.random.key(2), (x[0].size, 6))
    return x.reshape(len(x), -1) @ weights


def gradient_of_pixel_head():
    weights = np.asarray(jax.random.normal(jax.random.key(2), (FEATURES[0].size, 6)))
    return weights[:, np.asarray(LABELS)].T.reshape(FEATURES.shape)


def positive(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("cam", [grad_cam, hires_cam, xgrad_cam], ids=lambda cam: cam.__name__)
def test_of_a_mean_and_a_linear_layer_they_are_the_class_activation_map(cam):
    """Zhou et al., 2016, equation 2: the last layer's weights on the features."""
    expected = np.einsum("nhwc,cn->nhw", FEATURES, WEIGHTS[:, LABELS]) / 20
    found = cam(mean_head, FEATURES, LABELS)
    np.testing.assert_allclose(found, expected if cam is hires_cam else positive(expected), atol=1e-6)


def test_each_is_its_equation_where_derivatives_differ_between_pixels():
    features, g = np.asarray(FEATURES, np.float64), gradient_of_pixel_head().astype(np.float64)
    alphas = g**2 / (2 * g**2 + g**3 * features.sum(axis=(1, 2), keepdims=True))
    plus_plus = (alphas * positive(g)).sum(axis=(1, 2), keepdims=True)
    expected = {
        grad_cam: positive((g.mean(axis=(1, 2), keepdims=True) * features).sum(axis=-1)),
        grad_cam_plus_plus: positive((plus_plus * features).sum(axis=-1)),
        hires_cam: (g * features).sum(axis=-1),
        layer_cam: positive((positive(g) * features).sum(axis=-1)),
    }
    for cam, theirs in expected.items():
        np.testing.assert_allclose(cam(pixel_head, FEATURES, LABELS), theirs, rtol=1e-4, atol=1e-4, err_msg=str(cam))


def test_hires_cam_adds_up_to_the_logit_of_a_linear_head():
    found = hires_cam(lambda x: pixel_head(x) + 7.0, FEATURES, LABELS).sum(axis=(1, 2))
    np.testing.assert_allclose(found, pixel_head(FEATURES)[jnp.arange(2), LABELS], rtol=1e-4)


def test_grad_cam_plus_plus_counts_every_region_in_full():
    """Of a channel active in one pixel and one active in two, the latter's pixels lose less than by Grad-CAM's mean."""
    features = jnp.zeros((1, 2, 2, 2)).at[0, 0, 0, 0].set(1).at[0, 1, :, 1].set(1)
    is_class = jnp.ones((1, 1))

    def head(x):  # a channel says the same whether it saw one region or two
        return jnp.sqrt(jnp.sum(x**2, axis=(1, 2))).sum(axis=1, keepdims=True) @ is_class

    plus_plus, plain = (np.asarray(cam(head, features, [0]))[0] for cam in (grad_cam_plus_plus, grad_cam))
    assert plus_plus[1, 0] / plus_plus[0, 0] == pytest.approx(2 * 0.5**0.5 / (2 + 2**0.5) / (1 / 3), rel=1e-4)
    assert plain[1, 0] / plain[0, 0] == pytest.approx(2**0.5, rel=1e-4)


def test_a_silent_derivative_is_no_division_by_zero():
    """A negative feature sum can make the denominator zero, and a zero derivative its numerator too."""
    features = jnp.array([[[[-2.0, 1.0]]]])
    found = grad_cam_plus_plus(lambda x: x.sum(axis=(1, 2)) @ jnp.array([[1.0], [0.0]]), features, [0])
    np.testing.assert_array_equal(found, jnp.zeros((1, 1, 1)))


def tapped(images, taps):
    """Two layers with pixels and one without."""
    first = jax.nn.relu(images @ WEIGHTS) + taps.get("first", 0)
    second = jnp.sin(first[:, ::2]) ** 2 + taps.get("second", 0)
    flat = second.sum(axis=(1, 2)) + taps.get("flat", 0)
    return flat @ WEIGHTS.T, {"first": first, "second": second, "flat": flat}


@pytest.mark.parametrize("cam", CAMS, ids=lambda cam: cam.__name__)
def test_every_layer_at_once_is_each_layer_by_itself(cam):
    labels = jnp.array([2, 0])
    found = layer_cams(tapped, FEATURES, labels, cam=cam)
    assert list(found) == ["first", "second"]  # the third has no pixels
    _, seen = tapped(FEATURES, {})

    def from_second(x):
        return x.sum(axis=(1, 2)) @ WEIGHTS.T

    for layer, head in {"first": lambda x: from_second(jnp.sin(x[:, ::2]) ** 2), "second": from_second}.items():
        expected = cam(head, seen[layer], labels)
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(found[layer], expected, rtol=1e-4, atol=1e-5)


def test_a_backbone_is_a_tapped_function():
    model = lenet(CHECKPOINTS / "lenet_mnist.safetensors")
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 28, 28, 1)), jnp.float32)
    found = layer_cams(model, images, [3, 8], layers=["pool2", "relu1"], cam=hires_cam)
    assert {name: value.shape for name, value in found.items()} == {"pool2": (2, 4, 4), "relu1": (2, 24, 24)}

    def head(x):
        return model.layers["fc2"](jax.nn.relu(model.layers["fc1"](x.reshape(len(x), -1))))

    expected = hires_cam(head, jax.jit(lambda m, x: m(x)[1]["pool2"])(model, images), jnp.array([3, 8]))
    np.testing.assert_allclose(found["pool2"], expected, rtol=1e-3, atol=1e-4)


NETWORKS = {
    "LeNet": (lenet, (2, 28, 28, 1), "relu1"),
    "SqueezeNet": (lambda: squeezenet1_1(num_classes=3), (2, 33, 33, 3), "fire4"),
    "SceneNet": (lambda: scenenet(n_scores=2), (2, 16, 16, 3), "conv4"),
    "VGG": (lambda: VGG((1, 1, 1, 1, 1), 3, key=jax.random.key(0)), (2, 32, 32, 3), "relu3_1"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_tap_is_added_to_what_a_network_goes_on_with(name):
    network, shape, layer = NETWORKS[name]
    model = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.01, leaf.dtype), jax.eval_shape(network))
    images = jnp.asarray(np.random.default_rng(0).uniform(size=shape), jnp.float32)
    program = jax.jit(lambda model, images, taps: model(images, taps))
    zeros = jnp.zeros(jax.eval_shape(model, images)[1][layer].shape)
    logits, seen = program(model, images, {layer: zeros})
    moved, seen_after = program(model, images, {layer: zeros + 0.1})
    np.testing.assert_allclose(seen_after[layer], seen[layer] + 0.1, rtol=1e-5)
    assert np.all(moved > 1.001 * logits)


def test_one_sentence_for_a_layer_that_is_not_there_or_has_no_pixels():
    with pytest.raises(InputError, match='there is no layer "third", the network has first, '):
        layer_cams(tapped, FEATURES, [0, 1], layers=["third"])
    with pytest.raises(InputError, match=r'must have pixels, shape \(N, h, w, c\), got "flat" of shape \(2, 6\)'):
        layer_cams(tapped, FEATURES, [0, 1], layers=["flat"])

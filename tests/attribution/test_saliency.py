import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import saliency_map
from jaxvision.errors import InputError

IMAGES = jax.random.normal(jax.random.key(0), (3, 5, 4, 3))
LABELS = jnp.array([1, 0, 1])


def test_linear_classifier_has_its_weights_as_saliency():
    weights = jax.random.normal(jax.random.key(1), (5, 4, 3, 2))
    saliency = saliency_map(lambda images: jnp.einsum("nhwc,hwck->nk", images, weights), IMAGES, LABELS)
    expected = jnp.abs(weights).max(axis=2)[..., LABELS]
    np.testing.assert_allclose(saliency, jnp.moveaxis(expected, -1, 0), rtol=1e-6)


def test_saliency_is_the_largest_finite_difference_over_channels():
    def logits_fn(images):
        total = images.sum(axis=(1, 2, 3))
        return jnp.stack([jnp.sin(total), jnp.sum(images**3, axis=(1, 2, 3))], axis=1)

    with jax.enable_x64(True):
        images, eps = jnp.asarray(IMAGES, jnp.float64), 1e-6
        saliency = saliency_map(logits_fn, images, LABELS)
        for i in range(3):
            differences = np.zeros((5, 4, 3))
            for place in np.ndindex(5, 4, 3):
                step = jnp.zeros((5, 4, 3)).at[place].set(eps)
                up, down = logits_fn(jnp.stack([images[i] + step, images[i] - step]))[:, LABELS[i]]
                differences[place] = abs(up - down) / (2 * eps)
            np.testing.assert_allclose(saliency[i], differences.max(axis=-1), rtol=1e-6, atol=1e-8)


def test_only_the_label_counts():
    def logits_fn(images):
        return jnp.stack([images[:, 0, 0, 0], 7 * images[:, 1, 2, 1]], axis=1)

    saliency = saliency_map(logits_fn, IMAGES, LABELS)
    expected = np.zeros((3, 5, 4))
    expected[[0, 2], 1, 2], expected[1, 0, 0] = 7, 1
    np.testing.assert_array_equal(saliency, expected)


def test_bad_input_is_one_sentence():
    def logits_fn(images):
        return images.mean(axis=(1, 2))

    with pytest.raises(InputError, match="got 3 at position 2"):
        saliency_map(logits_fn, IMAGES, [0, 1, 3])
    with pytest.raises(InputError, match=r"shape \(3,\), got shape \(2,\)"):
        saliency_map(logits_fn, IMAGES, [0, 1])
    with pytest.raises(InputError, match="got a tuple"):
        saliency_map(lambda images: (logits_fn(images), {}), IMAGES, LABELS)


@pytest.mark.peers
def test_saliency_is_captums_and_autograds():
    torch = pytest.importorskip("torch")
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(16, 7),
    )  # fmt: skip
    conv, linear = net[0], net[4]
    kernel, bias, w, b = (p.detach().numpy() for p in (conv.weight, conv.bias, linear.weight, linear.bias))

    def logits_fn(images):
        features = jax.lax.conv_general_dilated(
            images, kernel.transpose(2, 3, 1, 0), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jax.nn.relu(features + bias[None, None, None]).mean(axis=(1, 2)) @ w.T + b[None]

    images, labels = np.random.default_rng(0).normal(size=(4, 9, 8, 3)).astype(np.float32), np.array([0, 6, 3, 3])
    x = torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).gather(1, torch.tensor(labels)[:, None]).sum(), x)
    captum = attr.Saliency(net).attribute(x, target=torch.tensor(labels), abs=True)
    saliency = saliency_map(logits_fn, images, labels)
    np.testing.assert_allclose(saliency, gradient.abs().amax(dim=1), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(saliency, captum.detach().amax(dim=1), rtol=1e-4, atol=1e-8)

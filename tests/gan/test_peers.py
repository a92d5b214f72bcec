"""The course's networks and losses against PyTorch, on the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import cs231n, gan
from jaxvision.backbones import state_dict

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")


def tensors(model, torch):
    return {name: torch.from_numpy(array).double() for name, array in state_dict(model).items()}


def widened(model):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), model)


def dcgan_in_torch(torch, w, z, *, training):
    f = torch.nn.functional

    def norm(name, x):
        moments = (None, None) if training else (w[f"{name}.running_mean"], w[f"{name}.running_var"])
        return f.batch_norm(x, *moments, w[f"{name}.weight"], w[f"{name}.bias"], training=training, eps=1e-5)

    x = norm("norm1", f.relu(f.linear(z, w["fc1.weight"], w["fc1.bias"])))
    x = norm("norm2", f.relu(f.linear(x, w["fc2.weight"], w["fc2.bias"])))
    x = x.view(-1, 7, 7, 128).permute(0, 3, 1, 2)  # our channels come last
    x = norm("norm3", f.relu(f.conv_transpose2d(x, w["deconv1.weight"], w["deconv1.bias"], stride=2, padding=1)))
    return torch.tanh(f.conv_transpose2d(x, w["deconv2.weight"], w["deconv2.bias"], stride=2, padding=1))


def critic_in_torch(torch, w, images):
    f = torch.nn.functional
    x = f.max_pool2d(f.leaky_relu(f.conv2d(images, w["conv1.weight"], w["conv1.bias"]), 0.01), 2)
    x = f.max_pool2d(f.leaky_relu(f.conv2d(x, w["conv2.weight"], w["conv2.bias"]), 0.01), 2)
    x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
    x = f.leaky_relu(f.linear(x, w["fc1.weight"], w["fc1.bias"]), 0.01)
    return f.linear(x, w["fc2.weight"], w["fc2.bias"])


@pytest.mark.parametrize("training", [False, True])
def test_images_are_pytorchs(torch, random, training):
    with jax.enable_x64(True):
        generator = widened(random(lambda: gan.dcgan_generator(4)))
        z = np.random.default_rng(1).normal(size=(5, 4))
        found = gan.draw_on_batch(generator, jnp.asarray(z))[0] if training else generator(jnp.asarray(z))
        expected = dcgan_in_torch(torch, tensors(generator, torch), torch.from_numpy(z), training=training)
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1), atol=1e-8)
    assert 0.01 < np.abs(found).mean() < 0.99


def test_critics_penalty_and_its_gradient_are_pytorchs(torch, random):
    """WGAN-GP's loss of the convolutional critic, differentiated twice; the points between are given."""
    rng = np.random.default_rng(2)
    real, fake = rng.uniform(-1, 1, (2, 3, 28, 28, 1))
    key = jax.random.key(5)
    with jax.enable_x64(True):
        critic = widened(random(gan.dcgan_critic))
        shares = np.array([jax.random.uniform(jax.random.fold_in(key, i), dtype=jnp.float64) for i in range(3)])

        def loss(critic):
            images = jnp.asarray(real), jnp.asarray(fake)
            return cs231n.wgangp_discriminator_loss(critic, *map(critic, images), *images, key)

        value, gradient = jax.jit(jax.value_and_grad(loss))(critic)
        w = {name: tensor.requires_grad_(True) for name, tensor in tensors(critic, torch).items()}
    r, f = (torch.from_numpy(x).permute(0, 3, 1, 2) for x in (real, fake))
    alpha = torch.from_numpy(shares).view(-1, 1, 1, 1)
    between = (alpha * r + (1 - alpha) * f).requires_grad_(True)
    (slope,) = torch.autograd.grad(critic_in_torch(torch, w, between).sum(), between, create_graph=True)
    penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
    expected = critic_in_torch(torch, w, f).mean() - critic_in_torch(torch, w, r).mean() + 10 * penalty
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-9)
    for name, array in state_dict(gradient).items():
        theirs = np.zeros(array.shape) if w[name].grad is None else w[name].grad.numpy()
        np.testing.assert_allclose(array, theirs, rtol=1e-6, atol=1e-8 * (1 + np.abs(theirs).max()))


@pytest.mark.parametrize(("size", "stride", "padding"), [(4, 2, 1), (5, 2, 2), (5, 3, 0)])
def test_transposed_convolution_is_pytorchs(torch, size, stride, padding):
    rng = np.random.default_rng(0)
    x, kernel, bias = (rng.normal(size=shape) for shape in [(2, 5, 6, 3), (size, size, 4, 3), (4,)])
    weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    theirs = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), weight, torch.from_numpy(bias), stride, padding
    )
    with jax.enable_x64(True):
        for form in (gan.conv_transpose_subpixel, gan.conv_transpose_direct):
            ours = form(*map(jnp.asarray, (x, kernel, bias)), stride=stride, padding=padding)
            np.testing.assert_allclose(ours, theirs.permute(0, 2, 3, 1), rtol=1e-10, atol=1e-12)


def test_spectral_norm_is_pytorchs(torch):
    layer = torch.nn.Linear(7, 5, bias=False).double()
    weight = layer.weight.detach().numpy().copy()
    torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=100)
    theirs = layer.weight.detach().numpy()
    with jax.enable_x64(True):
        kernel = jnp.asarray(weight.T)
        vectors = gan.spectral_vectors([kernel], jax.random.key(0))
        (ours,), _ = gan.spectral_normalize([kernel], tuple(v.astype(jnp.float64) for v in vectors), n_steps=100)
    np.testing.assert_allclose(ours, theirs.T, rtol=1e-6)

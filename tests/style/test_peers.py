"""The assignment's run in PyTorch, written as the course writes it, against ours on the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import cs231n
from jaxvision.backbones import squeezenet1_1, state_dict
from jaxvision.pixels import IMAGENET_MEAN, IMAGENET_STD, normalize

pytestmark = pytest.mark.peers

LAYERS, WEIGHTS, CONTENT_LAYER, CONTENT_WEIGHT, TV_WEIGHT = [1, 4, 6, 7], [3e5, 1e3, 15.0, 3.0], 3, 6e-2, 2e-2


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")


@pytest.fixture(scope="module")
def cnn():
    return squeezenet1_1(key=jax.random.key(3))


@pytest.fixture(scope="module")
def pictures():
    """Noise: no two members of a pooling window are equal."""
    return tuple(np.random.default_rng(k).uniform(size=(1, *size, 3)) for k, size in enumerate([(48, 60), (36, 55)]))


def course_run(torch, cnn, content, style, n_steps):
    """Losses, schedule and clamps of the notebook, `n_steps` standing for its 200."""
    from experiments.peers import SqueezeNet

    net = SqueezeNet().double()
    net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state_dict(cnn).items()})
    features = net.requires_grad_(False).features

    def extract(x):
        found = []
        for layer in features:
            x = layer(x)
            found.append(x)
        return found

    def gram(f):
        n, c, h, w = f.shape
        flat = f.view(n, c, h * w)
        return flat.bmm(flat.transpose(1, 2)) / (h * w * c)

    def tensor(image):
        mean, std = (np.array(values) for values in (IMAGENET_MEAN, IMAGENET_STD))
        return torch.from_numpy((image - mean) / std).permute(0, 3, 1, 2).contiguous()

    target = extract(tensor(content))[CONTENT_LAYER]
    grams = [gram(extract(tensor(style))[layer]) for layer in LAYERS]
    image = tensor(content).requires_grad_(True)
    optimizer, late, last = torch.optim.Adam([image], lr=3.0), n_steps * 9 // 10, n_steps * 19 // 20
    first = None
    for t in range(n_steps):
        if t < last:
            image.data.clamp_(-1.5, 1.5)
        optimizer.zero_grad()
        feats = extract(image)
        loss = CONTENT_WEIGHT * ((feats[CONTENT_LAYER] - target) ** 2).sum()
        loss = loss + sum(w * ((gram(feats[i]) - g) ** 2).sum() for i, g, w in zip(LAYERS, grams, WEIGHTS, strict=True))
        down = (image[:, :, 1:] - image[:, :, :-1]) ** 2
        right = (image[:, :, :, 1:] - image[:, :, :, :-1]) ** 2
        loss = loss + TV_WEIGHT * (down.sum() + right.sum())
        loss.backward()
        first = first if first is not None else (loss.item(), image.grad.permute(0, 2, 3, 1).numpy().copy())
        if t == late:
            optimizer = torch.optim.Adam([image], lr=0.1)
        optimizer.step()
    return first, image.detach().permute(0, 2, 3, 1).numpy()


def test_loss_and_gradient_are_pytorchs(torch, cnn, pictures):
    content, style = pictures
    (loss, gradient), _ = course_run(torch, cnn, content, style, n_steps=1)
    with jax.enable_x64(True):
        check_loss_and_gradient(cnn, content, style, loss, gradient)


def check_loss_and_gradient(cnn, content, style, loss, gradient):
    cnn = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), cnn)
    original = cs231n.extract_features(normalize(content), cnn)[CONTENT_LAYER]
    style_features = cs231n.extract_features(normalize(style), cnn)
    targets = [cs231n.gram_matrix(style_features[layer]) for layer in LAYERS]

    def objective(image):
        feats = cs231n.extract_features(image, cnn)
        return (
            cs231n.content_loss(CONTENT_WEIGHT, feats[CONTENT_LAYER], original)
            + cs231n.style_loss(feats, LAYERS, targets, WEIGHTS)
            + cs231n.tv_loss(image, TV_WEIGHT)
        )

    image = normalize(content)  # one step of twenty clamps nothing
    ours, found = jax.jit(jax.value_and_grad(objective))(image)
    np.testing.assert_allclose(ours, loss, rtol=1e-10)
    np.testing.assert_allclose(found, gradient, rtol=1e-8, atol=1e-8 * np.abs(gradient).max())


def test_the_schedule_is_pytorchs(torch, cnn, pictures):
    """Both optimisers and the clamps, in twenty steps and 64 bits: Adam's steps of 3.0 forgive no difference."""
    content, style = pictures
    _, expected = course_run(torch, cnn, content, style, n_steps=20)
    arguments = (CONTENT_LAYER, CONTENT_WEIGHT, LAYERS, WEIGHTS, TV_WEIGHT)
    with jax.enable_x64(True):
        cnn = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), cnn)
        found = cs231n.style_transfer(cnn, content, style, 48, 36, *arguments, num_iterations=20)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(expected).max() > 1.5  # the last step is not clamped

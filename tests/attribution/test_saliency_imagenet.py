"""Saliency of the real SqueezeNet against PyTorch's autograd."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from jaxvision.attribution import saliency_map
from jaxvision.backbones import logits_fn, squeezenet1_1
from jaxvision.pixels import normalize


def torch_squeezenet(weights):
    """SqueezeNet 1.1 as a function of NCHW images, on tensors of torchvision's names."""
    import torch
    from torch.nn import functional as F

    def conv(name, x, **options):
        return F.relu(F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **options))

    def pool(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    def forward(x):
        x = pool(conv("features.0", x, stride=2))
        for i in (3, 4, 6, 7, 9, 10, 11, 12):
            squeezed = conv(f"features.{i}.squeeze", x)
            wide = conv(f"features.{i}.expand3x3", squeezed, padding=1)
            x = torch.cat([conv(f"features.{i}.expand1x1", squeezed), wide], dim=1)
            x = pool(x) if i in (4, 7) else x
        return conv("classifier.1", x).mean(dim=(2, 3))

    return forward


@pytest.mark.peers
@pytest.mark.parametrize(("dither", "least"), [(0.01, 25), (0.0, 22)], ids=["dithered", "as they are"])
def test_saliency_is_autograds_on_the_real_network(needs, dither, least):
    """The same to 1e-4, in double precision, on all photographs once no two pixels are exactly alike.

    In flat regions several members of a pooling window are equal but for rounding, and which of them takes the gradient
    is decided by the last bit, in PyTorch as here: a few photographs have such windows.
    """
    dtype = "float64"
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    path = needs("weights/squeezenet1_1.safetensors")
    labels = json.loads(needs("imagenet/labels.json").read_text())
    names = [f"val_{i:02d}.png" for i in range(25)]
    pixels = np.stack([np.asarray(Image.open(needs(f"imagenet/images/{name}")).convert("RGB")) for name in names])
    images = np.asarray(normalize(pixels.astype(np.float32) / 255)).astype(dtype)
    images += dither * np.random.default_rng(0).standard_normal(images.shape)
    labels = np.array([labels[name] for name in names])

    net = torch_squeezenet({name: tensor.to(getattr(torch, dtype)) for name, tensor in load_file(path).items()})
    x = torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).gather(1, torch.tensor(labels)[:, None]).sum(), x)
    expected = gradient.abs().amax(dim=1).numpy()
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: leaf.astype(dtype), squeezenet1_1(weights=path))
        saliency = np.asarray(saliency_map(logits_fn(model), images, labels))
    distance = np.linalg.norm((saliency - expected).reshape(25, -1), axis=1)
    relative = distance / np.linalg.norm(expected.reshape(25, -1), axis=1)
    assert (relative < 1e-4).sum() >= least
    assert relative.max() < 0.01

"""Saliency of the real SqueezeNet against PyTorch's autograd."""

import json

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
def test_saliency_is_autograds_on_the_real_network(needs):
    """Equal to rounding, unless rounding decides a (near) tie in max-pooling otherwise: then a small patch differs."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    path = needs("weights/squeezenet1_1.safetensors")
    labels = json.loads(needs("imagenet/labels.json").read_text())
    names = [f"val_{i:02d}.png" for i in range(25)]
    pixels = np.stack([np.asarray(Image.open(needs(f"imagenet/images/{name}")).convert("RGB")) for name in names])
    images = np.asarray(normalize(pixels.astype(np.float32) / 255))
    labels = np.array([labels[name] for name in names])

    net = torch_squeezenet({name: tensor.float() for name, tensor in load_file(path).items()})
    x = torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x).gather(1, torch.tensor(labels)[:, None]).sum(), x)
    expected = gradient.abs().amax(dim=1).numpy()
    saliency = np.asarray(saliency_map(logits_fn(squeezenet1_1(weights=path)), images, labels))
    distance = np.linalg.norm((saliency - expected).reshape(25, -1), axis=1)
    relative = distance / np.linalg.norm(expected.reshape(25, -1), axis=1)
    assert (relative < 1e-4).sum() >= 14
    assert relative.max() < 0.2

"""VGG, LeNet and Inception-v3 in PyTorch, from the papers' tables, and what compares them with ours.

SqueezeNet is in `experiments.peers`.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from jaxvision.backbones import state_dict


class VGG(nn.Module):
    def __init__(self, depths, num_classes=1000):
        super().__init__()
        layers, channels = [], 3
        for depth, width in zip(depths, (64, 128, 256, 512, 512), strict=True):
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(7)
        linear = [nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()]
        self.classifier = nn.Sequential(*linear, nn.Linear(4096, num_classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, 10)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # ours flattens channels last
        return self.fc2(functional.relu(self.fc1(x)))


class Unit(nn.Module):
    def __init__(self, channels, features, size, stride=1, padding="same"):
        super().__init__()
        self.conv = nn.Conv2d(channels, features, size, stride, 0 if stride > 1 else padding, bias=False)
        self.bn = nn.BatchNorm2d(features, eps=1e-3)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Units by name, and a function that says how an input goes through them, as a list of branches."""

    def __init__(self, branches, **units):
        super().__init__()
        self.branches = branches
        for name, arguments in units.items():
            self.add_module(name, Unit(*arguments))

    def forward(self, x):
        return torch.cat(self.branches(self, x), dim=1)


def mean_pool(x):
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def max_pool(x):
    return functional.max_pool2d(x, 3, stride=1, padding=1)


def halve(x):
    return functional.max_pool2d(x, 3, stride=2)


def mixed_a(c, pooled):
    return Mixed(
        lambda m, x: [
            m.branch1x1(x),
            m.branch5x5_2(m.branch5x5_1(x)),
            m.branch3x3dbl_3(m.branch3x3dbl_2(m.branch3x3dbl_1(x))),
            m.branch_pool(mean_pool(x)),
        ],
        branch1x1=(c, 64, 1),
        branch5x5_1=(c, 48, 1),
        branch5x5_2=(48, 64, 5),
        branch3x3dbl_1=(c, 64, 1),
        branch3x3dbl_2=(64, 96, 3),
        branch3x3dbl_3=(96, 96, 3),
        branch_pool=(c, pooled, 1),
    )


def mixed_b(c):
    return Mixed(
        lambda m, x: [m.branch3x3(x), m.branch3x3dbl_3(m.branch3x3dbl_2(m.branch3x3dbl_1(x))), halve(x)],
        branch3x3=(c, 384, 3, 2),
        branch3x3dbl_1=(c, 64, 1),
        branch3x3dbl_2=(64, 96, 3),
        branch3x3dbl_3=(96, 96, 3, 2),
    )


def mixed_c(c, inner):
    return Mixed(
        lambda m, x: [
            m.branch1x1(x),
            m.branch7x7_3(m.branch7x7_2(m.branch7x7_1(x))),
            m.branch7x7dbl_5(m.branch7x7dbl_4(m.branch7x7dbl_3(m.branch7x7dbl_2(m.branch7x7dbl_1(x))))),
            m.branch_pool(mean_pool(x)),
        ],
        branch1x1=(c, 192, 1),
        branch7x7_1=(c, inner, 1),
        branch7x7_2=(inner, inner, (1, 7)),
        branch7x7_3=(inner, 192, (7, 1)),
        branch7x7dbl_1=(c, inner, 1),
        branch7x7dbl_2=(inner, inner, (7, 1)),
        branch7x7dbl_3=(inner, inner, (1, 7)),
        branch7x7dbl_4=(inner, inner, (7, 1)),
        branch7x7dbl_5=(inner, 192, (1, 7)),
        branch_pool=(c, 192, 1),
    )


def mixed_d(c):
    return Mixed(
        lambda m, x: [
            m.branch3x3_2(m.branch3x3_1(x)),
            m.branch7x7x3_4(m.branch7x7x3_3(m.branch7x7x3_2(m.branch7x7x3_1(x)))),
            halve(x),
        ],
        branch3x3_1=(c, 192, 1),
        branch3x3_2=(192, 320, 3, 2),
        branch7x7x3_1=(c, 192, 1),
        branch7x7x3_2=(192, 192, (1, 7)),
        branch7x7x3_3=(192, 192, (7, 1)),
        branch7x7x3_4=(192, 192, 3, 2),
    )


def mixed_e(c, pool):
    def branches(m, x):
        y, z = m.branch3x3_1(x), m.branch3x3dbl_2(m.branch3x3dbl_1(x))
        forks = [m.branch3x3_2a(y), m.branch3x3_2b(y), m.branch3x3dbl_3a(z), m.branch3x3dbl_3b(z)]
        return [m.branch1x1(x), *forks, m.branch_pool(pool(x))]

    return Mixed(
        branches,
        branch1x1=(c, 320, 1),
        branch3x3_1=(c, 384, 1),
        branch3x3_2a=(384, 384, (1, 3)),
        branch3x3_2b=(384, 384, (3, 1)),
        branch3x3dbl_1=(c, 448, 1),
        branch3x3dbl_2=(448, 384, 3),
        branch3x3dbl_3a=(384, 384, (1, 3)),
        branch3x3dbl_3b=(384, 384, (3, 1)),
        branch_pool=(c, 192, 1),
    )


class InceptionV3(nn.Module):
    """With the pools of TensorFlow's network of 2015; `forward` gives the logits and what each part put out."""

    def __init__(self):
        super().__init__()
        parts = {
            "Conv2d_1a_3x3": Unit(3, 32, 3, 2),
            "Conv2d_2a_3x3": Unit(32, 32, 3, padding=0),
            "Conv2d_2b_3x3": Unit(32, 64, 3),
            "MaxPool_1": nn.MaxPool2d(3, 2),
            "Conv2d_3b_1x1": Unit(64, 80, 1),
            "Conv2d_4a_3x3": Unit(80, 192, 3, padding=0),
            "MaxPool_2": nn.MaxPool2d(3, 2),
            "Mixed_5b": mixed_a(192, 32),
            "Mixed_5c": mixed_a(256, 64),
            "Mixed_5d": mixed_a(288, 64),
            "Mixed_6a": mixed_b(288),
            "Mixed_6b": mixed_c(768, 128),
            "Mixed_6c": mixed_c(768, 160),
            "Mixed_6d": mixed_c(768, 160),
            "Mixed_6e": mixed_c(768, 192),
            "Mixed_7a": mixed_d(768),
            "Mixed_7b": mixed_e(1280, mean_pool),
            "Mixed_7c": mixed_e(2048, max_pool),
        }
        self.names = list(parts)
        for name, part in parts.items():
            self.add_module(name, part)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x):
        seen = {}
        for name in self.names:
            x = seen[name] = self.get_submodule(name)(x)
        return self.fc(x.mean(dim=(2, 3))), seen


def same(ours, theirs, rtol=1e-4):
    """Equal relative to the largest value: a sum over hundreds of terms is as exact as its largest term."""
    theirs = theirs.detach().numpy()
    theirs = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(theirs).max())


def with_weights_of(model, network):
    network.load_state_dict({name: torch.from_numpy(array) for name, array in state_dict(model).items()})
    return network.eval().requires_grad_(False)


def to_torch(images):
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)

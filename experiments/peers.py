"""What a PyTorch user would write instead: SqueezeNet 1.1, and the assignment's loops around it (extra `peers`)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from jaxvision.pixels import IMAGENET_MEAN, IMAGENET_STD

Net = Callable[[torch.Tensor], torch.Tensor]


class Fire(nn.Module):
    """Squeeze to few channels, expand by 1x1 and 3x3 kernels side by side."""

    def __init__(self, channels: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, c, h, w)` to `(n, 2 expand, h, w)`."""
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.expand1x1(x)), functional.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1 with torchvision's parameter names, for inference."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        fires = [Fire(64, 16, 64), Fire(128, 16, 64), Fire(128, 32, 128), Fire(256, 32, 128)]
        fires += [Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]
        pools = [nn.MaxPool2d(3, 2, ceil_mode=True) for _ in range(3)]
        start = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(inplace=False)]
        self.features = nn.Sequential(*start, pools[0], *fires[:2], pools[1], *fires[2:4], pools[2], *fires[4:])
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, num_classes, 1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, 3, h, w)` to logits `(n, k)`."""
        return self.classifier(self.features(x)).mean((2, 3))


class Form(NamedTuple):
    """One of PyTorch's ways to run the network.

    Attributes:
        net: images to logits.
        compile: what a further module is run by, such as `torch.compile`.
        to_tensor: lays out NHWC images.
    """

    net: Net
    compile: Callable[[nn.Module], Any]
    to_tensor: Callable[[Float[np.ndarray, "n h w c"]], torch.Tensor]


def forms(tensors: Mapping[str, np.ndarray], *, compile: bool) -> dict[str, Form]:
    """The network in each form that PyTorch offers, with the function that lays out NHWC images for it.

    Args:
        tensors: weights by torchvision's names.
        compile: whether to include `torch.compile`, which needs a C++ compiler and about a minute for each shape.

    Returns:
        The forms by name.
    """

    def network() -> SqueezeNet:
        net = SqueezeNet(len(tensors["classifier.1.bias"]))
        net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()})
        return net.eval().requires_grad_(False)

    def contiguous(images: Float[np.ndarray, "n h w c"]) -> torch.Tensor:
        return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous()

    def channels_last(images: Float[np.ndarray, "n h w c"]) -> torch.Tensor:
        return contiguous(images).to(memory_format=torch.channels_last)

    last = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = {"eager": Form(network(), _as_it_is, contiguous), "channels-last": Form(last, _as_it_is, channels_last)}
    if compile:
        found |= {"compiled": Form(torch.compile(network()), torch.compile, contiguous)}
        found |= {"compiled channels-last": Form(torch.compile(last), torch.compile, channels_last)}
    return found


def _as_it_is(module: nn.Module) -> nn.Module:
    return module


def forward(net: Net, x: torch.Tensor) -> torch.Tensor:
    """Logits."""
    with torch.no_grad():
        return net(x)


def image_gradient(net: Net, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The derivative of each image's own class score."""
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(net(x).gather(1, labels[:, None]).sum(), x)[0]


def saliency(net: Net, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The assignment's saliency maps."""
    return image_gradient(net, x, labels).abs().amax(1)


def fool(net: Net, x: torch.Tensor, target: torch.Tensor, *, learning_rate: float, n_steps: int) -> torch.Tensor:
    """The assignment's loop for one image: normalised gradient ascent until the target is predicted."""
    x = x.clone()
    for _ in range(n_steps):
        x.requires_grad_(True)
        scores = net(x)
        if scores.argmax(1) == target:
            break
        (gradient,) = torch.autograd.grad(scores[0, target[0]], x)
        x = x.detach() + learning_rate * gradient / gradient.norm()
    return x.detach()


def visualize(
    net: Net, x: torch.Tensor, target: torch.Tensor, *, l2: float, learning_rate: float, n_steps: int
) -> torch.Tensor:
    """The assignment's loop without its jitter and blur: normalised gradient ascent, clipped to what can be shown."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    low, high = -mean / std, (1 - mean) / std
    x = x.clone()
    for _ in range(n_steps):
        x.requires_grad_(True)
        score = net(x)[0, target[0]] - l2 * x.square().sum()
        (gradient,) = torch.autograd.grad(score, x)
        x = torch.clamp(x.detach() + learning_rate * gradient / gradient.norm(), low, high)
    return x

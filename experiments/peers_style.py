"""What a PyTorch user would write instead of a style transfer, and of one in a single pass (extra `peers`)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from experiments.peers import Form, SqueezeNet, forward
from jaxvision.pixels import IMAGENET_MEAN, IMAGENET_STD

RIDGE = 1.2e-6  # of the trace


class Statistic(NamedTuple):
    """What a style is.

    Attributes:
        summarize: features `(n, c, h, w)` to the statistic.
        distance: of two statistics, a scalar.
    """

    summarize: Callable[[torch.Tensor], Any]
    distance: Callable[[Any, Any], torch.Tensor]


def _rows(features: torch.Tensor) -> torch.Tensor:
    n, c, h, w = features.shape
    return features.permute(0, 2, 3, 1).reshape(n, h * w, c)


def _gram_matrix(features: torch.Tensor) -> torch.Tensor:
    rows = _rows(features)
    return rows.transpose(1, 2) @ rows / (rows.shape[1] * rows.shape[2])


def _gram_distance(gram: torch.Tensor, aim: torch.Tensor) -> torch.Tensor:
    return ((gram - aim) ** 2).sum()


def _gaussian(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance, with a millionth of the trace on the diagonal."""
    rows = _rows(features)
    mean = rows.mean(1)
    centred = rows - mean[:, None]
    covariance = centred.transpose(1, 2) @ centred / rows.shape[1]
    trace = covariance.diagonal(dim1=1, dim2=2).sum(1)
    return mean, covariance + RIDGE * trace[:, None, None] * torch.eye(rows.shape[2])


def _wasserstein(gaussian: tuple[torch.Tensor, torch.Tensor], aim: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """By eigenvalues, of the aim's root and of the product: what needs the fewest decompositions."""
    (mean, covariance), (aim_mean, aim_covariance) = gaussian, aim
    values, vectors = torch.linalg.eigh(aim_covariance)
    root = vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.transpose(1, 2)
    common = torch.linalg.eigvalsh(root @ covariance @ root).clamp_min(1e-20).sqrt().sum()
    traces = sum(matrix.diagonal(dim1=1, dim2=2).sum() for matrix in (covariance, aim_covariance))
    return (((mean - aim_mean) ** 2).sum() + traces - 2 * common) / mean.shape[1]


GRAM, WASSERSTEIN = Statistic(_gram_matrix, _gram_distance), Statistic(_gaussian, _wasserstein)


class StyleLoss(nn.Module):
    """The assignment's three losses as one function of the image, on the layers that they need and no more."""

    def __init__(
        self,
        net: SqueezeNet,
        content: int,
        style: Mapping[int, float],
        weights: tuple[float, float],
        statistic: Statistic = GRAM,
    ):
        super().__init__()
        self.features = net.features[: max(content, *style) + 1]
        self.content, self.style, self.weights, self.statistic = content, dict(style), weights, statistic

    def extract(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[int, Any]]:
        """Content features, and the statistic of each style layer."""
        kept, found = x, {}
        for i, layer in enumerate(self.features.children()):
            x = layer(x)
            if i == self.content:
                kept = x
            if i in self.style:
                found[i] = self.statistic.summarize(x)
        return kept, found

    def forward(self, x: torch.Tensor, target: torch.Tensor, aims: dict[int, Any]) -> torch.Tensor:
        """`(1, 3, h, w)` to a scalar."""
        kept, found = self.extract(x)
        content_weight, tv_weight = self.weights
        loss = content_weight * ((kept - target) ** 2).mean()
        for i, weight in self.style.items():
            loss = loss + weight * self.statistic.distance(found[i], aims[i])
        down, right = x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]
        return loss + tv_weight * ((down**2).sum() + (right**2).sum()) / x.numel()


class Unit(nn.Module):
    """A convolution with reflected borders and instance normalisation, beforehand at twice the size where asked."""

    def __init__(self, size: int, channels: int, features: int, *, stride: int = 1, twice: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(
            channels, features, size, stride=stride, padding=0 if twice else size // 2, padding_mode="reflect"
        )
        self.norm = nn.InstanceNorm2d(features, affine=True)
        self.twice = twice

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, c, h, w)` to `(n, d, h / stride, w / stride)` or twice as large."""
        if self.twice:
            x = functional.pad(functional.interpolate(x, scale_factor=2, mode="nearest"), (1, 1, 1, 1), mode="reflect")
        return self.norm(self.conv(x))


class TransformerNet(nn.Module):
    """`stylizers.TransformerNet` with its parameter names; normalised images in and out."""

    def __init__(self, width: int, n_blocks: int):
        super().__init__()
        self.down0 = Unit(9, 3, width)
        self.down1 = Unit(3, width, 2 * width, stride=2)
        self.down2 = Unit(3, 2 * width, 4 * width, stride=2)
        self.blocks = [nn.Sequential(*(Unit(3, 4 * width, 4 * width) for _ in range(2))) for _ in range(n_blocks)]
        for index, block in enumerate(self.blocks):
            self.add_module(f"block{index}", block)
        self.up1 = Unit(3, 4 * width, 2 * width, twice=True)
        self.up2 = Unit(3, 2 * width, width, twice=True)
        self.out = nn.Sequential()
        self.out.add_module("conv", nn.Conv2d(width, 3, 9, padding=4, padding_mode="reflect"))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, 3, h, w)` to `(n, 3, h, w)`."""
        h, w = x.shape[2:]
        for unit in (self.down0, self.down1, self.down2):
            x = functional.relu(unit(x))
        for first, second in self.blocks:  # type: ignore[misc]
            x = x + second(functional.relu(first(x)))
        for unit in (self.up1, self.up2):
            x = functional.relu(unit(x))
        return (torch.sigmoid(self.out(x[:, :, :h, :w])) - self.mean) / self.std  # type: ignore[operator]


def paint(
    form: Form,
    content: torch.Tensor,
    style: torch.Tensor,
    *,
    layers: tuple[int, Mapping[int, float]],
    weights: tuple[float, float],
    statistic: Statistic,
    learning_rate: float,
    n_steps: int,
) -> Callable[[], torch.Tensor]:
    """The assignment's loop with Adam, from the content; targets and compiling beforehand.

    Args:
        form: how to run.
        content: `(1, 3, h, w)`.
        style: `(1, 3, h, w)`.
        layers: index of the content's layer, and the style layers with their weights.
        weights: of content and total variation.
        statistic: what a style is.
        learning_rate: Adam's.
        n_steps: steps.

    Returns:
        A call that paints the image.
    """
    net: SqueezeNet = getattr(form.net, "_orig_mod", form.net)  # type: ignore[assignment] - what torch.compile wrapped
    loss = StyleLoss(net, *layers, weights, statistic)
    with torch.no_grad():
        target, aims = loss.extract(content)[0], loss.extract(style)[1]
    compiled = form.compile(loss)

    def run() -> torch.Tensor:
        image = content.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([image], lr=learning_rate)
        for _ in range(n_steps):
            optimizer.zero_grad()
            compiled(image, target, aims).backward()
            optimizer.step()
        return image.detach()

    return run


def stylize(
    form: Form, images: torch.Tensor, tensors: Mapping[str, np.ndarray], *, shape: tuple[int, int]
) -> Callable[[], torch.Tensor]:
    """Johnson's network, one pass.

    Args:
        form: how to run.
        images: `(n, 3, h, w)`.
        tensors: weights by name.
        shape: width and number of blocks.

    Returns:
        A call that styles the images.
    """
    net = TransformerNet(*shape).eval().requires_grad_(False)
    net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()})
    if images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous():
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled = form.compile(net)
    return lambda: forward(compiled, images)

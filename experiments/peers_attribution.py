"""What a PyTorch user would run instead of integrated gradients and SmoothGrad: Captum, or a loop (extra `peers`)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
from jaxtyping import Float, Int
from torch import nn
from torch.nn import functional

from experiments.peers import Form, Net
from jaxvision.attribution.integrated import gauss_legendre


class LeNet(nn.Module):
    """`backbones.LeNet` with its parameter names."""

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = nn.Linear(800, 500), nn.Linear(500, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, 1, 28, 28)` to logits `(n, k)`."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


def lenet_forms(tensors: Mapping[str, np.ndarray], *, compile: bool) -> dict[str, Form]:
    """LeNet in each form that PyTorch offers.

    Args:
        tensors: weights as `state_dict` gives them.
        compile: whether to include `torch.compile`. Channels first its gradient does not pass the max-pooling (2.13.0,
            CPU: what lies before it gets zero), so that only channels last there is something to time.

    Returns:
        The forms by name.
    """
    weights = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    pixels = weights["fc1.weight"].view(-1, 4, 4, 50)  # counted channels last; PyTorch counts channels first
    weights["fc1.weight"] = pixels.permute(0, 3, 1, 2).flatten(1).contiguous()

    def network() -> LeNet:
        net = LeNet(len(weights["fc2.bias"]))
        net.load_state_dict(weights)
        return net.eval().requires_grad_(False)

    def to_tensor(images: Float[np.ndarray, "n h w 1"]) -> torch.Tensor:
        return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous()  # one channel is first and last

    last = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = {"eager": Form(network(), _as_it_is, to_tensor), "channels-last": Form(last, _as_it_is, to_tensor)}
    if compile:
        found["compiled channels-last"] = Form(torch.compile(last), torch.compile, to_tensor)
    return found


def runs(
    form: Form,
    function: Callable[..., torch.Tensor],
    images: Float[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, " n"],
    offsets: Float[np.ndarray, "k n h w c"],
    *,
    std: float,
) -> tuple[Callable[[int], torch.Tensor], Callable[[int], torch.Tensor]]:
    """A method on a batch, its inputs laid out beforehand.

    Args:
        form: how to run the network.
        function: one of `METHODS`, bound to the number of points.
        images: NHWC.
        labels: class indices.
        offsets: noise to be added to the images, for each point.
        std: of noise that is drawn.

    Returns:
        The run and the same with the noise that was given: from a number of images to be in the network at once (a part
        of the batch, or several points of all of it) to `(n, c, h, w)`.
    """
    x, classes = form.to_tensor(images), torch.from_numpy(labels.astype(np.int64))
    noise = form.to_tensor(offsets.reshape(-1, *images.shape[1:])).unflatten(0, offsets.shape[:2])

    def run(at_once: int, noise: torch.Tensor | float) -> torch.Tensor:
        parts = x.split(at_once), classes.split(at_once)
        noises = noise.split(at_once, dim=1) if isinstance(noise, torch.Tensor) else [noise] * len(parts[0])
        size = max(1, at_once // len(x))
        found = [function(form.net, *part, size=size) for part in zip(*parts, noises, strict=True)]
        return torch.cat(found).detach()

    return lambda at_once: run(at_once, std), lambda at_once: run(at_once, noise)


def integrated_gradients(
    net: Net, x: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor | float, *, n_points: int, size: int
) -> torch.Tensor:
    """From zeros, by a loop, some points of each image at a time; there is no noise in it."""
    alphas, weights = (torch.tensor(v, dtype=x.dtype).view(-1, 1, 1, 1, 1) for v in gauss_legendre(n_points))
    total = torch.zeros_like(x)
    for alpha, weight in zip(alphas.split(size), weights.split(size), strict=True):
        total += (weight * gradients(net, alpha * x, labels)).sum(0)
    return x * total


def smoothgrad(
    net: Net, x: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor | float, *, n_points: int, size: int
) -> torch.Tensor:
    """The mean gradient of noisy copies, by a loop, some copies of each image at a time."""
    total = torch.zeros_like(x)
    for ks in torch.arange(n_points).split(size):
        added = noise[ks[0] : ks[-1] + 1] if isinstance(noise, torch.Tensor) else noise * drawn(len(ks), x)
        total += gradients(net, x + added, labels).sum(0)
    return total / n_points


def drawn(n: int, x: torch.Tensor) -> torch.Tensor:
    """Noise for n copies, laid out as the images are: `(n, *x.shape)`."""
    if x.is_contiguous(memory_format=torch.channels_last):
        return torch.randn(n, *x.permute(0, 2, 3, 1).shape).movedim(-1, 2)
    return torch.randn(n, *x.shape)


def gradients(net: Net, points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`(p, n, c, h, w)`: the derivative of each image's class score at each of its points, by one pass."""
    flat = points.flatten(0, 1).requires_grad_(True)
    score = net(flat).gather(1, labels.repeat(len(points))[:, None]).sum()
    return torch.autograd.grad(score, flat)[0].view_as(points)


def captum_integrated_gradients(
    net: Net, x: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor | float, *, n_points: int, size: int
) -> torch.Tensor:
    """Captum's, from zeros; there is no noise in it."""
    method = IntegratedGradients(net)
    return method.attribute(x, target=labels, n_steps=n_points, internal_batch_size=size * len(x))


def captum_smoothgrad(
    net: Net, x: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor | float, *, n_points: int, size: int
) -> torch.Tensor:
    """Captum's."""
    given = isinstance(noise, torch.Tensor)
    tunnel: Any = GivenNoise(Saliency(net), noise) if given else NoiseTunnel(Saliency(net))
    return tunnel.attribute(
        x,
        target=labels,
        abs=False,
        nt_type="smoothgrad",
        nt_samples=n_points,
        nt_samples_batch_size=size,
        stdevs=0.0 if given else noise,
    )


class GivenNoise(NoiseTunnel):
    """Captum's NoiseTunnel with noise that we give, `(n_points, n, c, h, w)`, to compare with."""

    def __init__(self, method: Any, noise: torch.Tensor):
        super().__init__(method)
        self.noise, self.used = noise, 0

    def _add_noise_to_input(  # type: ignore[override] - theirs is static
        self, input: torch.Tensor, stdev: float, nt_samples_partition: int
    ) -> torch.Tensor:
        noise = self.noise[self.used : self.used + nt_samples_partition]
        self.used += nt_samples_partition
        return (input + noise).transpose(0, 1).flatten(0, 1)  # all copies of an image stand together


METHODS: Mapping[str, Mapping[str, Callable[..., torch.Tensor]]] = {
    "integrated gradients": {"loop": integrated_gradients, "Captum": captum_integrated_gradients},
    "SmoothGrad": {"loop": smoothgrad, "Captum": captum_smoothgrad},
}
"""Who computes each method, and how: `(net, x, labels, noise, *, n_points, size)`."""


def _as_it_is(module: nn.Module) -> nn.Module:
    return module

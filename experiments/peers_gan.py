"""What a PyTorch user would write instead of a step of DCGAN or of a WGAN-GP critic (extra `peers`)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

Net = Callable[[torch.Tensor], torch.Tensor]
Arrays = Mapping[str, np.ndarray]
MOMENTUM = 0.1  # of the running statistics, as PyTorch counts it


class CriticNet(nn.Module):
    """The assignment's convolutional critic with the names of `gan.dcgan_critic`."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5)
        self.conv2 = nn.Conv2d(32, 64, 5)
        self.fc1 = nn.Linear(1024, 1024)
        self.fc2 = nn.Linear(1024, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, 1, 28, 28)` to scores `(n,)`."""
        x = functional.max_pool2d(functional.leaky_relu(self.conv1(x), 0.01), 2)
        x = functional.max_pool2d(functional.leaky_relu(self.conv2(x), 0.01), 2)
        return self.fc2(functional.leaky_relu(self.fc1(x.flatten(1)), 0.01))[:, 0]


class GeneratorNet(nn.Module):
    """The assignment's convolutional generator with the names of `gan.dcgan_generator`."""

    def __init__(self, latent_dim: int):
        super().__init__()
        self.fc1 = nn.Linear(latent_dim, 1024)
        self.norm1 = nn.BatchNorm1d(1024, momentum=MOMENTUM)
        self.fc2 = nn.Linear(1024, 6272)
        self.norm2 = nn.BatchNorm1d(6272, momentum=MOMENTUM)
        self.deconv1 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.norm3 = nn.BatchNorm2d(64, momentum=MOMENTUM)
        self.deconv2 = nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """`(n, dim)` to images `(n, 1, 28, 28)`."""
        x = self.norm1(functional.relu(self.fc1(latents)))
        x = self.norm2(functional.relu(self.fc2(x))).view(-1, 128, 7, 7)
        x = self.norm3(functional.relu(self.deconv1(x)))
        return torch.tanh(self.deconv2(x))


class MLPCriticNet(nn.Module):
    """The assignment's fully connected critic with the names of `gan.mlp_critic`."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 256), nn.Linear(256, 256), nn.Linear(256, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, 1, 28, 28)` to scores `(n,)`."""
        x = functional.leaky_relu(self.fc1(x.flatten(1)), 0.01)
        return self.fc3(functional.leaky_relu(self.fc2(x), 0.01))[:, 0]


class MLPGeneratorNet(nn.Module):
    """The assignment's fully connected generator with the names of `gan.mlp_generator`."""

    def __init__(self, latent_dim: int):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(latent_dim, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 784)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """`(n, dim)` to images `(n, 1, 28, 28)`."""
        x = functional.relu(self.fc2(functional.relu(self.fc1(latents))))
        return torch.tanh(self.fc3(x)).view(-1, 1, 28, 28)


NETWORKS: dict[str, tuple[Callable[[int], nn.Module], Callable[[], nn.Module]]] = {
    "mlp": (MLPGeneratorNet, MLPCriticNet),
    "dcgan": (GeneratorNet, CriticNet),
}


class Pair(NamedTuple):
    """Both networks in one of PyTorch's forms, and what they are run by.

    Attributes:
        generator: weights.
        critic: weights.
        draw: latents to images.
        score: images to scores.
        real: the batch of real images.
        latents: one array for each draw of a step.
    """

    generator: nn.Module
    critic: nn.Module
    draw: Net
    score: Net
    real: torch.Tensor
    latents: list[torch.Tensor]


def pairs(
    network: str,
    weights: tuple[Arrays, Arrays],
    real: Float[np.ndarray, "n 28 28 1"],
    latents: list[Float[np.ndarray, "n dim"]],
    *,
    compile: bool,
) -> dict[str, Pair]:
    """The two networks in each form.

    Args:
        network: "mlp" or "dcgan".
        weights: of generator and critic, as `state_dict` gives them.
        real: a batch.
        latents: for each draw of a step.
        compile: whether to include `torch.compile`. Channels first its gradient does not pass the max-pooling (2.13.0,
            CPU: the convolutions before it get zero), so that only channels last there is something to time.

    Returns:
        By name.
    """

    def form(layout: torch.memory_format, wrap: Callable[[nn.Module], Any]) -> Pair:
        new_generator, new_critic = NETWORKS[network]
        generator, critic = new_generator(latents[0].shape[1]), new_critic()
        for net, tensors in zip((generator, critic), weights, strict=True):
            net.load_state_dict(in_torch_order(tensors), strict=False)  # PyTorch also counts the batches it has seen
            net.to(memory_format=layout)  # type: ignore[call-overload]
        images = torch.from_numpy(np.array(real)).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        drawn = [torch.from_numpy(np.array(z)) for z in latents]
        return Pair(generator, critic, wrap(generator), wrap(critic), images, drawn)

    eager = {"eager": form(torch.contiguous_format, _as_it_is), "channels-last": form(torch.channels_last, _as_it_is)}
    return eager | ({"compiled channels-last": form(torch.channels_last, torch.compile)} if compile else {})


def in_torch_order(tensors: Arrays) -> dict[str, torch.Tensor]:
    """Weights whose linear layers beside a convolution count pixels as PyTorch does, channels first.

    Args:
        tensors: of a generator or a critic of `gan`, as `state_dict` gives them.

    Returns:
        What the networks here load.
    """
    found = {name: np.array(array) for name, array in tensors.items()}
    critic, convolutional = "conv1.weight" in found, "fc3.weight" not in found
    h, w, c = (4, 4, 64) if critic else (7, 7, 128)
    for name, array in found.items():
        if critic and name == "fc1.weight":  # columns are pixels of the convolution before
            found[name] = array.reshape(-1, h, w, c).transpose(0, 3, 1, 2).reshape(len(array), -1)
        elif convolutional and not critic and name.startswith(("fc2.", "norm2.")):  # rows are pixels of the one behind
            found[name] = array.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(array.shape)
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in found.items()}


def alternating_step(
    pair: Pair, *, learning_rate: float, betas: tuple[float, float], decay: float
) -> Callable[[], torch.Tensor]:
    """One update of the critic, one of the generator and of its average, with cross-entropy and fused Adam."""
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=learning_rate, betas=betas, fused=True)
        for net in (pair.critic, pair.generator)
    ]
    parameters = list(pair.generator.parameters())
    weights = [p.detach() for p in parameters]
    averaged = [p.clone() for p in weights]

    def step() -> torch.Tensor:
        with torch.no_grad():
            fake = pair.draw(pair.latents[0])
        optimizers[0].zero_grad(set_to_none=True)
        critic_loss = (functional.softplus(-pair.score(pair.real)) + functional.softplus(pair.score(fake))).mean()
        critic_loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad(set_to_none=True)
        generator_loss = functional.softplus(-pair.score(pair.draw(pair.latents[1]))).mean()
        generator_loss.backward(inputs=parameters)  # and none of the critic's
        optimizers[1].step()
        torch._foreach_lerp_(averaged, weights, 1 - decay)  # type: ignore[attr-defined] - as torch.optim's own average
        return critic_loss.detach()

    return step


def penalized_step(
    pair: Pair,
    shares: Float[np.ndarray, " n"],
    *,
    gp_weight: float,
    learning_rate: float,
    betas: tuple[float, float],
) -> Callable[[], torch.Tensor]:
    """One update of a WGAN-GP critic, which takes the gradient of a gradient.

    Args:
        pair: networks and batch; run eagerly, since `torch.compile` does not differentiate twice.
        shares: of the real image in each mixture.
        gp_weight: of the penalty.
        learning_rate: Adam's.
        betas: Adam's.

    Returns:
        A call that takes the step and gives the loss before it.
    """
    optimizer = torch.optim.Adam(pair.critic.parameters(), lr=learning_rate, betas=betas, fused=True)
    share = torch.from_numpy(np.array(shares)).view(-1, 1, 1, 1)

    def step() -> torch.Tensor:
        with torch.no_grad():
            fake = pair.draw(pair.latents[0])
        optimizer.zero_grad(set_to_none=True)
        between = (share * pair.real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(pair.score(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).square().sum(1) + 1e-12).sqrt() - 1).square().mean()
        loss = (pair.score(fake) - pair.score(pair.real)).mean() + gp_weight * penalty
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def gradient_of(net: nn.Module) -> dict[str, np.ndarray]:
    """The gradients of the last step by name."""
    return {name: parameter.grad.numpy() for name, parameter in net.named_parameters() if parameter.grad is not None}


def _as_it_is(net: nn.Module) -> nn.Module:
    return net

"""What a PyTorch user would run instead: LeNet, PGD and DeepFool by hand, and packages (extra `peers`)."""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch._functorch import config as functorch
from torch.nn import functional

from experiments.peers import Form, Net

Attack = Callable[[], torch.Tensor]
"""A call that gives attacked images `(n, c, h, w)`."""


class LeNet(nn.Module):
    """`backbones.LeNet` with its parameter names."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, 1, 28, 28)` to logits `(n, 10)`."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


def lenet(tensors: Mapping[str, np.ndarray]) -> LeNet:
    """LeNet for inference.

    Args:
        tensors: weights by name, as `state_dict` gives them: the columns of `fc1` count pixels channels last.

    Returns:
        The network.
    """
    found = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    columns = found["fc1.weight"].reshape(500, 4, 4, 50)
    found["fc1.weight"] = columns.permute(0, 3, 1, 2).reshape(500, 800).contiguous()
    net = LeNet()
    net.load_state_dict(found)
    return net.eval().requires_grad_(False)


def lenet_forms(tensors: Mapping[str, np.ndarray], *, compile: bool) -> dict[str, Form]:
    """LeNet in each form that PyTorch offers.

    Args:
        tensors: weights by name.
        compile: whether to include `torch.compile`. Channels first its gradient does not pass the max-pooling (2.13.0,
            CPU), so that only channels last there is something to time.

    Returns:
        The forms by name.
    """

    def laid_out(layout: torch.memory_format) -> Callable[[Float[np.ndarray, "n h w c"]], torch.Tensor]:
        return lambda images: torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous(memory_format=layout)

    first, last = laid_out(torch.contiguous_format), laid_out(torch.channels_last)
    net = lenet(tensors).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = {"eager": Form(lenet(tensors), _as_it_is, first), "channels-last": Form(net, _as_it_is, last)}
    if compile:
        found |= {"compiled channels-last": Form(torch.compile(net), torch.compile, last)}
    return found


def pgd(
    net: Net, clean: torch.Tensor, start: torch.Tensor, labels: torch.Tensor, eps: float, step: float, n_steps: int
) -> torch.Tensor:
    """Madry's loop in l-infinity for images in [0, 1]: what little there is to do beside the network, done in place."""
    low, high = (clean - eps).clamp_(0, 1), (clean + eps).clamp_(0, 1)
    x = start.clone()
    for _ in range(n_steps):
        x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(functional.cross_entropy(net(x), labels, reduction="sum"), x)
        x = x.detach().add_(gradient.sign_(), alpha=step)
        torch.maximum(torch.minimum(x, high, out=x), low, out=x)
    return x


def deepfool(net: Net, clean: torch.Tensor, *, n_steps: int, n_classes: int, overshoot: float) -> torch.Tensor:
    """DeepFool for images in [0, 1], a whole batch at once: one forward pass and a backward one for each class."""
    with torch.no_grad():
        classes = net(clean).topk(n_classes).indices
    x, total, rows = clean.clone(), torch.zeros_like(clean), torch.arange(len(clean))
    for _ in range(n_steps):
        x.requires_grad_(True)
        logits = net(x)
        moves = logits.argmax(1) == classes[:, 0]
        if not moves.any():
            break
        gaps = logits.gather(1, classes[:, 1:]) - logits.gather(1, classes[:, :1])  # (n, n_classes - 1)
        last = n_classes - 2
        with functorch.patch(donated_buffer=False):  # a graph that is gone through again must keep what it holds
            slopes = [torch.autograd.grad(gaps[:, k].sum(), x, retain_graph=k < last)[0] for k in range(n_classes - 1)]
        slope = torch.stack(slopes, 1)
        lengths = slope.flatten(2).norm(dim=2)
        distances = gaps.detach().abs() / lengths
        nearest = distances.argmin(1)
        reach = (distances[rows, nearest] + 1e-4) / lengths[rows, nearest]
        total = total + reach.view(-1, 1, 1, 1) * slope[rows, nearest]
        moved = (clean + (1 + overshoot) * total).clamp_(0, 1)
        x = torch.where(moves.view(-1, 1, 1, 1), moved, x.detach())
    return x.detach()


def torchattacks_pgd(
    net: Net, clean: torch.Tensor, labels: torch.Tensor, eps: float, step: float, n_steps: int
) -> Attack | None:
    """torchattacks' PGD from the image itself; None where it is not installed: `pip install --no-deps torchattacks`."""
    torchattacks = package("torchattacks")
    if torchattacks is None:
        return None
    attack = torchattacks.PGD(net, eps=eps, alpha=step, steps=n_steps, random_start=False)
    return lambda: attack(clean, labels)


def foolbox_pgd(
    net: Net, clean: torch.Tensor, start: torch.Tensor, labels: torch.Tensor, eps: float, step: float, n_steps: int
) -> Attack | None:
    """Foolbox's PGD from the given start; None where it is not installed."""
    foolbox = package("foolbox")
    if foolbox is None:
        return None
    attack = foolbox.attacks.LinfProjectedGradientDescentAttack(abs_stepsize=step, steps=n_steps, random_start=True)
    attack.get_random_start = lambda x0, epsilon: type(x0)(start)
    model, criterion = foolbox.PyTorchModel(net, bounds=(0, 1)), foolbox.criteria.Misclassification(labels)
    return lambda: attack.run(model, clean, criterion, epsilon=eps)


def foolbox_deepfool(
    net: Net, clean: torch.Tensor, labels: torch.Tensor, *, n_steps: int, n_classes: int, overshoot: float
) -> Attack | None:
    """Foolbox's DeepFool; None where it is not installed."""
    foolbox = package("foolbox")
    if foolbox is None:
        return None
    attack = foolbox.attacks.L2DeepFoolAttack(steps=n_steps, candidates=n_classes, overshoot=overshoot, loss="logits")
    model, criterion = foolbox.PyTorchModel(net, bounds=(0, 1)), foolbox.criteria.Misclassification(labels)
    return lambda: attack.run(model, clean, criterion)


def foolbox_carlini_wagner(
    net: Net,
    clean: torch.Tensor,
    labels: torch.Tensor,
    *,
    n_steps: int,
    n_searches: int,
    learning_rate: float,
    initial_weight: float,
    abort_early: bool,
) -> Attack | None:
    """Foolbox's attack of Carlini and Wagner; None where it is not installed."""
    foolbox = package("foolbox")
    if foolbox is None:
        return None
    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=n_searches,
        steps=n_steps,
        stepsize=learning_rate,
        initial_const=initial_weight,
        abort_early=abort_early,
    )
    model, criterion = foolbox.PyTorchModel(net, bounds=(0, 1)), foolbox.criteria.Misclassification(labels)
    return lambda: attack.run(model, clean, criterion)


def torchattacks_apgd(
    net: Net, clean: torch.Tensor, labels: torch.Tensor, *, eps: float, n_steps: int
) -> Attack | None:
    """torchattacks' Auto-PGD by cross-entropy; None where it is not installed."""
    torchattacks = package("torchattacks")
    if torchattacks is None:
        return None
    attack = torchattacks.APGD(net, eps=eps, steps=n_steps)
    return lambda: attack(clean, labels)


def package(name: str) -> Any:
    """A package that no extra brings, or None."""
    if importlib.util.find_spec(name) is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchattacks takes names from where SciPy is about to drop them
        try:
            return importlib.import_module(name)
        except ImportError:  # of what it needs in turn
            return None


def _as_it_is(module: nn.Module) -> nn.Module:
    return module

"""The attacks of torchattacks and Foolbox with a given budget, to be held against ours (extra `peers`)."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import nn

from experiments import peers, peers_attacks
from experiments.networks import Network
from jaxvision.backbones import LeNet, SqueezeNet, state_dict
from jaxvision.errors import InputError
from jaxvision.pixels import IMAGENET_MEAN, IMAGENET_STD

N_LIKELIEST = 10  # torchattacks aims at all but one of so many classes: the nine likeliest others, as we do


class Budget(NamedTuple):
    """What an attack may spend.

    Attributes:
        eps: the largest change of a value.
        n_steps: steps; of each target where it has targets.
        n_queries: passes forward of an attack without gradients.
        seed: of what is random.
    """

    eps: float
    n_steps: int
    n_queries: int
    seed: int


Attack = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Images `(n, c, h, w)` in [0, 1] and classes to attacked images."""

BATCH_VALUES = 1_200_000  # of the pictures in one call: 8 photographs, or more digits than there are
MOMENTUM = {"mi_fgsm": "MIFGSM", "ni_fgsm": "NIFGSM", "di_fgsm": "DIFGSM"}


def torchattacks(name: str, net: nn.Module, budget: Budget) -> Attack | None:
    """An attack of torchattacks; None where it has none of this name.

    Args:
        name: as in `attack_methods.ATTACKS`.
        net: pictures in [0, 1] to logits.
        budget: what it may spend.

    Raises:
        InputError: if the package is not installed.
    """
    package = required("torchattacks")
    eps, n_steps, n_queries, seed = budget
    known: dict[str, Callable[[], Any]] = {
        "fgsm": lambda: package.FGSM(net, eps=eps),
        "pgd": lambda: package.PGD(net, eps=eps, alpha=2.5 * eps / n_steps, steps=n_steps, random_start=True),
        "apgd": lambda: package.APGD(net, eps=eps, steps=n_steps, loss="ce", seed=seed),
        "apgd_dlr": lambda: package.APGD(net, eps=eps, steps=n_steps, loss="dlr", seed=seed),
        "apgd_targeted": lambda: package.APGDT(net, eps=eps, steps=n_steps, n_classes=N_LIKELIEST, seed=seed),
        "fab": lambda: package.FAB(net, eps=eps, steps=n_steps, multi_targeted=True, n_classes=N_LIKELIEST, seed=seed),
        "square": lambda: package.Square(net, eps=eps, n_queries=n_queries, seed=seed),
        "autoattack": lambda: shortened(
            package.AutoAttack(net, eps=eps, n_classes=N_LIKELIEST, seed=seed), n_steps=n_steps, n_queries=n_queries
        ),
    }
    if name in MOMENTUM:
        return getattr(package, MOMENTUM[name])(net, eps=eps, alpha=eps / n_steps, steps=n_steps)
    return known[name]() if name in known else None


def shortened(attack: Any, *, n_steps: int, n_queries: int) -> Any:
    """torchattacks' AutoAttack with another budget, which its constructor does not ask for.

    Args:
        attack: with its parts' own budgets, changed in place.
        n_steps: of Auto-PGD, of its targeted form and of FAB.
        n_queries: of Square.
    """
    for part in attack._autoattack.attacks:
        part.steps, part.n_queries = n_steps, n_queries
    return attack


def foolbox(name: str, net: nn.Module, budget: Budget) -> Attack | None:
    """An attack of Foolbox; None where it has none of this name.

    Args:
        name: as in `attack_methods.ATTACKS`.
        net: pictures in [0, 1] to logits.
        budget: what it may spend.

    Raises:
        InputError: if the package is not installed.
    """
    package = required("foolbox")
    eps, n_steps = budget[:2]
    known: dict[str, Callable[[], Any]] = {
        "fgsm": lambda: package.attacks.FGSM(),
        "mi_fgsm": lambda: package.attacks.MIFGSM(abs_stepsize=eps / n_steps, steps=n_steps, momentum=1.0),
        "pgd": lambda: package.attacks.LinfPGD(abs_stepsize=2.5 * eps / n_steps, steps=n_steps, random_start=True),
    }
    if name not in known:
        return None
    attack, model = known[name](), package.PyTorchModel(net, bounds=(0, 1))
    return lambda images, labels: attack.run(model, images, package.criteria.Misclassification(labels), epsilon=eps)


PACKAGES: Mapping[str, Callable[[str, nn.Module, Budget], Attack | None]] = {
    "torchattacks": torchattacks,
    "Foolbox": foolbox,
}


def attacked(
    net: nn.Module,
    attack: Attack,
    images: Float[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, " n"],
    seed: int,
) -> tuple[Float[np.ndarray, "n h w c"], Bool[np.ndarray, " n"]]:
    """Pictures after an attack, in batches, and whether the network is wrong about each.

    Args:
        net: pictures in [0, 1] to logits.
        attack: of the network.
        images: in [0, 1].
        labels: what they show.
        seed: of what is random.
    """
    torch.manual_seed(seed)
    size = max(1, BATCH_VALUES // images[0].size)
    found, wrong = list[np.ndarray](), list[np.ndarray]()
    for begin in range(0, len(images), size):
        x = torch.from_numpy(images[begin : begin + size].transpose(0, 3, 1, 2).copy())
        classes = torch.from_numpy(labels[begin : begin + size].astype(np.int64))
        x = attack(x, classes).detach()
        with torch.no_grad():
            wrong.append((net(x).argmax(1) != classes).numpy())
        found.append(x.numpy().transpose(0, 2, 3, 1))
    return np.concatenate(found), np.concatenate(wrong)


def logits(net: nn.Module, images: Float[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n k"]:
    """What the network says of pictures in [0, 1]."""
    with torch.no_grad():
        return net(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def required(name: str) -> Any:
    """An installed package.

    Raises:
        InputError: if it is not there.
    """
    package = peers_attacks.package(name)
    if package is None:
        raise InputError(f"{name} is not installed: pip install --no-deps {name}")
    return package


class Prepared(nn.Module):
    """A network behind ImageNet's normalisation."""

    def __init__(self, net: peers.Net):
        super().__init__()
        self.net = net
        self.mean, self.std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(n, 3, h, w)` in [0, 1] to logits."""
        return self.net((x - self.mean) / self.std)


def twin(network: Network) -> nn.Module:
    """The same weights in PyTorch, for pictures in [0, 1].

    Args:
        network: a SqueezeNet, or this project's LeNet, whose pictures have one channel here.

    Raises:
        InputError: if it is another one.
    """
    model: Any = network.model
    model = model.args[0] if network.samples == "digits" else model  # LeNet is wrapped: it sees grey
    if isinstance(model, LeNet):
        return peers_attacks.lenet(state_dict(model))
    if isinstance(model, SqueezeNet):
        return Prepared(peers.forms(state_dict(model), compile=False)["eager"].net).eval()
    raise InputError(f"{network.name} has no twin in PyTorch here: give a SqueezeNet or this project's LeNet")

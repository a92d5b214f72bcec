"""What a PyTorch user would write instead of a captioner's training step (extra `peers`)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn
from torch.nn import functional

Weights = Mapping[str, np.ndarray]


class CaptionerNet(nn.Module):
    """An LSTM or a vanilla RNN that begins with the image's features; its weights are named as in `weights`."""

    def __init__(self, weights: Weights):
        super().__init__()
        (hidden, features), (words, size) = weights["proj.weight"].shape, weights["embed.weight"].shape
        self.proj = nn.Linear(features, hidden)
        self.embed = nn.Embedding(words, size)
        kind = nn.RNN if len(weights["recurrent.weight_hh_l0"]) == hidden else nn.LSTM
        self.recurrent = kind(size, hidden, batch_first=True)
        self.vocab = nn.Linear(hidden, words)
        load(self, weights)

    def forward(self, features: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """`(n, d)` and `(n, t)` to the loss, summed over words and averaged over captions."""
        h = self.proj(features)[None]  # (1, n, h)
        state = h if isinstance(self.recurrent, nn.RNN) else (h, torch.zeros_like(h))
        states, _ = self.recurrent(self.embed(captions[:, :-1]), state)
        return cross_entropy(self.vocab(states), captions[:, 1:])


class AttentionNet(nn.Module):
    """A decoder with soft attention over the cells of a feature map, a loop over an `LSTMCell`."""

    def __init__(self, weights: Weights, balance: float = 1.0):
        super().__init__()
        (two_hidden, features), (words, size) = weights["init.weight"].shape, weights["embed.weight"].shape
        hidden, between = two_hidden // 2, len(weights["cells.bias"])
        self.balance = balance
        self.init = nn.Linear(features, two_hidden)
        self.embed = nn.Embedding(words, size)
        self.cells = nn.Linear(features, between)
        self.query = nn.Linear(hidden, between, bias=False)
        self.score = nn.Linear(between, 1, bias=False)
        self.gate = nn.Linear(hidden, 1)
        self.recurrent = nn.LSTMCell(size + features, hidden)
        self.of_state = nn.Linear(hidden, size, bias=False)
        self.of_context = nn.Linear(features, size, bias=False)
        self.vocab = nn.Linear(size, words)
        load(self, weights)

    def forward(self, grid: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """`(n, l, d)` and `(n, t)` to the loss with its doubly stochastic term."""
        x = self.embed(captions[:, :-1])  # (n, t - 1, w)
        keys = self.cells(grid)  # (n, l, a), once for all words
        h, c = torch.tanh(self.init(grid.mean(1))).chunk(2, 1)
        states, contexts, maps = [], [], []
        for t in range(x.shape[1]):
            scores = self.score(torch.tanh(keys + self.query(h)[:, None]))[:, :, 0]
            alphas = torch.softmax(scores, 1)  # (n, l)
            z = torch.sigmoid(self.gate(h)) * torch.bmm(alphas[:, None], grid)[:, 0]  # (n, d)
            h, c = self.recurrent(torch.cat([x[:, t], z], 1), (h, c))
            states, contexts, maps = [*states, h], [*contexts, z], [*maps, alphas]
        output = x + self.of_state(torch.stack(states, 1)) + self.of_context(torch.stack(contexts, 1))
        mask = captions[:, 1:] != 0
        looked = (torch.stack(maps, 1) * mask[:, :, None]).sum(1)  # (n, l)
        penalty = ((1 - looked) ** 2).sum(1).mean()
        return cross_entropy(self.vocab(output), captions[:, 1:]) + self.balance * penalty


def load(net: nn.Module, weights: Weights) -> None:
    """The weights by their names, copied."""
    net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})


def cross_entropy(logits: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """Summed over the words that are not 0, averaged over captions."""
    total = functional.cross_entropy(logits.flatten(0, 1), said.flatten(), ignore_index=0, reduction="sum")
    return total / len(said)


def training_steps(
    net_of: Callable[[], nn.Module],
    features: Float[np.ndarray, "n *d"],
    captions: Int[np.ndarray, "n t"],
    *,
    learning_rate: float,
    compile: bool,
) -> dict[str, tuple[Callable[[], torch.Tensor], nn.Module]]:
    """One step of Adam in each form that PyTorch offers: forward, loss, gradients, update.

    Args:
        net_of: a network from features and captions to the loss, new on every call.
        features: of the images.
        captions: word ids, 0 where there is none.
        learning_rate: Adam's.
        compile: whether to include `torch.compile`.

    Returns:
        By name, a call that takes a step and gives the loss before it, and the network that it changes.
    """
    images, words = torch.from_numpy(np.array(features)), torch.from_numpy(np.array(captions, np.int64))

    def form(wrap: Callable[[nn.Module], Any], fused: bool) -> tuple[Callable[[], torch.Tensor], nn.Module]:
        net = net_of()
        optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate, fused=fused)
        loss_of = wrap(net)

        def step() -> torch.Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(images, words)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, net

    found = {"eager": form(_as_it_is, False), "eager, fused Adam": form(_as_it_is, True)}
    return found | ({"compiled, fused Adam": form(torch.compile, True)} if compile else {})


def _as_it_is(net: nn.Module) -> nn.Module:
    return net

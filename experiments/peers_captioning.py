"""What a PyTorch user would write instead of a captioner's training step (extra `peers`)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn
from torch.nn import functional


class CaptionerNet(nn.Module):
    """An LSTM that begins with the image's features; its weights are named as in `weights`."""

    def __init__(self, weights: Mapping[str, np.ndarray]):
        super().__init__()
        (hidden, features), (words, size) = weights["proj.weight"].shape, weights["embed.weight"].shape
        self.proj = nn.Linear(features, hidden)
        self.embed = nn.Embedding(words, size)
        self.lstm = nn.LSTM(size, hidden, batch_first=True)
        self.vocab = nn.Linear(hidden, words)
        self.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})

    def forward(self, features: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """`(n, d)` and `(n, t)` to the loss, summed over words and averaged over captions."""
        h = self.proj(features)[None]  # (1, n, h)
        states, _ = self.lstm(self.embed(captions[:, :-1]), (h, torch.zeros_like(h)))
        logits = self.vocab(states).flatten(0, 1)  # (n (t - 1), v)
        return functional.cross_entropy(logits, captions[:, 1:].flatten(), ignore_index=0, reduction="sum") / len(h[0])


def training_steps(
    weights: Mapping[str, np.ndarray],
    features: Float[np.ndarray, "n d"],
    captions: Int[np.ndarray, "n t"],
    *,
    learning_rate: float,
    compile: bool,
) -> dict[str, tuple[Callable[[], torch.Tensor], CaptionerNet]]:
    """One step of Adam in each form that PyTorch offers: forward, loss, gradients, update.

    Args:
        weights: by the names of `CaptionerNet`.
        features: of the images.
        captions: word ids, 0 where there is none.
        learning_rate: Adam's.
        compile: whether to include `torch.compile`.

    Returns:
        By name, a call that takes a step and gives the loss before it, and the network that it changes.
    """
    images, words = torch.from_numpy(np.array(features)), torch.from_numpy(np.array(captions, np.int64))

    def form(wrap: Callable[[nn.Module], Any], fused: bool) -> tuple[Callable[[], torch.Tensor], CaptionerNet]:
        net = CaptionerNet(weights)
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

"""What a PyTorch user would write instead of a self-critical step (extra `peers`).

Captions are drawn and said greedily in one loop over a cell, without gradients; the reward is counted in Python, with
the references' vectors kept; then one pass of `nn.LSTM` over what was drawn gives the gradient.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from experiments.peers_captioning import CaptionerNet, Weights
from jaxvision.captioning import END, NULL, START

Ngram = tuple[int, ...]
Vectors = list[tuple[dict[Ngram, float], float]]


class CiderD:
    """CIDEr-D of word ids by dictionaries, of images whose references are counted once."""

    def __init__(self, counts: Mapping[Ngram, int], n_images: int, references: Sequence[Sequence[Sequence[int]]]):
        self.unknown = math.log(n_images)
        self.idf = {ngram: self.unknown - math.log(count) for ngram, count in counts.items()}
        self.references = [[(self.vectors(words), len(words)) for words in captions] for captions in references]

    def vectors(self, words: Sequence[int]) -> Vectors:
        """Weighted n-grams and their norms, by order."""
        found = Vectors()
        for n in range(1, 5):
            counts = Counter(zip(*(words[k:] for k in range(n)), strict=False))
            weights = {ngram: count * self.idf.get(ngram, self.unknown) for ngram, count in counts.items()}
            found.append((weights, math.sqrt(sum(weight * weight for weight in weights.values()))))
        return found

    def __call__(self, image: int, words: Sequence[int], sigma: float = 6.0) -> float:
        """The score of one caption of an image."""
        candidate, total = self.vectors(words), 0.0
        for reference, length in self.references[image]:
            alike = 0.0
            for (c, c_norm), (r, r_norm) in zip(candidate, reference, strict=True):
                if c_norm and r_norm:
                    alike += sum(min(w, r[k]) * r[k] for k, w in c.items() if k in r) / (c_norm * r_norm)
            total += alike * math.exp(-((len(words) - length) ** 2) / (2 * sigma**2))
        return 10 / 4 * total / len(self.references[image])


def self_critical_steps(
    weights: Weights,
    features: Float[np.ndarray, "n d"],
    noise: Float[np.ndarray, "t n v"],
    reward: Callable[[int, Sequence[int]], float],
    *,
    forbidden: tuple[int, ...],
    learning_rate: float,
    compile: bool,
) -> dict[str, tuple[Callable[[], torch.Tensor], CaptionerNet]]:
    """One step of Adam in each form that PyTorch offers: draw, reward, loss, gradients, update.

    Args:
        weights: by the names of `CaptionerNet`.
        features: of the images.
        noise: Gumbel noise for each word of each caption: what is drawn is the largest of log p + noise.
        reward: of an image's caption, its words with END.
        forbidden: words never chosen.
        learning_rate: Adam's.
        compile: whether to include `torch.compile`.

    Returns:
        By name, a call that takes a step and gives the loss before it, and the network that it changes.
    """
    images, heat = torch.from_numpy(np.array(features)), torch.from_numpy(np.array(noise))
    blocked = torch.zeros(heat.shape[2])
    blocked[list(forbidden)] = -math.inf

    def form(wrap: Callable[[Any], Any], fused: bool) -> tuple[Callable[[], torch.Tensor], CaptionerNet]:
        net = CaptionerNet(weights)
        optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate, fused=fused)
        say, loss_of = wrap(_say), wrap(_loss)

        def step() -> torch.Tensor:
            with torch.no_grad():
                said = say(net, images, heat, blocked)  # (2 n, t)
            rewards = torch.tensor([reward(i % len(images), _words(row)) for i, row in enumerate(said.tolist())])
            drawn, greedy = rewards.chunk(2)
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(net, images, said[: len(images)], drawn - greedy, blocked)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, net

    found = {"eager": form(_as_it_is, False), "eager, fused Adam": form(_as_it_is, True)}
    return found | ({"compiled, fused Adam": form(torch.compile, True)} if compile else {})


def _say(net: CaptionerNet, images: torch.Tensor, heat: torch.Tensor, blocked: torch.Tensor) -> torch.Tensor:
    """Captions drawn, then the greedy ones: `(2 n, t)`."""
    h = net.proj(images).repeat(2, 1)
    c, n, cell = torch.zeros_like(h), len(images), net.recurrent
    word = torch.full((2 * n,), START)
    finished, said = torch.zeros(2 * n, dtype=torch.bool), torch.full((2 * n, len(heat)), NULL)
    for t in range(len(heat)):
        gates = (cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0, cell.bias_hh_l0)
        h, c = torch.lstm_cell(net.embed(word), (h, c), *gates)  # type: ignore[arg-type]
        log_p = torch.log_softmax(net.vocab(h), 1) + blocked
        word = torch.cat([(log_p[:n] + heat[t]).argmax(1), log_p[n:].argmax(1)])
        word = torch.where(finished, NULL, word)
        said[:, t] = word
        finished = finished | (word == END)
        if finished.all():
            break
    return said


def _loss(
    net: CaptionerNet, images: torch.Tensor, said: torch.Tensor, advantages: torch.Tensor, blocked: torch.Tensor
) -> torch.Tensor:
    read = torch.cat([torch.full_like(said[:, :1], START), said[:, :-1]], 1)
    h = net.proj(images)[None]
    states, _ = net.recurrent(net.embed(read), (h, torch.zeros_like(h)))
    log_q = torch.log_softmax(net.vocab(states) + blocked, 2)
    mask = said != NULL
    of_words = log_q.gather(2, torch.where(mask, said, END)[:, :, None])[:, :, 0]
    return -(advantages[:, None] * torch.where(mask, of_words, 0.0)).sum() / len(said)


def _words(row: Sequence[int]) -> Sequence[int]:
    return row[: row.index(NULL)] if NULL in row else row


def _as_it_is(function: Any) -> Any:
    return function

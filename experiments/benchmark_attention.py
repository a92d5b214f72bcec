"""Row of the benchmark: the training step of a captioner with soft attention.

Forward, loss with its doubly stochastic term, gradients and Adam's update, beside PyTorch's forms of it: a loop over
an `LSTMCell` as people write it, with the cells' keys computed once for all words, eager and compiled.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from experiments import benchmark_captioning
from experiments.benchmark_captioning import adam_step, beside_torch, n_parameters
from experiments.benchmark_program import Program, Programs, Setup
from experiments.matrix_products import Product, training_costs
from jaxvision.captioning import AttentionCaptioner, attention_captioner, attention_loss
from jaxvision.recurrent import lstm_to_torch


class Sizes(NamedTuple):
    """Of captions, grids and the network.

    Attributes:
        captions: of a step.
        cells: of a grid.
        attention: between the cells and their scores.
        others: as of the captioner without attention.
    """

    captions: int = 64
    cells: int = 49
    attention: int = 512
    others: benchmark_captioning.Sizes = benchmark_captioning.Sizes()


def programs(setup: Setup, sizes: Sizes = Sizes()) -> Programs:  # noqa: B008 - a tuple, never changed
    """The row by name."""
    name = f"captioner training step, attention, {sizes.captions} captions"
    return {name: lambda: training_step(name, new_captioner(sizes, setup.seed), sizes, setup)}


def new_captioner(sizes: Sizes, seed: int) -> AttentionCaptioner:
    """A captioner of these sizes."""
    return attention_captioner(
        jax.random.key(seed),
        feature_size=sizes.others.features,
        vocabulary_size=sizes.others.words,
        embed_size=sizes.others.embed,
        hidden_size=sizes.others.hidden,
        attention_size=sizes.attention,
    )


def training_step(name: str, model: AttentionCaptioner, sizes: Sizes, setup: Setup) -> Program:
    """A step of Adam, beside PyTorch's; compared are the changes of all weights."""
    grid, captions = batch(sizes, setup.seed)
    call, seconds = adam_step(attention_loss, model, grid, captions)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    if setup.peers:
        from experiments import peers_captioning  # noqa: PLC0415 - PyTorch is an extra

        before, after = torch_weights(model), torch_weights(call()[0])
        calls |= beside_torch(
            name, lambda: peers_captioning.AttentionNet(before), before, after, (grid, captions), setup
        )
    products = forward_products(model, sizes.captions, captions.shape[1], sizes.cells)
    return Program(name, calls, seconds, training_costs(products, n_parameters(model)))


def batch(sizes: Sizes, seed: int) -> tuple[Float[Array, "n l d"], Int[Array, "n t"]]:
    """Grids of noise, and captions.

    Example:
        >>> batch(Sizes(captions=2, cells=4), seed=0)[0].shape
        (2, 4, 512)
    """
    _, captions = benchmark_captioning.batch(sizes.captions, sizes.others, seed)
    return jax.random.normal(jax.random.key(seed), (sizes.captions, sizes.cells, sizes.others.features)), captions


def forward_products(model: AttentionCaptioner, n: int, max_length: int, cells: int) -> list[Product]:
    """The products of matrices of a forward pass of `n` captions; see `benchmark_captioning.forward_products`."""
    (features, between), (words, size), (hidden, gates) = (
        model.attention.W_cells.shape,
        model.W_embed.shape,
        model.recurrent.Wh.shape,
    )
    steps = max_length - 1
    read = n * steps
    return [
        Product(n * cells, features, between, given=True),
        Product(n, features, 2 * hidden, given=True),
        Product(min(read, words), size, gates),
        Product(n, hidden, gates + between + 1, times=steps),
        Product(n * cells, between, 1, times=steps),  # scores
        Product(1, cells, features, times=read),  # means of cells; by these there is no derivative
        Product(n, features, gates, times=steps),
        Product(read, hidden, size),
        Product(read, features, size),
        Product(read, size, words),
    ]


def torch_weights(model: AttentionCaptioner) -> dict[str, np.ndarray]:
    """The weights under the names of `peers_captioning.AttentionNet`."""
    W_cells, W_state, b, v, w_gate, b_gate = model.attention
    weights = {"init.weight": model.W_init.T, "init.bias": model.b_init, "embed.weight": model.W_embed}
    weights |= {"cells.weight": W_cells.T, "cells.bias": b, "query.weight": W_state.T, "score.weight": v[None]}
    weights |= {"gate.weight": w_gate[None], "gate.bias": b_gate[None]}
    weights |= {"of_state.weight": model.W_h.T, "of_context.weight": model.W_z.T}
    weights |= {"vocab.weight": model.W_vocab.T, "vocab.bias": model.b_vocab}
    of_cell = {name.removesuffix("_l0"): array for name, array in lstm_to_torch(model.recurrent).items()}
    weights |= {f"recurrent.{name}": array for name, array in of_cell.items()}
    return {name: np.asarray(array) for name, array in weights.items()}

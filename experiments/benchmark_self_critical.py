"""Row of the benchmark: a step of self-critical training.

Captions drawn and said greedily, their rewards (CIDEr-D), the loss, gradients and Adam's update as one program, beside
PyTorch's forms of it, which draw with the same noise. The noise is given to PyTorch and made by our program.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from experiments import benchmark_captioning
from experiments.benchmark_captioning import (
    LEARNING_RATE,
    Sizes,
    adam_step,
    forward_products,
    moved,
    n_parameters,
    new_captioner,
    torch_weights,
)
from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.matrix_products import costs_of, training_costs
from experiments.timing import Costs
from jaxvision.captioning import NEVER_CHOSEN, Captioner, RewardFn, caption_lengths, cider_reward, self_critical_loss
from jaxvision.metrics.captions import document_frequency, ngram_weights
from jaxvision.pixels import example_keys

N_REFERENCES = 5
N_IMAGES = 500  # whose references fix the document frequencies


def programs(setup: Setup, sizes: Sizes = Sizes()) -> Programs:  # noqa: B008 - a tuple, never changed
    """The row by name."""
    name = f"self-critical step, {sizes.images} images"
    return {name: lambda: training_step(name, new_captioner(sizes, setup.seed), sizes, setup)}


def training_step(name: str, model: Captioner, sizes: Sizes, setup: Setup) -> Program:
    """A step of Adam, beside PyTorch's; compared are the changes of all weights."""
    features, _ = benchmark_captioning.batch(sizes.images, sizes, setup.seed)
    references = written(sizes, setup.seed)
    lengths = caption_lengths(references)
    few = references[: sizes.images], lengths[: sizes.images]
    reward = cider_reward(ngram_weights(references, lengths), *few)
    key, n_steps = jax.random.key(setup.seed), sizes.max_length - 1
    call, seconds = adam_step(partial(loss, max_length=n_steps), model, features, key, reward)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    if setup.peers:
        calls |= beside_torch(name, model, call()[0], (features, key, references, lengths), n_steps, setup)
    training = training_costs(forward_products(model, sizes.images, sizes.max_length), n_parameters(model))
    saying = costs_of(forward_products(model, 2 * sizes.images, sizes.max_length, one_by_one=True))
    together = Costs(training.operations + saying.operations, (training.bytes or 0.0) + (saying.bytes or 0.0))
    return Program(name, calls, seconds, together)


def loss(model: Captioner, features: Array, key: Array, reward: RewardFn, *, max_length: int) -> Array:
    """Without the captions."""
    return self_critical_loss(model, features, key, reward, max_length=max_length)[0]


def written(sizes: Sizes, seed: int) -> Int[Array, "m r t"]:
    """References of the images of a batch and of others, their words after START."""
    n = max(N_IMAGES, sizes.images)
    _, captions = benchmark_captioning.batch(n * N_REFERENCES, sizes, seed + 1)
    return captions[:, 1:].reshape(n, N_REFERENCES, -1)


def beside_torch(
    name: str, model: Captioner, after: Captioner, given: tuple[Array, ...], n_steps: int, setup: Setup
) -> dict[str, Callable[[], Any]]:
    """PyTorch's forms, each compared with ours."""
    from experiments import peers_self_critical  # noqa: PLC0415 - PyTorch is an extra

    features, key, references, lengths = given
    words = [
        [row[:length] for row, length in zip(rows, of_rows, strict=True)]
        for rows, of_rows in zip(references.tolist(), lengths.tolist(), strict=True)
    ]
    n_images, counts = document_frequency([[list(map(str, row)) for row in rows] for rows in words])
    of_ids = {tuple(map(int, ngram)): count for ngram, count in counts.items()}
    reward = peers_self_critical.CiderD(of_ids, n_images, words[: len(features)])
    weights = torch_weights(model)
    forms = peers_self_critical.self_critical_steps(
        weights,
        np.asarray(features),
        np.asarray(noise(key, n_steps, len(features), model.b_vocab.shape[0])),
        reward,
        forbidden=NEVER_CHOSEN,
        learning_rate=LEARNING_RATE,
        compile=setup.compile,
    )
    expected, calls = moved(weights, torch_weights(after)), dict[str, Callable[[], Any]]()
    for form, (theirs, net) in forms.items():
        theirs()
        found = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
        require_same(name, form, expected, moved(weights, found))
        calls[form] = theirs
    return calls


def noise(key: Array, n_steps: int, n: int, n_words: int) -> Array:
    """What `sample` adds to log p, `(T, N, V)`."""
    keys = example_keys(key, n)

    def of_word(position: Array, key: Array) -> Array:
        return jax.random.gumbel(jax.random.fold_in(key, position), (n_words,))

    return jax.vmap(jax.vmap(of_word, in_axes=(None, 0)), in_axes=(0, None))(jnp.arange(n_steps), keys)

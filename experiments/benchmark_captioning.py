"""Rows of the benchmark: a captioner's training step and a beam search.

The training step (forward, loss, gradients, Adam's update; LSTM and RNN) stands beside PyTorch's forms of it, eager and
compiled, and beside the NumPy reference, the course's layers with derivatives by hand and its Adam; the beam search of
many images in one program beside the same search compiled for one image, in a loop. A beam search is limited by its
products of matrices: how much a batch gains over single images depends on how far these fall below the machine's peak,
on two CPU cores little.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.matrix_products import Product, costs_of, training_costs
from experiments.timing import Compiling, compiled, compiled_step
from jaxvision.captioning import END, START, UNK, Captioner, beam_search, caption_loss, captioner
from jaxvision.numpy_reference import captioning_loss
from jaxvision.recurrent import lstm_to_torch, rnn_to_torch

LEARNING_RATE = 1e-3
NUM_BEAMS = 5


class Sizes(NamedTuple):
    """Of captions and their network.

    Attributes:
        batches: captions of a training step.
        images: of the NumPy reference and of the RNN's step.
        searched: images of a beam search.
        words: in the vocabulary.
        max_length: words of a caption, with its start and its end.
        features: of an image.
        embed: of a word's vector.
        hidden: of the LSTM's state.
    """

    batches: tuple[int, ...] = (64, 256)
    images: int = 64
    searched: tuple[int, ...] = (64, 256)
    words: int = 1004
    max_length: int = 17
    features: int = 512
    embed: int = 256
    hidden: int = 512


def programs(setup: Setup, sizes: Sizes = Sizes()) -> Programs:  # noqa: B008 - a tuple, never changed
    """The rows by name."""

    def model(cell: str = "lstm") -> Captioner:
        return new_captioner(sizes, setup.seed, cell)

    steps = {
        f"captioner training step, {n} captions": lambda n=n: training_step(model(), n, sizes, setup)
        for n in sizes.batches
    }
    of_rnn = f"captioner training step, RNN, {sizes.images} captions"
    searches = {beams_name(n): lambda n=n: beams(model(), n, sizes, setup) for n in sizes.searched}
    others = {
        of_rnn: lambda: training_step(model("rnn"), sizes.images, sizes, setup, name=of_rnn),
        f"captioner training step, {sizes.images} captions, NumPy": lambda: against_numpy(model(), sizes, setup),
    }
    return steps | others | searches


def beams_name(n: int) -> str:
    """Of the row."""
    return f"beam-{NUM_BEAMS} decoding of {n} images"


def new_captioner(sizes: Sizes, seed: int, cell: str = "lstm") -> Captioner:
    """A captioner of these sizes."""
    return captioner(
        jax.random.key(seed),
        feature_size=sizes.features,
        vocabulary_size=sizes.words,
        embed_size=sizes.embed,
        hidden_size=sizes.hidden,
        cell=cell,
    )


def training_step(model: Captioner, n: int, sizes: Sizes, setup: Setup, *, name: str | None = None) -> Program:
    """A step of Adam, beside PyTorch's; compared are the changes of all weights."""
    features, captions = batch(n, sizes, setup.seed)
    name = name or f"captioner training step, {n} captions"
    call, seconds = adam_step(caption_loss, model, features, captions)
    calls: dict[str, Callable[[], Any]] = {"ours": call}
    if setup.peers:
        from experiments import peers_captioning  # noqa: PLC0415 - PyTorch is an extra

        before, after = torch_weights(model), torch_weights(call()[0])
        calls |= beside_torch(
            name, lambda: peers_captioning.CaptionerNet(before), before, after, (features, captions), setup
        )
    costs = training_costs(forward_products(model, *captions.shape), n_parameters(model))
    return Program(name, calls, seconds, costs)


def beside_torch(
    name: str,
    net_of: Callable[[], Any],
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    arguments: tuple[Array, Array],
    setup: Setup,
) -> dict[str, Callable[[], Any]]:
    """PyTorch's forms of a training step, each compared with ours by the changes of all weights.

    Args:
        name: of the row.
        net_of: see `peers_captioning.training_steps`.
        before: the weights by PyTorch's names.
        after: those after a step of ours.
        arguments: features and captions.
        setup: whether to compile.

    Raises:
        FloatingPointError: if a form does something else.
    """
    from experiments import peers_captioning  # noqa: PLC0415 - PyTorch is an extra

    features, captions = map(np.asarray, arguments)
    forms = peers_captioning.training_steps(
        net_of, features, captions, learning_rate=LEARNING_RATE, compile=setup.compile
    )
    calls = dict[str, Callable[[], Any]]()
    for form, (theirs, net) in forms.items():
        theirs()
        found = {name: tensor.numpy() for name, tensor in net.state_dict().items() if name in after}
        require_same(name, form, moved(before, after), moved(before, found))
        calls[form] = theirs
    return calls


def against_numpy(model: Captioner, sizes: Sizes, setup: Setup) -> Program:
    """The same step, beside one of the NumPy reference, which uses all cores in its products."""
    features, captions = batch(sizes.images, sizes, setup.seed)
    call, seconds = adam_step(caption_loss, model, features, captions)
    before = {name: np.asarray(array) for name, array in named(model).items()}
    weights = {name: array.copy() for name, array in before.items()}
    reference = numpy_step(weights, np.asarray(features), np.asarray(captions))
    after = {name: np.asarray(array) for name, array in named(call()[0]).items()}
    reference()
    name = f"captioner training step, {sizes.images} captions, NumPy"
    require_same(name, "NumPy reference", moved(before, after), moved(before, weights))
    costs = training_costs(forward_products(model, *captions.shape), n_parameters(model))
    return Program(name, {"ours": call, "NumPy reference": reference}, seconds, costs)


def adam_step(loss_fn: Callable[..., Any], model: Any, *arguments: Any) -> tuple[Callable[[], Any], Compiling]:
    """Our step of Adam as a program, and the seconds that compiling took; the loss takes model and arguments."""
    optimizer = optax.adam(LEARNING_RATE)

    def step(trained: tuple[Any, Any], *arguments: Any) -> tuple[Any, Any]:
        model, state = trained
        gradients = jax.grad(loss_fn)(model, *arguments)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, state = optimizer.update(gradients, state, model)
        return optax.apply_updates(model, updates), state

    return compiled_step(step, (model, optimizer.init(model)), *arguments)


def numpy_step(
    weights: dict[str, np.ndarray], features: Float[np.ndarray, "n d"], captions: Int[np.ndarray, "n t"]
) -> Callable[[], np.floating]:
    """A step of Adam with the reference's gradients, which changes `weights` in place and gives the loss before it."""
    b1, b2, eps = 0.9, 0.999, 1e-8
    moments = {name: (np.zeros_like(array), np.zeros_like(array)) for name, array in weights.items()}
    count = 0

    def step() -> np.floating:
        nonlocal count
        count += 1
        rate = LEARNING_RATE / (1 - b1**count)
        loss, gradients = captioning_loss(weights, features, captions, cell_type="lstm")
        for name, gradient in gradients.items():
            mean, square = moments[name]
            mean += (1 - b1) * (gradient - mean)
            square += (1 - b2) * (gradient * gradient - square)
            weights[name] -= (rate * mean / (np.sqrt(square / (1 - b2**count)) + eps)).astype(np.float32)
        return loss

    return step


def beams(model: Captioner, n: int, sizes: Sizes, setup: Setup) -> Program:
    """A beam search of all images at once, beside one image after the other; no caption ends early, here or there."""

    def search(model: Captioner, features: Array) -> Array:
        found = beam_search(model.step, model.start(features), num_beams=NUM_BEAMS, max_length=sizes.max_length - 1)
        return found.log_probs  # (N, B)

    model = model._replace(b_vocab=model.b_vocab.at[END].set(-100.0))
    features, _ = batch(n, sizes, setup.seed)
    call, seconds = compiled(search, model, features)
    single = jax.jit(search).lower(model, features[:1]).compile()
    rows = [features[i : i + 1] for i in range(n)]

    def one_by_one() -> list[Array]:
        return [jax.block_until_ready(single(model, row)) for row in rows]

    name = beams_name(n)
    require_same(name, "one image at a time", np.asarray(call()), np.concatenate(one_by_one()))
    products = forward_products(model, n * NUM_BEAMS, sizes.max_length, one_by_one=True)
    return Program(name, {"ours": call, "one image at a time": one_by_one}, seconds, costs_of(products))


def batch(n: int, sizes: Sizes, seed: int) -> tuple[Float[Array, "n d"], Int[Array, "n t"]]:
    """Features, and captions of many lengths whose words are as unevenly frequent as those of a language.

    Example:
        >>> batch(2, Sizes(features=3, max_length=6), seed=0)[1].shape
        (2, 6)
    """
    generator = np.random.default_rng(seed)
    known = np.arange(UNK, sizes.words)
    frequency = 1 / (1 + np.arange(len(known)))  # Zipf's law
    captions = np.zeros((n, sizes.max_length), np.int32)
    for caption in captions:
        length = generator.integers(sizes.max_length // 2, sizes.max_length - 1)
        caption[: length + 1] = START, *generator.choice(known, length - 1, p=frequency / frequency.sum()), END
    return jnp.asarray(generator.normal(size=(n, sizes.features)), jnp.float32), jnp.asarray(captions)


def forward_products(model: Captioner, n: int, max_length: int, *, one_by_one: bool = False) -> list[Product]:
    """The products of matrices of a forward pass: the compiler counts a loop's body once.

    Args:
        model: gives the sizes.
        n: captions.
        max_length: T, of which T - 1 are read.
        one_by_one: whether words are decoded one after the other. Otherwise all that the loop does not need is one
            product, and each word's vector goes through the cell's input weights at most once.

    Returns:
        All of them.
    """
    (features, hidden), (words, size), (_, gates) = model.W_proj.shape, model.W_embed.shape, model.recurrent.Wx.shape
    steps = max_length - 1
    loop = [Product(n, features, hidden, given=True), Product(n, hidden, gates, times=steps)]
    if one_by_one:
        return [*loop, Product(n, size, gates, times=steps), Product(n, hidden, words, times=steps)]
    return [*loop, Product(min(n * steps, words), size, gates), Product(n * steps, hidden, words)]


def n_parameters(model: Any) -> int:
    """How many numbers are trained."""
    return sum(leaf.size for leaf in jax.tree.leaves(model))


def named(model: Captioner) -> dict[str, Array]:
    """The weights under the course's names."""
    of_cell = model.recurrent._asdict()
    return {name: array for name, array in (model._asdict() | of_cell).items() if name != "recurrent"}


def torch_weights(model: Captioner) -> dict[str, np.ndarray]:
    """The weights under the names of `peers_captioning.CaptionerNet`."""
    weights = {"proj.weight": model.W_proj.T, "proj.bias": model.b_proj, "embed.weight": model.W_embed}
    convert = rnn_to_torch if model.cell == "rnn" else lstm_to_torch
    of_cell = convert(model.recurrent)  # type: ignore[arg-type]
    weights |= {"vocab.weight": model.W_vocab.T, "vocab.bias": model.b_vocab}
    weights |= {f"recurrent.{name}": array for name, array in of_cell.items()}
    return {name: np.asarray(array) for name, array in weights.items()}


def moved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> np.ndarray:
    """The change of all weights, end to end, of a cell's two biases the first: PyTorch has it twice, and moves both."""
    names = [name for name in before if "bias_hh" not in name]
    return np.concatenate([(after[name] - before[name]).ravel() for name in names])

"""Curves of the growth benchmark: one program at several sizes, and what its algorithm says about its cost."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments import benchmark_gan
from experiments.timing import compiled, compiled_step
from jaxvision import gan, style
from jaxvision.attribution import saliency_map
from jaxvision.backbones import SqueezeNet, features_fn, logits_fn, squeezenet1_1
from jaxvision.captioning import START, UNK, Captioner, caption_loss, captioner
from jaxvision.pixels import advance, in_chunks, start
from jaxvision.signatures import LogitsFn

IMAGE_SIDE = 224
BATCHES = (1, 2, 4, 8, 16, 32, 64)
SIDES, STEPS_A_SIDE = (256, 384, 512, 768, 1024), 2
RUN_LENGTHS, RUN_SIDE = (10, 20, 40, 80), 128
CAPTIONS, LENGTHS, HIDDEN = 64, (9, 17, 33, 65), (128, 256, 512, 1024)
WORDS, EMBED, FEATURES = 1004, 256, 512
REPLICAS, GAN_BATCH = (1, 2, 4, 8, 16), 64
STYLE_LAYERS = {f"features.{layer}": 1.0 for layer in (1, 4, 6, 7)}

Call = Callable[[], Any]


@dataclass(frozen=True)
class Curve:
    """A program that is measured at several sizes."""

    name: str
    """as --curves has it"""
    title: str
    size_name: str
    """of the sizes, with their unit"""
    sizes: tuple[int, ...]
    cost: Callable[[int], float]
    """what the algorithm says: the cost of a size, in `unit`"""
    unit: str
    """of the cost"""
    law: str
    """the same in words"""
    prepare: Callable[[int, int], Call]
    """(size, seed) to a call that returns when its work is done"""
    pixels: Callable[[int], float] | None = None
    """of a size, which its memory should grow with; none: memory is not measured"""


def image_gradient(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array) -> jax.Array:
    """The derivative of each image's own class score, a chunk of images at a time."""

    def score(images: jax.Array, labels: jax.Array) -> jax.Array:
        return jnp.sum(jnp.take_along_axis(logits_fn(images), labels[:, None], axis=1))

    return in_chunks(jax.grad(score), images, labels)


def of_images(function: Callable[..., jax.Array]) -> Callable[[int, int], Call]:
    """`function(logits_fn, images, labels)` of so many images of 224 x 224."""

    def prepare(n: int, seed: int) -> Call:
        images = jax.random.normal(jax.random.key(seed), (n, IMAGE_SIDE, IMAGE_SIDE, 3))
        return compiled(function, logits_fn(network(seed)), images, jnp.zeros(n, jnp.int32))[0]

    return prepare


def transfer(side: int, n_steps: int, seed: int) -> Call:
    """A style transfer of one picture, so many steps in one dispatch."""
    features = features_fn(network(seed))
    content, picture = jax.random.normal(jax.random.key(seed), (2, 1, side, side, 3))
    targets = style.style_targets(
        features,
        content,
        [picture],
        content_layers={"features.3": 1.0},
        style_layers=STYLE_LAYERS,
        tv_weight=0.1,
        relative=True,
    )
    problem = style.style_problem(features, targets, style.adam())
    run = functools.partial(advance, n_steps=n_steps)
    return compiled(lambda problem, state: run(problem, state)[0].images, problem, start(problem, content))[0]


def captions(n: int, *, length: int = 17, hidden: int = 512, seed: int = 0) -> tuple[Any, ...]:
    """An LSTM captioner with Adam's state, features and captions, of which `length` - 1 words are read."""
    keys = jax.random.split(jax.random.key(seed), 3)
    model = captioner(
        keys[0], feature_size=FEATURES, vocabulary_size=WORDS, embed_size=EMBED, hidden_size=hidden, cell="lstm"
    )
    features = jax.random.normal(keys[1], (n, FEATURES))
    tokens = jax.random.randint(keys[2], (n, length), UNK, WORDS, jnp.int32).at[:, 0].set(START)
    return (model, optimizer().init(model)), features, tokens


def caption_step(
    trained: tuple[Captioner, Any], features: jax.Array, tokens: jax.Array, *, axis: str | None = None
) -> tuple[Captioner, Any]:
    """A step of Adam, where an axis of devices is named on the mean of their gradients."""
    model, state = trained
    gradient = jax.grad(caption_loss)(model, features, tokens)
    gradient = gradient if axis is None else jax.lax.pmean(gradient, axis)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
        updates, state = optimizer().update(gradient, state, model)
    return optax.apply_updates(model, updates), state  # type: ignore[return-value]


def optimizer() -> optax.GradientTransformation:
    """Of captioners."""
    return optax.adam(1e-3)


def training(length: int, hidden: int, seed: int) -> Call:
    """A training step of so many captions."""
    return compiled_step(caption_step, *captions(CAPTIONS, length=length, hidden=hidden, seed=seed))[0]


def training_operations(length: int, hidden: int) -> float:
    """Of a training step's products of matrices, in GFLOP: a forward pass, and twice as many for its gradient.

    A vocabulary of fewer words than are read goes through the cell's input weights once, and not word by word.
    """
    read = CAPTIONS * (length - 1)
    gates = 4 * hidden
    inputs = CAPTIONS * FEATURES * hidden + min(read, WORDS) * EMBED * gates
    return 3 * 2 * (inputs + read * hidden * (gates + WORDS)) / 1e9


def pairs(replicas: int, seed: int) -> Call:
    """An alternating step of so many fully connected pairs in one program."""
    state, real, latents = benchmark_gan.beginning("mlp", GAN_BATCH, seed)
    step_fn = gan.alternating_step(gan.NON_SATURATING, benchmark_gan.optimizers(), benchmark_gan.given(latents))
    step = gan.replicated_step(step_fn)
    batch = (jnp.stack([real[None]] * replicas),)
    return compiled_step(lambda states, batch: step(states, batch)[0], gan.replicas([state] * replicas), batch)[0]


@functools.cache
def network(seed: int) -> SqueezeNet:
    """A SqueezeNet with random weights: they decide no speed."""
    return squeezenet1_1(key=jax.random.key(seed))


CURVES = (
    Curve(
        "batch",
        "image gradient, 224 px",
        "images",
        BATCHES,
        float,
        "image",
        "linear in the batch",
        of_images(image_gradient),
    ),
    Curve(
        "saliency",
        "saliency maps, 224 px",
        "images",
        BATCHES,
        float,
        "image",
        "linear in the batch",
        of_images(saliency_map),
    ),
    Curve(
        "side",
        "style step",
        "side, px",
        SIDES,
        lambda side: STEPS_A_SIDE * float(side) ** 2 / 1e6,
        "megapixel",
        "linear in the pixels, quadratic in the side",
        lambda side, seed: transfer(side, STEPS_A_SIDE, seed),
        pixels=lambda side: float(side) ** 2,
    ),
    Curve(
        "steps",
        f"style run, {RUN_SIDE} px, one dispatch",
        "steps",
        RUN_LENGTHS,
        float,
        "step",
        "linear in the steps",
        lambda n_steps, seed: transfer(RUN_SIDE, n_steps, seed),
    ),
    Curve(
        "length",
        f"LSTM training step, {CAPTIONS} captions",
        "words of a caption",
        LENGTHS,
        lambda length: training_operations(length, 512),
        "GFLOP",
        "linear in the length, beside what each word of the vocabulary takes once",
        lambda length, seed: training(length, 512, seed),
    ),
    Curve(
        "hidden",
        f"LSTM training step, {CAPTIONS} captions",
        "states",
        HIDDEN,
        lambda hidden: training_operations(17, hidden),
        "GFLOP",
        "quadratic in the states, beside inputs and vocabulary, which are linear",
        lambda hidden, seed: training(17, hidden, seed),
    ),
    Curve(
        "replicas",
        f"MLP GANs side by side, {GAN_BATCH} images",
        "replicas",
        REPLICAS,
        float,
        "replica",
        "linear in the replicas",
        pairs,
    ),
)

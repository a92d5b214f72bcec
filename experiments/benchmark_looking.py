"""Rows of the benchmark: SqueezeNet and what is made of its gradients, and what a PyTorch user would run instead."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.timing import compiled, costs
from jaxvision.adversarial import fooling_image
from jaxvision.attribution import saliency_map
from jaxvision.backbones import SqueezeNet, logits_fn, squeezenet1_1, state_dict
from jaxvision.pixels import advance, in_chunks, start
from jaxvision.signatures import LogitsFn
from jaxvision.visualization import class_visualization_problem

SIZE = 224
LABEL_RANK = 50
FOOLING_STEPS = 20
VISUALIZATION_STEPS = 20
VISUALIZATION_RATE, VISUALIZATION_L2 = 1e-2, 1e-3  # the course's rate of 25 makes a large one of any rounding
FOOLING_RATE = 1e-3  # small, so that no image is fooled early and all steps are taken on both sides


@dataclass(frozen=True)
class Step:
    """A program to be timed."""

    name: str
    n: int
    """images"""
    arguments: Callable[[SqueezeNet, jax.Array, jax.Array], tuple[Any, ...]]
    """(model, images, labels) to the program's arguments"""
    ours: Callable[..., Any]
    """the program, from its arguments to an array"""
    one: Callable[..., Any]
    """a single pass, of the arguments for one image: its operations are counted"""
    theirs: Callable[..., Callable[[], Any]]
    """(form, images, labels) to a call of PyTorch's that does the same"""
    n_steps: int = 1
    """passes for each image"""
    size: int = SIZE
    """side of the images in pixels"""


def programs(setup: Setup) -> Programs:
    """The rows by name; see `prepare`."""
    return prepared(steps(), setup)


def prepared(steps: Sequence[Step], setup: Setup) -> Programs:
    """Rows of steps that share one network and PyTorch's forms of it."""

    @functools.cache
    def networks() -> tuple[SqueezeNet, Mapping[str, Any]]:
        model = squeezenet1_1(key=jax.random.key(setup.seed))
        return model, torch_forms(model, setup)

    return {step.name: lambda step=step: prepare(step, *networks(), setup.seed) for step in steps}


def torch_forms(model: SqueezeNet, setup: Setup) -> Mapping[str, Any]:
    """PyTorch's forms of the classifier, none where PyTorch is not wanted."""
    if not setup.peers:
        return {}
    from experiments import peers  # noqa: PLC0415 - PyTorch is an extra

    return peers.forms(state_dict(model), compile=setup.compile)


def prepare(step: Step, model: SqueezeNet, forms: Mapping[str, Any], seed: int) -> Program:
    """Compiles one program and compares its result with every peer's.

    Args:
        step: the program.
        model: images to logits and activations.
        forms: PyTorch's forms of it, see `peers.forms`; may be empty.
        seed: of the images.

    Returns:
        What is to be timed.

    Raises:
        FloatingPointError: if a result differs from a peer's by more than a hundredth of its norm.
    """
    images = jax.random.normal(jax.random.key(seed), (step.n, step.size, step.size, 3))
    # A class well below the first, so that no fooling run ends early, but above the last ReLU's zero.
    logits = jax.jit(forward)(logits_fn(model), images, jnp.zeros(step.n, jnp.int32))
    labels = jnp.argsort(-logits, axis=1)[:, LABEL_RANK].astype(jnp.int32)
    call, compiling = compiled(step.ours, *step.arguments(model, images, labels))
    calls = {"ours": call}
    calls |= {name: step.theirs(form, np.asarray(images), np.asarray(labels)) for name, form in forms.items()}
    expected = np.asarray(call())
    for name in forms:
        found = calls[name]().numpy()
        found = found.transpose(0, 2, 3, 1) if found.ndim == 4 else found
        require_same(step.name, name, expected, found, n_steps=step.n_steps)
    one = costs(step.one, *step.arguments(model, images[:1], labels[:1]))
    return Program(step.name, calls, compiling, one.times(step.n * step.n_steps), step.n_steps)


def forward(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array) -> jax.Array:
    """Logits."""
    return logits_fn(images)


def image_gradient(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array) -> jax.Array:
    """The derivative of each image's own class score, a chunk of images at a time."""

    def score(images: jax.Array, labels: jax.Array) -> jax.Array:
        return jnp.sum(jnp.take_along_axis(logits_fn(images), labels[:, None], axis=1))

    return in_chunks(jax.grad(score), images, labels)


def fool(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array) -> jax.Array:
    """The whole run as one program."""
    return fooling_image(logits_fn, images, labels, learning_rate=FOOLING_RATE, n_steps=FOOLING_STEPS).images


def visualize(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array) -> jax.Array:
    """The whole run as one program, from given noise; jitter and blur are left out."""
    problem = class_visualization_problem(
        logits_fn, labels, l2=VISUALIZATION_L2, learning_rate=VISUALIZATION_RATE, blur_every=0, max_jitter=0
    )
    state = start(problem, images, key=jax.random.key(0))
    return advance(problem, state, n_steps=VISUALIZATION_STEPS)[0].images


def classify(model: SqueezeNet, images: jax.Array, labels: jax.Array) -> tuple[Any, ...]:
    """What the programs of a classifier take."""
    return logits_fn(model), images, labels


def in_torch(name: str, **settings: Any) -> Callable[..., Callable[[], Any]]:
    """`peers.NAME(network, images, labels)`, its inputs laid out beforehand."""

    def prepared(form: Any, images: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
        import torch  # noqa: PLC0415 - PyTorch is an extra

        from experiments import peers  # noqa: PLC0415

        labelled = () if name == "forward" else (torch.from_numpy(labels.astype(np.int64)),)
        return partial(getattr(peers, name), form.net, form.to_tensor(images), *labelled, **settings)

    return prepared


_visualize_in_torch = in_torch(
    "visualize", l2=VISUALIZATION_L2, learning_rate=VISUALIZATION_RATE, n_steps=VISUALIZATION_STEPS
)
_fool_in_torch = in_torch("fool", learning_rate=FOOLING_RATE, n_steps=FOOLING_STEPS)


def steps() -> tuple[Step, ...]:
    """The programs in the order of the table."""
    sizes = {1: "1 image", 8: "8 images", 32: "32 images"}
    each = {
        "SqueezeNet forward": (forward, in_torch("forward")),
        "image gradient": (image_gradient, in_torch("image_gradient")),
    }
    passes = [
        Step(f"{name}, {images}", n, classify, ours, ours, theirs)
        for name, (ours, theirs) in each.items()
        for n, images in sizes.items()
    ]
    return (
        *passes,
        Step("saliency maps of 8 images", 8, classify, saliency_map, image_gradient, in_torch("saliency")),
        Step(f"fooling run, {FOOLING_STEPS} steps", 1, classify, fool, image_gradient, _fool_in_torch, FOOLING_STEPS),
        Step(
            f"class visualization, {VISUALIZATION_STEPS} steps",
            1,
            classify,
            visualize,
            image_gradient,
            _visualize_in_torch,
            VISUALIZATION_STEPS,
        ),
    )

"""Rows of the benchmark: integrated gradients and SmoothGrad, beside Captum and a loop of PyTorch's.

Both average the gradient over many points of each image. LeNet is the one that comes with the project, SqueezeNet has
random weights; images are noise. PyTorch is given every number of images at once that a user would try: each way of
running it is timed with each of them, once, and goes into the table with the fastest. Results are compared first, those
of SmoothGrad with our noise.
"""

import functools
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark_looking import torch_forms
from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.networks import CHECKPOINTS
from experiments.timing import compiled, costs
from jaxvision.attribution import integrated_gradients, smoothgrad
from jaxvision.attribution.gradients import logit_gradient
from jaxvision.attribution.smoothgrad import noisy
from jaxvision.backbones import lenet, logits_fn, squeezenet1_1, state_dict
from jaxvision.pixels import example_keys
from jaxvision.signatures import LogitsFn

NOISE = 0.15


class Subject(NamedTuple):
    """A classifier to be explained.

    Attributes:
        logits_fn: images to logits.
        forms: PyTorch's forms of it by name.
        shape: of an image.
        low: the smallest value in each image.
        high: the largest value in each image.
    """

    logits_fn: LogitsFn
    forms: Mapping[str, Any]
    shape: tuple[int, int, int]
    low: float
    high: float


@dataclass(frozen=True)
class Task:
    """A row: so many gradients of so many images, averaged."""

    method: str
    network: str
    n: int
    """images"""
    n_points: int
    """steps, or samples, for each image"""
    at_once: tuple[int, ...]
    """numbers of images that PyTorch is given at once"""

    @property
    def name(self) -> str:
        """In the table."""
        counted = "steps" if self.method == "integrated gradients" else "samples"
        return f"{self.method}, {self.n_points} {counted}, {self.network}, {self.n} images"


TASKS = (
    Task("integrated gradients", "LeNet", 16, 50, (80, 400)),
    Task("integrated gradients", "LeNet", 128, 50, (64, 256)),
    Task("integrated gradients", "SqueezeNet", 8, 10, (2, 8)),
    Task("SmoothGrad", "LeNet", 16, 25, (80, 400)),
    Task("SmoothGrad", "LeNet", 128, 25, (64, 256)),
    Task("SmoothGrad", "SqueezeNet", 8, 10, (2, 8)),
)


def programs(setup: Setup) -> Programs:
    """The rows by name; see `prepare`."""

    @functools.cache
    def subject(network: str) -> Subject:
        return SUBJECTS[network](setup)

    return {task.name: lambda task=task: prepare(task, subject(task.network), setup) for task in TASKS}


def prepare(task: Task, subject: Subject, setup: Setup) -> Program:
    """Compiles one program, compares its result with every peer's, and looks for each peer's best number at once.

    Raises:
        FloatingPointError: if a result differs from a peer's by more than a hundredth of its norm.
    """
    key = jax.random.key(setup.seed)
    images = noise_images(key, (task.n, *subject.shape), subject.low, subject.high)
    labels = jnp.argmax(subject.logits_fn(images), axis=1).astype(jnp.int32)
    arguments = subject.logits_fn, images, labels, key
    call, compiling = compiled(partial(OURS[task.method], n_points=task.n_points), *arguments)
    offsets = jnp.stack([noisy(images, example_keys(key, task.n), NOISE, k) - images for k in range(task.n_points)])
    calls = {"ours": call} | in_torch(task, subject, (images, labels, offsets), np.asarray(call()))
    one = costs(logit_gradient, subject.logits_fn, images[:1], labels[:1])
    return Program(task.name, calls, compiling, one.times(task.n * task.n_points), task.n_points)


def integrate(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array, key: jax.Array, *, n_points: int) -> jax.Array:
    """Integrated gradients; as with PyTorch, without the convergence delta."""
    return integrated_gradients(logits_fn, images, labels, n_steps=n_points).attributions


def smooth(logits_fn: LogitsFn, images: jax.Array, labels: jax.Array, key: jax.Array, *, n_points: int) -> jax.Array:
    """SmoothGrad, drawing its noise."""
    return smoothgrad(logits_fn, images, labels, key=key, noise=NOISE, n_samples=n_points)


OURS: Mapping[str, Callable[..., jax.Array]] = {"integrated gradients": integrate, "SmoothGrad": smooth}


def in_torch(
    task: Task, subject: Subject, inputs: tuple[jax.Array, jax.Array, jax.Array], expected: np.ndarray
) -> dict[str, Callable[[], Any]]:
    """Captum and a loop on each form of the network, each with as many images at once as it is the fastest with.

    A compiled network takes long for every number: it is given the one that is best for the same layout without.
    """
    if not subject.forms:
        return {}
    from experiments import peers_attribution  # noqa: PLC0415 - PyTorch is an extra

    std, best, calls = NOISE * (subject.high - subject.low), dict[str, int](), dict[str, Callable[[], Any]]()
    for form, way in itertools.product(subject.forms, peers_attribution.METHODS[task.method]):
        plain = f"{way}, {form.removeprefix('compiled').strip() or 'eager'}"
        name, sizes = f"{way}, {form}", (best[plain],) if plain in best else task.at_once
        function = partial(peers_attribution.METHODS[task.method][way], n_points=task.n_points)
        run, with_our_noise = peers_attribution.runs(
            subject.forms[form], function, *(np.asarray(x) for x in inputs), std=std
        )
        for size in sizes:
            found = with_our_noise(size).numpy().transpose(0, 2, 3, 1)
            require_same(task.name, f"{name}, {size} at once", expected, found, n_steps=task.n_points)
        best[name] = min(sizes, key=lambda size: seconds(partial(run, size)))
        calls[f"{name}, {best[name]} at once"] = partial(run, best[name])
    return calls


def seconds(call: Callable[[], Any]) -> float:
    """The shorter of two calls."""
    taken = list[float]()
    for _ in range(2):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def noise_images(key: jax.Array, shape: tuple[int, int, int, int], low: float, high: float) -> jax.Array:
    """Uniform noise that reaches from low to high in each image, so that SmoothGrad adds as much to all."""
    images = jax.random.uniform(key, shape)
    least, most = (f(images, axis=(1, 2, 3), keepdims=True) for f in (jnp.min, jnp.max))
    return low + (high - low) * (images - least) / (most - least)


def of_lenet(setup: Setup) -> Subject:
    """LeNet from `checkpoints`, on grey values from 0 to 1."""
    model, forms = lenet(CHECKPOINTS / "lenet_mnist.safetensors"), dict[str, Any]()
    if setup.peers:
        from experiments import peers_attribution  # noqa: PLC0415 - PyTorch is an extra

        forms = peers_attribution.lenet_forms(state_dict(model), compile=setup.compile)
    return Subject(logits_fn(model), forms, (28, 28, 1), 0.0, 1.0)


def of_squeezenet(setup: Setup) -> Subject:
    """SqueezeNet with random weights, on what ImageNet's normalisation gives, roughly."""
    model = squeezenet1_1(key=jax.random.key(setup.seed))
    return Subject(logits_fn(model), torch_forms(model, setup), (224, 224, 3), -2.0, 2.0)


SUBJECTS: Mapping[str, Callable[[Setup], Subject]] = {"LeNet": of_lenet, "SqueezeNet": of_squeezenet}

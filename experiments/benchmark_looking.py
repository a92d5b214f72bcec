"""Rows of the benchmark: SqueezeNet, saliency, fooling and style, and what a PyTorch user would run instead."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.timing import compiled, costs
from jaxvision import style
from jaxvision.adversarial import fooling_image
from jaxvision.attribution import saliency_map
from jaxvision.backbones import SqueezeNet, features_fn, logits_fn, squeezenet1_1, state_dict
from jaxvision.pixels import PixelProblem, PixelState, advance, gaussian_blur, in_chunks, start
from jaxvision.signatures import ImagesFn, LogitsFn
from jaxvision.stylizers import TransformerNet, transformer_net
from jaxvision.visualization import class_visualization_problem

SIZE = 224
LABEL_RANK = 50
FOOLING_STEPS = 20
VISUALIZATION_STEPS = 20
VISUALIZATION_RATE, VISUALIZATION_L2 = 1e-2, 1e-3  # the course's rate of 25 makes a large one of any rounding
FOOLING_RATE = 1e-3  # small, so that no image is fooled early and all steps are taken on both sides
STYLE_LAYERS = (3, {1: 1e4, 4: 1e2, 6: 10.0, 7: 1.0})  # content, style with weights: those of the course
STYLE_WEIGHTS = (1.0, 0.1)  # of content and total variation
STYLE_RATE = 1e-2
STYLIZER = (32, 5)  # width and residual blocks of Johnson's network


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

    @functools.cache
    def networks() -> tuple[SqueezeNet, Mapping[str, Any]]:
        model = squeezenet1_1(key=jax.random.key(setup.seed))
        return model, torch_forms(model, setup)

    return {step.name: lambda step=step: prepare(step, *networks(), setup.seed) for step in steps(setup)}


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


def paint(problem: PixelProblem, state: PixelState, *, n_steps: int) -> jax.Array:
    """A style transfer as one program."""
    return advance(problem, state, n_steps=n_steps)[0].images


def style_gradient(problem: PixelProblem, state: PixelState) -> jax.Array:
    """The derivative of the style objective."""
    return jax.grad(lambda images: jnp.sum(problem.objective(images)[0]))(state.images)


def classify(model: SqueezeNet, images: jax.Array, labels: jax.Array) -> tuple[Any, ...]:
    """What the programs of a classifier take."""
    return logits_fn(model), images, labels


def style_run(model: SqueezeNet, images: jax.Array, labels: jax.Array) -> tuple[Any, ...]:
    """What a style transfer takes: the targets are no part of the run, here or in PyTorch."""
    content_layer, style_layers = STYLE_LAYERS
    targets = style.style_targets(
        features_fn(model),
        images,
        [style_of(images)],
        content_layers={f"features.{content_layer}": 1.0},
        style_layers={f"features.{layer}": weight for layer, weight in style_layers.items()},
        content_weight=STYLE_WEIGHTS[0],
        tv_weight=STYLE_WEIGHTS[1],
    )
    problem = style.style_problem(features_fn(model), targets, style.adam(STYLE_RATE, decay=0.0))
    return problem, start(problem, images)


def style_of(images: jax.Array) -> jax.Array:
    """A picture of another texture: the noise, blurred and as loud as before."""
    blurred = gaussian_blur(images, 2.0)
    return blurred / jnp.std(blurred)


def in_torch(name: str, **settings: Any) -> Callable[..., Callable[[], Any]]:
    """`peers.NAME(network, images, labels)`, its inputs laid out beforehand."""

    def prepared(form: Any, images: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
        import torch  # noqa: PLC0415 - PyTorch is an extra

        from experiments import peers  # noqa: PLC0415

        labelled = () if name == "forward" else (torch.from_numpy(labels.astype(np.int64)),)
        return partial(getattr(peers, name), form.net, form.to_tensor(images), *labelled, **settings)

    return prepared


def paint_in_torch(n_steps: int) -> Callable[..., Callable[[], Any]]:
    """`peers.paint` with the settings of `style_run`."""

    def prepared(form: Any, images: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
        from experiments import peers  # noqa: PLC0415

        content, painting = (form.to_tensor(np.asarray(x)) for x in (images, style_of(jnp.asarray(images))))
        paint = partial(peers.paint, layers=STYLE_LAYERS, weights=STYLE_WEIGHTS, learning_rate=STYLE_RATE)
        return paint(form, content, painting, n_steps=n_steps)

    return prepared


def stylize(model: ImagesFn, images: jax.Array) -> jax.Array:
    """Johnson's network, one pass."""
    return model(images)


def stylize_once(model: SqueezeNet, images: jax.Array, labels: jax.Array) -> tuple[Any, ...]:
    """What a style in one pass takes: another network than the classifier."""
    return _transformer(), images


def stylize_in_torch(form: Any, images: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
    """`peers.stylize` with the weights of `stylize_once`."""
    from experiments import peers  # noqa: PLC0415 - PyTorch is an extra

    return peers.stylize(form, form.to_tensor(images), state_dict(_transformer()), shape=STYLIZER)


def _transformer() -> TransformerNet:
    return transformer_net(width=STYLIZER[0], n_blocks=STYLIZER[1])


def _style_step(size: int, n_steps: int) -> Step:
    ours = partial(paint, n_steps=n_steps)
    name = f"style transfer at {size} px, {n_steps} steps"
    return Step(name, 1, style_run, ours, style_gradient, paint_in_torch(n_steps), n_steps, size)


_visualize_in_torch = in_torch(
    "visualize", l2=VISUALIZATION_L2, learning_rate=VISUALIZATION_RATE, n_steps=VISUALIZATION_STEPS
)
_fool_in_torch = in_torch("fool", learning_rate=FOOLING_RATE, n_steps=FOOLING_STEPS)


def steps(setup: Setup) -> tuple[Step, ...]:
    """The programs in the order of the table."""
    return (
        Step("SqueezeNet forward, 1 image", 1, classify, forward, forward, in_torch("forward")),
        Step("SqueezeNet forward, 8 images", 8, classify, forward, forward, in_torch("forward")),
        Step("image gradient, 1 image", 1, classify, image_gradient, image_gradient, in_torch("image_gradient")),
        Step("image gradient, 8 images", 8, classify, image_gradient, image_gradient, in_torch("image_gradient")),
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
        _style_step(192, setup.style_steps or 20),
        _style_step(512, setup.style_steps or 5),
        Step("style in one pass at 256 px", 1, stylize_once, stylize, stylize, stylize_in_torch, size=256),
    )

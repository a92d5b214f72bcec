r"""The pixel loop: optimise images under an objective, as one compiled program.

Fooling images, class visualization, inversion, DeepDream, style transfer and the gradient attacks are objectives,
transforms and projections handed to this loop. For an image $x$ at step $t$, with objective $L$, random transform
$T_t$, optimiser $u$ and projection $P_t$:

$$ x \leftarrow P_t\bigl(x + u(\nabla_x L(T_t(x)))\bigr) $$

What is optimised may be a parametrization of the images instead, any pytree $\theta$ with $x = D(\theta)$: the
problem's `decode`.

Every image of a batch is on its own: its own key, its own optimiser state, its own stop, so that its result does not
depend on its neighbours. Ascent is descent on the negative.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.errors import InputError
from jaxvision.pixels.classifier import check_images, pytree_function
from jaxvision.pixels.keys import Keys, example_keys

Terms = dict[str, Float[Array, " n"]]
Trace = dict[str, Float[Array, "n_steps n"]]
Variables = Any
"""What is optimised: images `(N, H, W, C)`, or the pytree of `(N, ...)` floats that a problem's `decode` reads."""


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["objective", "decode"],
    meta_fields=["optimizer", "transform", "project", "stop"],
)
@dataclasses.dataclass(frozen=True, eq=False)
class PixelProblem:
    """What to optimise and how: a pytree whose leaves are the objective's, so a network's weights are inputs.

    The other fields are compared with `==` when a program is looked up. Give functions of a module, frozen dataclasses
    or cached optimisers (`normalized_gradient`), and the same problem built twice is compiled once; a lambda or a
    fresh `optax.adam(...)` is new each time, so build such a problem once and keep it.

    Attributes:
        objective: images `(N, H, W, C)` to `(loss (N,), terms)`, both per image: image i alone decides entry i. The
            loss is minimised; `terms` names the `(N,)` floats to be traced, and to be read by `stop`. A
            `jax.tree_util.Partial` over weights and targets; a plain function is wrapped as one. Where an entry depends
            on other images too (a group that shall differ), the sum of the entries is what falls.
        optimizer: an optax optimiser, initialised and updated for each image apart. It is given gradient, state and
            image; a line search, which evaluates the objective again, has nothing to call.
        transform: `(image (H, W, C), key) -> image`, differentiable, a new key for each image and step.
        project: `(images, step) -> images` after each update, `step` counting from 0; of the variables with `decode`.
        stop: `terms -> (N,) bool`; a True freezes that image, and its optimiser, before the update. May read "loss".
        decode: the variables that are optimised, a pytree of floats with a leading axis N, to images `(N, H, W, C)`,
            each on its own, before the transform. None: the images are the variables. Wrapped as the objective is.

    Example:
        >>> square = lambda images: (jnp.sum(images**2, axis=(1, 2, 3)), {})
        >>> problem = PixelProblem(square, optax.sgd(0.25))
        >>> optimize(problem, jnp.ones((1, 1, 1, 1)), n_steps=3).images.item()
        0.125
    """

    objective: Callable[[Array], tuple[Array, Terms]]
    optimizer: optax.GradientTransformation
    transform: Callable[[Array, Array], Array] | None = None
    project: Callable[[Array, Array], Array] | None = None
    stop: Callable[[Terms], Array] | None = None
    decode: Callable[[Any], Array] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "objective", pytree_function(self.objective))
        if self.decode is not None:
            object.__setattr__(self, "decode", pytree_function(self.decode))


class PixelState(NamedTuple):
    """Everything the next step reads.

    Attributes:
        images: `(N, H, W, C)`, or the variables that `decode` makes images of.
        optimizer_state: the optimiser's state, each leaf with a leading axis N.
        keys: `(N,)` keys, never consumed: a step uses `fold_in(key, step)`.
        step: steps begun since `start`, the same for all images.
        stopped: `(N,)` bool, frozen images.
        steps: `(N,)` int32, updates made to each image.
    """

    images: Variables
    optimizer_state: optax.OptState
    keys: Key[Array, " n"]
    step: Int[Array, ""]
    stopped: Bool[Array, " n"]
    steps: Int[Array, " n"]


class PixelResult(NamedTuple):
    """Optimised images and how they came about.

    Attributes:
        images: `(N, H, W, C)`.
        trace: `(n_steps, N)` for "loss" and each term, before that step's update; NaN where an image had stopped.
        steps: `(N,)` int32, updates made to each image.
        stopped: `(N,)` bool, whether the stop holds for the returned image.
        final: `(N,)` for "loss" and each term at the returned images, without the random transform.
    """

    images: Float[Array, "n h w c"]
    trace: Trace
    steps: Int[Array, " n"]
    stopped: Bool[Array, " n"]
    final: Terms


@functools.partial(jax.jit, static_argnames="n_steps")
def optimize(problem: PixelProblem, images: Variables, *, n_steps: int, key: Keys | None = None) -> PixelResult:
    """The whole run: start, advance, and every term once more at the returned images.

    Args:
        problem: what to optimise.
        images: `(N, H, W, C)` floats, or variables of the problem's `decode`, where to begin.
        n_steps: steps at most.
        key: one key, or `(N,)` keys, see `start`.

    Returns:
        Images, trace, steps, stopped and final terms.

    Raises:
        InputError: as `start` and `advance` do.

    Example:
        >>> square = lambda images: (jnp.sum(images**2, axis=(1, 2, 3)), {})
        >>> result = optimize(PixelProblem(square, optax.sgd(0.25)), jnp.ones((1, 1, 1, 1)), n_steps=2)
        >>> result.trace["loss"][:, 0], result.final["loss"]
        (Array([1.  , 0.25], dtype=float32), Array([0.0625], dtype=float32))
    """
    state, trace = advance(problem, start(problem, images, key=key), n_steps=n_steps)
    final = evaluate(problem, state.images)
    stopped = state.stopped if problem.stop is None else state.stopped | problem.stop(final)
    images = state.images if problem.decode is None else problem.decode(state.images)
    return PixelResult(images, trace, state.steps, stopped, final)


def start(problem: PixelProblem, images: Variables, *, key: Keys | None = None) -> PixelState:
    """The state before the first step.

    Args:
        problem: what to optimise.
        images: `(N, H, W, C)` floats, or variables of the problem's `decode`, where to begin.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys. Needed with a random transform.

    Returns:
        The state.

    Raises:
        InputError: if `images` are no such batch, or a random transform has no key.

    Example:
        >>> square = lambda images: (jnp.sum(images**2, axis=(1, 2, 3)), {})
        >>> start(PixelProblem(square, optax.sgd(0.25)), jnp.ones((2, 1, 1, 1))).steps
        Array([0, 0], dtype=int32)
    """
    if key is None and problem.transform is not None:
        raise InputError("a random transform needs a key: give key=jax.random.key(seed)")
    images = check_images(images) if problem.decode is None else jax.tree.map(jnp.asarray, images)
    # strongly typed: a loop's carry keeps its type
    images = jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), images)
    n = jax.tree.leaves(images)[0].shape[0]
    return PixelState(
        images=images,
        optimizer_state=_per_image(problem.optimizer.init)(images),
        keys=example_keys(jax.random.key(0) if key is None else key, n),
        step=jnp.zeros((), jnp.int32),
        stopped=jnp.zeros(n, bool),
        steps=jnp.zeros(n, jnp.int32),
    )


@functools.partial(jax.jit, static_argnames="n_steps")
def advance(problem: PixelProblem, state: PixelState, *, n_steps: int) -> tuple[PixelState, Trace]:
    """Up to n steps further, in one compiled program that leaves as soon as every image has stopped.

    Chunks of steps equal one long run bit for bit; show progress between them. Each number of steps is one program.
    Reverse-mode differentiation through the loop is not offered (its length is decided as it runs).

    Args:
        problem: what to optimise.
        state: of `start` or of an earlier `advance`.
        n_steps: steps at most.

    Returns:
        The new state, and the trace: `(n_steps, N)` for "loss" and each term, evaluated (with that step's random
        transform) before the update; NaN where an image had stopped. The step that finds an image done is traced.

    Raises:
        InputError: if the objective gives anything but one float per image.

    Example:
        >>> square = lambda images: (jnp.sum(images**2, axis=(1, 2, 3)), {})
        >>> problem = PixelProblem(square, optax.sgd(0.25), stop=lambda terms: terms["loss"] < 0.1)
        >>> state, trace = advance(problem, start(problem, jnp.ones((1, 1, 1, 1))), n_steps=4)
        >>> trace["loss"][:, 0]
        Array([1.    , 0.25  , 0.0625,    nan], dtype=float32)
        >>> state.steps, state.stopped
        (Array([2], dtype=int32), Array([ True], dtype=bool))
    """
    shapes = jax.eval_shape(evaluate, problem, state.images)
    trace = {name: jnp.full((n_steps, *s.shape), jnp.nan, s.dtype) for name, s in shapes.items()}
    if n_steps == 0:
        return state, trace

    def unfinished(carry: tuple[Array, PixelState, Trace]) -> Bool[Array, ""]:
        row, state, _ = carry
        return (row < n_steps) & ~jnp.all(state.stopped)

    def body(carry: tuple[Array, PixelState, Trace]) -> tuple[Array, PixelState, Trace]:
        row, state, trace = carry
        next_state, terms = _step(problem, state)
        seen = {name: jnp.where(state.stopped, jnp.nan, value) for name, value in terms.items()}
        return row + 1, next_state, {name: trace[name].at[row].set(value) for name, value in seen.items()}

    _, state, trace = jax.lax.while_loop(unfinished, body, (jnp.zeros((), jnp.int32), state, trace))
    return state, trace


def _step(problem: PixelProblem, state: PixelState) -> tuple[PixelState, Terms]:
    r"""$x \leftarrow P_t(x + u(\nabla_x L(T_t(x))))$, for every image that has not stopped; and the terms of $L$."""

    def loss(variables: Any) -> tuple[Array, Terms]:
        images = variables if problem.decode is None else problem.decode(variables)
        if problem.transform is not None:
            keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(state.keys, state.step)
            images = jax.vmap(problem.transform)(images, keys)
        terms = _terms(problem, images)
        return terms["loss"], terms

    losses, pull_back, terms = jax.vjp(loss, state.images, has_aux=True)
    (gradient,) = pull_back(jnp.ones_like(losses))  # each image's own: image i alone moves loss i
    stopped = state.stopped if problem.stop is None else state.stopped | problem.stop(terms)
    updates, optimizer_state = _per_image(problem.optimizer.update)(gradient, state.optimizer_state, state.images)
    images: Any = optax.apply_updates(state.images, updates)
    if problem.project is not None:
        images = problem.project(images, state.step)
    keep_stopped = functools.partial(jax.vmap(jnp.where), stopped)  # of old and new
    return PixelState(
        images=jax.tree.map(keep_stopped, state.images, images),
        optimizer_state=jax.tree.map(keep_stopped, state.optimizer_state, optimizer_state),
        keys=state.keys,
        step=state.step + 1,
        stopped=stopped,
        steps=state.steps + (~stopped).astype(jnp.int32),
    ), terms


@jax.jit
def evaluate(problem: PixelProblem, images: Variables) -> Terms:
    """Every term of the objective at these images, "loss" among them, without the random transform.

    Args:
        problem: whose objective.
        images: `(N, H, W, C)`, or variables of the problem's `decode`.

    Returns:
        `(N,)` for "loss" and each term.

    Raises:
        InputError: if the objective gives anything but one float per image.

    Example:
        >>> square = lambda images: (jnp.sum(images**2, axis=(1, 2, 3)), {})
        >>> evaluate(PixelProblem(square, optax.sgd(0.25)), jnp.ones((2, 2, 2, 1)))
        {'loss': Array([4., 4.], dtype=float32)}
    """
    return _terms(problem, images if problem.decode is None else problem.decode(images))


def _terms(problem: PixelProblem, images: Float[Array, "n h w c"]) -> Terms:
    loss, terms = problem.objective(images)
    terms = {"loss": loss} | terms
    for name, value in terms.items():
        if np.shape(value) != images.shape[:1] or not jnp.issubdtype(value.dtype, jnp.floating):
            raise InputError(
                f"the objective must give one float per image, shape {images.shape[:1]}, "
                f'got {value.dtype} of shape {np.shape(value)} for "{name}"'
            )
    return terms


def _per_image(optimizer_function: Callable[..., Any]) -> Callable[..., Any]:
    """One optimiser for each image. Optax mixes integers and floats, which strict promotion would refuse."""

    def per_image(*args: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):
            return jax.vmap(optimizer_function)(*args)

    return per_image

"""Training steps and style transfers that several devices share: what is divided, and how."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from experiments import benchmark_gan
from experiments.benchmark_growth_curves import caption_step, captions
from jaxvision import gan, style
from jaxvision.backbones import features_fn, squeezenet1_1, with_replicated_edges
from jaxvision.pixels import advance, start
from jaxvision.style.devices import SPACE

DATA = "data"
Place = Callable[[Any, Sequence[Any]], Any]


class Divided(NamedTuple):
    """A step that devices share.

    Attributes:
        name: of the program.
        unit: what is divided.
        size: units that are run and compared.
        each: units of each device in the model of a problem that grows with the devices; 0 for no model.
        all: units of all devices together in the model of one that does not; 0 for no model.
        arguments: a size to the step's arguments.
        place: arguments and devices to a pytree of shardings.
        step: devices to the step, a function of the arguments.
        compared: what is compared of the step's result.
    """

    name: str
    unit: str
    size: int
    each: int
    all: int
    arguments: Callable[[int], tuple[Any, ...]]
    place: Place
    step: Callable[[Sequence[Any]], Callable[..., Any]]
    compared: Callable[[Any], Any]


def data_mesh(devices: Sequence[Any]) -> Mesh:
    """A mesh along which a batch is divided."""
    return jax.make_mesh((len(devices),), (DATA,), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)


def batch_divided(arguments: tuple[Any, ...], devices: Sequence[Any]) -> tuple[Any, ...]:
    """Shardings: the first argument is whole everywhere, the others are divided along their first axis."""
    mesh = data_mesh(devices)
    whole, part = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(DATA))
    state, *batch = arguments
    return jax.tree.map(lambda _: whole, state), *jax.tree.map(lambda _: part, batch)


def rows_divided(arguments: tuple[Any, ...], devices: Sequence[Any]) -> tuple[Any, ...]:
    """Shardings as `style.divide_rows` has them, for arguments that need not be there: their shapes will do."""
    mesh = style.space_mesh(list(devices))
    n = len(devices)

    def place(leaf: Any) -> NamedSharding:
        shape = leaf.shape
        is_image = len(shape) >= 4 and shape[-3] % n == 0 and shape[-3] >= 2 * n
        axes = (*[None] * (len(shape) - 3), SPACE) if is_image else ()
        return NamedSharding(mesh, PartitionSpec(*axes))

    return jax.tree.map(place, arguments)


def mapped_caption_step(devices: Sequence[Any]) -> Callable[..., Any]:
    """Each device takes the gradient of its own captions; only the gradients are summed."""
    return jax.shard_map(
        functools.partial(caption_step, axis=DATA),
        mesh=data_mesh(devices),
        in_specs=(PartitionSpec(), PartitionSpec(DATA), PartitionSpec(DATA)),
        out_specs=PartitionSpec(),
        check_vma=False,  # or the gradients would be summed without being asked for
    )


def pair(n: int, *, network: str = "dcgan") -> tuple[Any, ...]:
    """A pair of networks and images. The rate is 0 and an input: both gradients are of the first weights.

    Adam's first step is the rate times a gradient's sign, which rounding decides where it is almost zero: with any
    other rate the second gradient would be of slightly other weights for each number of devices.
    """
    rated = optax.inject_hyperparams(optax.adam, static_args=("b1", "b2"))
    optimizers = gan.Optimizers(*(rated(0.0, b1=0.5, b2=0.999) for _ in range(2)))
    state, real, _ = benchmark_gan.beginning(network, n, 0)
    return gan.start_gan(state.generator, state.critic, optimizers, key=jax.random.key(0)), real


def pair_step(devices: Sequence[Any]) -> Callable[..., Any]:
    """The alternating step. Latents are divided as the images are, or every device would draw all of them."""
    part = NamedSharding(data_mesh(devices), PartitionSpec(DATA))

    def latents(key: Array, n: int) -> Array:
        return jax.lax.with_sharding_constraint(gan.uniform_latents(key, n, benchmark_gan.LATENT_DIM), part)

    rated = optax.inject_hyperparams(optax.adam, static_args=("b1", "b2"))
    optimizers = gan.Optimizers(*(rated(0.0, b1=0.5, b2=0.999) for _ in range(2)))
    step_fn = gan.alternating_step(gan.NON_SATURATING, optimizers, latents, decay=benchmark_gan.DECAY)
    return lambda state, real: step_fn(state, (real[None],))[0]


def picture(rows: int, *, width: int | None = None) -> tuple[Any, ...]:
    """A style transfer at its beginning."""
    images = jax.random.normal(jax.random.key(0), (1, rows, width or rows, 3))
    features = features_fn(with_replicated_edges(squeezenet1_1()))
    targets = style.style_targets(
        features,
        images,
        [images[:, ::-1]],
        content_layers={"features.3": 1.0},
        style_layers={f"features.{layer}": 1.0 for layer in (1, 4, 6, 7)},
        tv_weight=0.1,
        relative=True,
    )
    problem = style.style_problem(features, targets, style.adam())
    return problem, start(problem, images)


PROGRAMS = (
    Divided(
        "captioner step, mapped",
        "captions",
        64,
        1024,
        16384,
        captions,
        batch_divided,
        mapped_caption_step,
        lambda trained: optax.tree.get(trained[1], "mu"),
    ),
    Divided(
        "captioner step, left to the compiler",
        "captions",
        64,
        0,
        0,
        captions,
        batch_divided,
        lambda devices: caption_step,
        lambda trained: optax.tree.get(trained[1], "mu"),
    ),
    Divided(
        "DCGAN step",
        "images",
        128,
        1024,
        16384,
        pair,
        batch_divided,
        pair_step,
        lambda state: [optax.tree.get(o, "mu") for o in (state.critic_optimizer, state.generator_optimizer)],
    ),
    Divided(
        "style step",
        "rows",
        256,
        512,
        4096,
        lambda rows: picture(rows, width=256 if rows == 256 else 4096),
        rows_divided,
        lambda devices: functools.partial(advance, n_steps=1),
        lambda result: optax.tree.get(result[0].optimizer_state, "mu"),
    ),
)

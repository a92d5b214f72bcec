"""The pairs of networks of `experiments.gan`, what they play for, and their training, several seeds side by side."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from experiments import gan_data, meshes, runs
from experiments.gan_data import GREY, Images, Shape
from experiments.meshes import DIVIDED, WHOLE
from jaxvision import gan
from jaxvision.errors import InputError
from jaxvision.gan.step import Penalty
from jaxvision.signatures import Generator
from jaxvision.training import Layout, Run

Generators = tuple[Generator, ...]  # one for each replica

RESNET_WIDTH = 64  # of 256 and 128 in the papers, a step of which takes far longer


class Game(NamedTuple):
    """What is played for, and with which settings.

    Attributes:
        objective: losses of both.
        defaults: settings where the command line gives none.
        penalty: of the critic's slope, a name in `PENALTIES`, if any.
        spectral: whether the critic is spectrally normalised.
        project: what is done to the critic after each update.
    """

    objective: gan.Objective
    defaults: dict[str, Any]
    penalty: str | None = None
    spectral: bool = False
    project: Callable[[Any], Any] | None = None


# Each takes (critic, real, fake, key), and its paper's weight. R1's, with its factor of one half, is 5 there.
PENALTIES: dict[str, tuple[Penalty, float]] = {
    "gradient": (gan.gradient_penalty, 10.0),
    "one_sided": (gan.one_sided_penalty, 10.0),
    "dragan": (lambda critic, real, fake, key: gan.dragan_penalty(critic, real, key), 10.0),
    "r1": (lambda critic, real, fake, key: gan.r1_penalty(critic, real), 5.0),
    "r2": (lambda critic, real, fake, key: gan.r2_penalty(critic, fake), 5.0),
}
# Rate and momentum are the assignment's, for every objective.
_ADAM = {"learning_rate": (1e-3,), "beta1": 0.5, "beta2": 0.999, "n_critic": 1}
_SLOWER = _ADAM | {"learning_rate": (2e-4,)}
GAMES = {
    "nonsaturating": Game(gan.NON_SATURATING, _ADAM),
    "minimax": Game(gan.MINIMAX, _ADAM),
    "lsgan": Game(gan.LEAST_SQUARES, _ADAM),
    "hinge": Game(gan.HINGE, _SLOWER | {"n_critic": 2}, spectral=True),
    "ragan": Game(gan.RELATIVISTIC_AVERAGE, _ADAM),
    "wgan": Game(gan.WASSERSTEIN, _SLOWER | {"beta1": 0.0, "n_critic": 5}, project=gan.clip_weights),
    "wgan_gp": Game(gan.WASSERSTEIN, _ADAM | {"beta2": 0.9}, "gradient"),
    "wgan_lp": Game(gan.WASSERSTEIN, _ADAM | {"beta2": 0.9}, "one_sided"),
    "dragan": Game(gan.NON_SATURATING, _ADAM, "dragan"),
    "r1": Game(gan.NON_SATURATING, _ADAM, "r1"),
}


def defaults(objective: str, penalty: str | None) -> dict[str, Any]:
    """What an objective is trained with where the command line says nothing, and the penalty's weight."""
    game = GAMES[objective]
    penalty = penalty or game.penalty
    return game.defaults | {"penalty": penalty, "gp_weight": (PENALTIES[penalty][1] if penalty else 0.0,)}


class PaddedCritic(nnx.Module):
    """A critic of 32 x 32 pixels that is shown 28 x 28: paper, -1, all around."""

    def __init__(self, critic: gan.ResNetCritic):
        self.critic = critic

    def __call__(self, images: Float[Array, "n 28 28 c"]) -> Float[Array, " n"]:
        """Scores `(N,)` of images `(N, 28, 28, C)`."""
        return self.critic(jnp.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1.0))


class CroppedGenerator(gan.ResNetGenerator):
    """A generator of 32 x 32 pixels of which the inner 28 x 28 are kept."""

    def draw(
        self, latents: Array, labels: Array | None, normalize: Callable[[str, Array], Array]
    ) -> Float[Array, "n 28 28 c"]:
        """Images `(N, 28, 28, C)`."""
        return super().draw(latents, labels, normalize)[:, 2:-2, 2:-2]


def generator(network: str, latent_dim: int, key: Any, shape: Shape = GREY) -> Any:
    """A generator of images of a shape: "mlp", "dcgan" or "resnet"."""
    require_shape(network, shape)
    if network == "resnet":
        kind = CroppedGenerator if shape[:2] == GREY[:2] else gan.ResNetGenerator
        return kind(latent_dim, shape[2], RESNET_WIDTH, None, key=key)
    return {"mlp": gan.mlp_generator, "dcgan": gan.dcgan_generator}[network](latent_dim, key=key)


def critic(network: str, key: Any, shape: Shape = GREY) -> Any:
    """The critic of the same name."""
    require_shape(network, shape)
    if network == "resnet":
        whole = gan.resnet_critic(channels=shape[2], width=RESNET_WIDTH, key=key)
        return PaddedCritic(whole) if shape[:2] == GREY[:2] else whole
    return {"mlp": gan.mlp_critic, "dcgan": gan.dcgan_critic}[network](key=key)


def require_shape(network: str, shape: Shape) -> None:
    """Refuses images that a pair is not made for.

    Raises:
        InputError: one sentence.

    Example:
        >>> require_shape("resnet", (64, 64, 3))
        Traceback (most recent call last):
        jaxvision.errors.InputError: the images are 64 x 64 x 3: --network resnet draws sides of 28 or 32, grey or RGB
    """
    size = " x ".join(map(str, shape))
    if network != "resnet" and shape != GREY:
        raise InputError(f"--network {network} draws 28 x 28 x 1 and the images are {size}: use --network resnet")
    if shape[:2] not in (GREY[:2], (32, 32)) or shape[2] not in (1, 3):
        raise InputError(f"the images are {size}: --network resnet draws sides of 28 or 32, grey or RGB")


def train(config: Any, images: Images, run: Run, show: Callable[[int, Generators], None]) -> tuple[Generators, float]:
    """Trains `config.replicas` pairs until `config.steps`.

    Args:
        config: the resolved settings of `experiments.gan`.
        images: what to draw.
        run: where metrics and checkpoints go; with `config.resume` the run to go on with.
        show: called with the step and the averaged generators after each checkpoint.

    Returns:
        The averaged generator of each replica, and how many seconds it took.
    """
    game = GAMES[config.objective]
    one_seed = bool(swept(config))
    keys = [jax.random.key(config.seed + index * (not one_seed)) for index in range(config.replicas)]
    state = gan.replicas([_start(config, images.shape, index, key) for index, key in enumerate(keys)])
    layout = layout_of(config)
    own = layout.mesh if layout and layout.batch == DIVIDED else None  # devices with replicas of their own
    step_fn = gan.alternating_step(
        game.objective,
        _optimizers(config, 0),  # each replica's rate is in its state
        partial(gan.uniform_latents, dim=config.latent_dim),
        penalty=PENALTIES[config.penalty][0] if config.penalty else None,
        n_critic=config.n_critic,
        decay=config.ema_decay,
        project=game.project,
    )
    state, seconds = runs.trained(
        config,
        run,
        state,
        # Linear layers side by side are one larger product; kernels side by side would be a grouped convolution.
        gan.replicated_step(step_fn, vectorize=config.network == "mlp", mesh=own),
        gan_data.batches(images.train, jnp.stack(keys), n_critic=config.n_critic, batch_size=config.batch_size),
        n_steps=config.steps,
        steps_per_dispatch=config.steps_per_dispatch,
        after_checkpoint=lambda state: show(int(state.step), averaged(state)),
        layout=layout,
    )
    return averaged(state), seconds


def layout_of(config: Any) -> Layout | None:
    """Each device has replicas of its own where their number can be divided; else all share each batch.

    Args:
        config: `mesh` and `replicas` are read.
    """
    found = meshes.layout(config, DIVIDED, lambda leaf, mesh: DIVIDED if leaf.ndim else WHOLE)
    if found is None or (config.replicas > 1 and config.replicas % found.mesh.shape["data"] == 0):
        return found
    return meshes.layout(config, PartitionSpec(None, None, "data"))  # replicas, updates of the critic, images


def averaged(state: gan.Replicas) -> Generators:
    """The averaged generator of each replica."""
    return tuple(gan.replica(state, index).averaged for index in range(len(state.states.step)))


def swept(config: Any) -> list[str]:
    """What the replicas differ in where it is not their seeds: a phrase for each, or nothing.

    Args:
        config: the resolved settings of `experiments.gan`.

    Returns:
        Such as ["gp_weight 1", "gp_weight 10"].
    """
    names = [name for name in ("learning_rate", "gp_weight") if len(getattr(config, name)) > 1]
    numbers = zip(*(getattr(config, name) for name in names), strict=True)
    return [", ".join(f"{name} {value:g}" for name, value in zip(names, row, strict=True)) for row in numbers]


def _of(values: tuple[float, ...], index: int) -> float:
    return values[index if len(values) > 1 else 0]


def _optimizers(config: Any, index: int) -> gan.Optimizers:
    adam = optax.inject_hyperparams(optax.adam, static_args=("b1", "b2"))
    rate = _of(config.learning_rate, index)
    return gan.Optimizers(*(adam(rate, b1=config.beta1, b2=config.beta2) for _ in range(2)))


def _start(config: Any, shape: Shape, index: int, key: Any) -> gan.GANState:
    keys = jax.random.split(key, 3)
    return gan.start_gan(
        generator(config.network, config.latent_dim, keys[0], shape),
        critic(config.network, keys[1], shape),
        _optimizers(config, index),
        key=keys[2],
        penalty_weight=_of(config.gp_weight, index),
        spectral=GAMES[config.objective].spectral,
    )

"""Benchmark of GANs: a step of DCGAN, of a WGAN-GP critic, and many small GANs at once, against what one would run.

- The alternating step of the convolutional pair (an update of the critic, one of the generator and of its average)
  against PyTorch's forms of it.
- The update of a WGAN-GP critic, which takes the gradient of a gradient, against PyTorch's eager forms: `torch.compile`
  does not differentiate twice.
- Eight pairs of the fully connected networks in one program against one pair, eight times.

Measured and reported as in `experiments.benchmark`: interleaved, medians with quartiles, gradients compared before
anything is timed. Without PyTorch (extra `peers`) or with --no-peers the first two have no peer. Close other programs
first: a busy machine slows PyTorch more than JAX.
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import benchmark_report as report
from experiments import gan_training
from experiments.benchmark import Prepared, Result, time_all
from experiments.command import command
from experiments.inputs import require_number
from experiments.timing import compiled_step, flops
from jaxvision import gan
from jaxvision.backbones import state_dict
from jaxvision.training import new_run

ADAM = {"learning_rate": 1e-3, "betas": (0.5, 0.999)}
DECAY = 0.999
GP_WEIGHT = 10.0
LATENT_DIM = 96
# Adam's first update is the rate times each derivative's sign. Where rounding decides one, two critics differ by twice
# the rate, and the generator's gradients through them by a few per cent (0.3 and 7 seen): as after so many steps.
AFTER_ADAM = 400


@dataclass(frozen=True)
class Config:
    """The settings of one benchmark."""

    rounds: int = 30
    """samples of each program"""
    batch_size: int = 128
    """images in an update"""
    replicas: int = 8
    """small GANs at once"""
    peers: bool = True
    """measure PyTorch beside it"""
    compile: bool = True
    """include torch.compile"""
    quick: bool = False
    """five rounds, no torch.compile: a first look, not a result"""
    seed: int = 0
    """of weights and images; the speed does not depend on it"""
    run_dir: Path | None = None
    """folder to write to; none: the next free runs/benchmark-gan-NNN"""


def main(config: Config) -> Result:
    """Times every row and writes table, plot and numbers.

    Args:
        config: the settings.

    Returns:
        All rows.

    Raises:
        InputError: if a count is below 1.
        FloatingPointError: if ours and a peer's gradients differ.
    """
    for flag in ("rounds", "batch_size", "replicas"):
        require_number(config, flag, at_least=1)
    rounds = min(5, config.rounds) if config.quick else config.rounds
    with new_run("benchmark-gan", config, run_dir=config.run_dir) as run:
        return time_all(run, prepare(config), rounds=rounds, peers="others")


def prepare(config: Config) -> Iterator[Prepared]:
    """Compiles the programs, one after the other, and compares their gradients with the peers'.

    Args:
        config: the settings.

    Yields:
        What is to be timed.
    """
    yield dcgan_step(config)
    yield critic_step(config)
    yield side_by_side(config)


def dcgan_step(config: Config) -> Prepared:
    """The alternating step with cross-entropy, beside PyTorch's."""
    state, real, latents = beginning("dcgan", config)
    step_fn = gan.alternating_step(gan.NON_SATURATING, optimizers(), given(latents), decay=DECAY)
    call, seconds = compiled_step(lambda state, real: step_fn(state, (real[None],))[0], state, real)
    name, calls = f"DCGAN step, {config.batch_size} images", {"ours": call}
    after = call()
    for form, pair in torch_pairs(state, real, latents, config).items():
        from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

        calls[form] = peers_gan.alternating_step(pair, decay=DECAY, **ADAM)
        calls[form]()
        compare(f"{name}, critic", form, after.critic_optimizer, pair.critic)
        compare(f"{name}, generator", form, after.generator_optimizer, pair.generator, n_steps=AFTER_ADAM)
    return Prepared(name, calls, seconds, flops(step_fn, state, (real[None],)))


def critic_step(config: Config) -> Prepared:
    """The update of a WGAN-GP critic, beside PyTorch's."""
    state, real, latents = beginning("dcgan", config)
    shares_key = jax.random.key(config.seed)
    optimizer = optimizers().critic

    def step(trained: tuple[Any, Any], generator: Callable, real: jax.Array, latents: jax.Array) -> tuple[Any, Any]:
        critic, moments = trained
        fake, _ = gan.draw_on_batch(generator, latents)

        def loss(critic: Callable) -> jax.Array:
            penalty = gan.gradient_penalty(critic, real, fake, shares_key)
            return jnp.mean(gan.wasserstein_loss(critic(real), critic(fake))) + GP_WEIGHT * jnp.mean(penalty)

        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, moments = optimizer.update(jax.grad(loss)(critic), moments, critic)
        return optax.apply_updates(critic, updates), moments

    arguments = (state.critic, state.critic_optimizer), state.generator, real, latents[0]
    call, seconds = compiled_step(step, *arguments)
    name, calls = f"WGAN-GP critic step, {config.batch_size} images", {"ours": call}
    ones = jnp.ones(config.batch_size)
    shares = gan.mixtures(ones, 0 * ones, shares_key)
    eager = {form: pair for form, pair in torch_pairs(state, real, latents, config).items() if "compiled" not in form}
    _, after = call()
    for form, pair in eager.items():
        from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

        calls[form] = peers_gan.penalized_step(pair, np.asarray(shares), gp_weight=GP_WEIGHT, **ADAM)
        calls[form]()
        compare(name, form, after, pair.critic)
    return Prepared(name, calls, seconds, flops(step, *arguments))


def side_by_side(config: Config) -> Prepared:
    """Small pairs in one program, beside one pair as often."""
    state, real, latents = beginning("mlp", config)
    step_fn = gan.alternating_step(gan.NON_SATURATING, optimizers(), given(latents), decay=DECAY)
    states = gan.replicas([state] * config.replicas)
    batch = (jnp.stack([real[None]] * config.replicas),)
    call, seconds = compiled_step(lambda states, batch: gan.replicated_step(step_fn)(states, batch)[0], states, batch)
    singles = [
        compiled_step(lambda state, real: step_fn(state, (real,))[0], state, batch[0][0])[0]
        for _ in range(config.replicas)
    ]

    def in_turn() -> list[gan.GANState]:
        return [single() for single in singles]

    name = f"{config.replicas} MLP GANs at once, {config.batch_size} images"
    mine, alone = (optax.tree.get(s.critic_optimizer, "mu") for s in (gan.replica(call(), -1), in_turn()[-1]))
    report.require_same(name, "single", flat(state_dict(mine)), flat(state_dict(alone)))
    operations = config.replicas * flops(step_fn, state, (real[None],))
    return Prepared(name, {"ours": call, "one after the other": in_turn}, seconds, operations)


def beginning(network: str, config: Config) -> tuple[gan.GANState, jax.Array, list[jax.Array]]:
    """A pair of networks, a batch of noise in place of images, and latents for two draws."""
    keys = jax.random.split(jax.random.key(config.seed), 5)
    networks = gan_training.generator(network, LATENT_DIM, keys[0]), gan_training.critic(network, keys[1])
    real = jnp.tanh(jax.random.normal(keys[2], (config.batch_size, 28, 28, 1)))
    latents = [gan.uniform_latents(key, config.batch_size, LATENT_DIM) for key in keys[3:]]
    return gan.start_gan(*networks, optimizers(), key=keys[2]), real, latents


def optimizers() -> gan.Optimizers:
    """Adam for both, as the assignment has it."""
    b1, b2 = ADAM["betas"]
    return gan.Optimizers(*(optax.adam(ADAM["learning_rate"], b1=b1, b2=b2) for _ in range(2)))


def given(latents: list[jax.Array]) -> Callable[[Any, int], jax.Array]:
    """A function of latents that gives these, in turn, each time a step is traced: what PyTorch is given too."""
    remaining: list[jax.Array] = []

    def latent_fn(key: Any, n: int) -> jax.Array:
        if not remaining:
            remaining.extend(latents)
        return remaining.pop(0)

    return latent_fn


def torch_pairs(state: gan.GANState, real: jax.Array, latents: list[jax.Array], config: Config) -> dict[str, Any]:
    """`peers_gan.pairs` of these, or none."""
    if not config.peers or importlib.util.find_spec("torch") is None:
        return {}
    from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

    weights = state_dict(state.generator), state_dict(state.critic)
    arrays = [np.asarray(z) for z in latents]
    return peers_gan.pairs(weights, np.asarray(real), arrays, compile=config.compile and not config.quick)


def compare(name: str, form: str, moments: Any, net: Any, *, n_steps: int = 1) -> None:
    """Adam's first moments, which after one step are half of the gradients, beside PyTorch's gradients.

    Raises:
        FloatingPointError: if they differ by more than a hundredth of their norm. A maximum that two pixels share but
            for rounding may fall on either: with few images one of them can make such a difference.
    """
    from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

    found = peers_gan.gradient_of(net)
    ours = peers_gan.in_torch_order(state_dict(optax.tree.get(moments, "mu")))
    expected = flat({layer: ours[layer].numpy() for layer in found}) / (1 - ADAM["betas"][0])
    report.require_same(name, form, expected, flat(found), n_steps=n_steps)


def flat(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """All values, by the order of their names."""
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays)])


if __name__ == "__main__":
    command(main, Config)

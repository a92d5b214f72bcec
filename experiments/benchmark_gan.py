"""Rows of the benchmark: a step of DCGAN, of a WGAN-GP critic, and many small GANs at once.

The alternating step of the convolutional pair (an update of the critic, one of the generator and of its average)
stands beside PyTorch's forms of it; the update of a WGAN-GP critic, which takes the gradient of a gradient, beside
PyTorch's eager forms, since `torch.compile` does not differentiate twice; and pairs of the fully connected networks in
one program beside one pair as often. Gradients are compared before anything is timed.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import gan_training
from experiments.benchmark_program import Program, Programs, Setup, require_same
from experiments.timing import compiled_step, costs
from jaxvision import gan
from jaxvision.backbones import state_dict
from jaxvision.signatures import Critic, Generator

LEARNING_RATE, BETAS = 1e-3, (0.5, 0.999)  # Adam's
DECAY = 0.999
GP_WEIGHT = 10.0
LATENT_DIM = 96
BATCH, REPLICAS = 128, 8
TITLES = {"mlp": "MLP GAN", "dcgan": "DCGAN"}
# Adam's first update is the rate times each derivative's sign. Where rounding decides one, two critics differ by twice
# the rate, and the generator's gradients through them by a few per cent (0.3 and 7 seen): as after so many steps.
AFTER_ADAM = 400


def programs(setup: Setup, *, n: int = BATCH, replicas: int = REPLICAS) -> Programs:
    """The rows by name, of batches of `n` images and so many small GANs at once."""
    return {
        f"MLP GAN step, {n} images": lambda: alternating("mlp", n, setup),
        f"DCGAN step, {n} images": lambda: alternating("dcgan", n, setup),
        f"WGAN-GP critic step, {n} images": lambda: critic_step(n, setup),
        f"{replicas} MLP GANs at once, {n} images": lambda: side_by_side(n, replicas, setup),
    }


def alternating(network: str, n: int, setup: Setup) -> Program:
    """The alternating step with cross-entropy, beside PyTorch's."""
    state, real, latents = beginning(network, n, setup.seed)
    step_fn = gan.alternating_step(gan.NON_SATURATING, optimizers(), given(latents), decay=DECAY)
    call, seconds = compiled_step(lambda state, real: step_fn(state, (real[None],))[0], state, real)
    name, calls = f"{TITLES[network]} step, {n} images", {"ours": call}
    after = call()
    for form, pair in torch_pairs(network, state, real, latents, setup).items():
        from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

        calls[form] = peers_gan.alternating_step(pair, learning_rate=LEARNING_RATE, betas=BETAS, decay=DECAY)
        calls[form]()
        compare(f"{name}, critic", form, after.critic_optimizer, pair.critic)
        compare(f"{name}, generator", form, after.generator_optimizer, pair.generator, n_steps=AFTER_ADAM)
    return Program(name, calls, seconds, costs(step_fn, state, (real[None],)))


def critic_step(n: int, setup: Setup) -> Program:
    """The update of a WGAN-GP critic, beside PyTorch's."""
    state, real, latents = beginning("dcgan", n, setup.seed)
    shares_key = jax.random.key(setup.seed)
    optimizer = optimizers().critic

    def step(trained: tuple[Any, Any], generator: Generator, real: jax.Array, latents: jax.Array) -> tuple[Any, Any]:
        critic, moments = trained
        fake, _ = gan.draw_on_batch(generator, latents)

        def loss(critic: Critic) -> jax.Array:
            penalty = gan.gradient_penalty(critic, real, fake, shares_key)
            return jnp.mean(gan.wasserstein_loss(critic(real), critic(fake))) + GP_WEIGHT * jnp.mean(penalty)

        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats
            updates, moments = optimizer.update(jax.grad(loss)(critic), moments, critic)
        return optax.apply_updates(critic, updates), moments

    arguments = (state.critic, state.critic_optimizer), state.generator, real, latents[0]
    call, seconds = compiled_step(step, *arguments)
    name, calls = f"WGAN-GP critic step, {n} images", {"ours": call}
    ones = jnp.ones(n)
    shares = gan.mixtures(ones, 0 * ones, shares_key)
    eager = {
        form: pair for form, pair in torch_pairs("dcgan", state, real, latents, setup).items() if "compiled" not in form
    }
    _, after = call()
    for form, pair in eager.items():
        from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

        calls[form] = peers_gan.penalized_step(
            pair, np.asarray(shares), gp_weight=GP_WEIGHT, learning_rate=LEARNING_RATE, betas=BETAS
        )
        calls[form]()
        compare(name, form, after, pair.critic)
    return Program(name, calls, seconds, costs(step, *arguments))


def side_by_side(n: int, replicas: int, setup: Setup) -> Program:
    """Small pairs in one program, beside one pair as often."""
    state, real, latents = beginning("mlp", n, setup.seed)
    step_fn = gan.alternating_step(gan.NON_SATURATING, optimizers(), given(latents), decay=DECAY)
    states = gan.replicas([state] * replicas)
    batch = (jnp.stack([real[None]] * replicas),)
    call, seconds = compiled_step(lambda states, batch: gan.replicated_step(step_fn)(states, batch)[0], states, batch)
    singles = [
        compiled_step(lambda state, real: step_fn(state, (real,))[0], state, batch[0][0])[0] for _ in range(replicas)
    ]

    def in_turn() -> list[gan.GANState]:
        return [single() for single in singles]

    name = f"{replicas} MLP GANs at once, {n} images"
    mine, alone = (optax.tree.get(s.critic_optimizer, "mu") for s in (gan.replica(call(), -1), in_turn()[-1]))
    require_same(name, "single", flat(state_dict(mine)), flat(state_dict(alone)))
    return Program(
        name,
        {"ours": call, "one after the other": in_turn},
        seconds,
        costs(step_fn, state, (real[None],)).times(replicas),
    )


def beginning(network: str, n: int, seed: int) -> tuple[gan.GANState, jax.Array, list[jax.Array]]:
    """A pair of networks, a batch of noise in place of images, and latents for two draws."""
    keys = jax.random.split(jax.random.key(seed), 5)
    networks = gan_training.generator(network, LATENT_DIM, keys[0]), gan_training.critic(network, keys[1])
    real = jnp.tanh(jax.random.normal(keys[2], (n, 28, 28, 1)))
    latents = [gan.uniform_latents(key, n, LATENT_DIM) for key in keys[3:]]
    return gan.start_gan(*networks, optimizers(), key=keys[2]), real, latents


def optimizers() -> gan.Optimizers:
    """Adam for both, as the assignment has it."""
    b1, b2 = BETAS
    return gan.Optimizers(*(optax.adam(LEARNING_RATE, b1=b1, b2=b2) for _ in range(2)))


def given(latents: list[jax.Array]) -> Callable[[Any, int], jax.Array]:
    """A function of latents that gives these, in turn, each time a step is traced: what PyTorch is given too."""
    remaining: list[jax.Array] = []

    def latent_fn(key: Any, n: int) -> jax.Array:
        if not remaining:
            remaining.extend(latents)
        return remaining.pop(0)

    return latent_fn


def torch_pairs(
    network: str, state: gan.GANState, real: jax.Array, latents: list[jax.Array], setup: Setup
) -> dict[str, Any]:
    """`peers_gan.pairs` of these, or none."""
    if not setup.peers:
        return {}
    from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

    weights = state_dict(state.generator), state_dict(state.critic)
    arrays = [np.asarray(z) for z in latents]
    return peers_gan.pairs(network, weights, np.asarray(real), arrays, compile=setup.compile)


def compare(name: str, form: str, moments: Any, net: Any, *, n_steps: int = 1) -> None:
    """Adam's first moments, which after one step are half of the gradients, beside PyTorch's gradients.

    Raises:
        FloatingPointError: if they differ by more than a hundredth of their norm. A maximum that two pixels share but
            for rounding may fall on either: with few images one of them can make such a difference.
    """
    from experiments import peers_gan  # noqa: PLC0415 - PyTorch is an extra

    found = peers_gan.gradient_of(net)
    ours = peers_gan.in_torch_order(state_dict(optax.tree.get(moments, "mu")))
    expected = flat({layer: ours[layer].numpy() for layer in found}) / (1 - BETAS[0])
    require_same(name, form, expected, flat(found), n_steps=n_steps)


def flat(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """All values, by the order of their names."""
    return np.concatenate([arrays[name].ravel() for name in sorted(arrays)])

"""The alternating step: some updates of the critic, one of the generator; a `step_fn` for `training.fit`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from jaxvision.errors import InputError
from jaxvision.gan.normalization import draw_on_batch, with_statistics
from jaxvision.gan.objectives import Objective
from jaxvision.gan.spectral import Vectors, spectral_normalize, spectral_vectors
from jaxvision.signatures import Critic

Metrics = dict[str, Float[Array, ""]]
Batch = tuple[Array, ...]
Penalty = Callable[[Critic, Array, Array, Array], Float[Array, " n"]]
"""`(critic, real, fake, key) -> (N,)`."""


class GANState(NamedTuple):
    """All that the training of a pair of networks is, as one pytree.

    Attributes:
        generator: a callable pytree, `latents -> images`.
        critic: a callable pytree, `images -> scores`.
        averaged: the generator with an exponential moving average of its weights, for samples to look at.
        generator_optimizer: state of the generator's optimiser.
        critic_optimizer: state of the critic's.
        vectors: of the critic's spectral normalisation; none where there is no such.
        penalty_weight: a number, here and not in the step, so that replicas can differ in it.
        key: the run's typed key; step t draws from `fold_in(key, t)`, so it never changes.
        step: int32, how many steps have been taken.
    """

    generator: Any
    critic: Any
    averaged: Any
    generator_optimizer: Any
    critic_optimizer: Any
    vectors: Vectors
    penalty_weight: Float[Array, ""]
    key: Key[Array, ""]
    step: Int[Array, ""]


class Optimizers(NamedTuple):
    """One optax optimiser for each network.

    Attributes:
        generator: the generator's.
        critic: the critic's.
    """

    generator: optax.GradientTransformation
    critic: optax.GradientTransformation


def start_gan(
    generator: Any,
    critic: Any,
    optimizers: Optimizers,
    *,
    key: Key[Array, ""],
    penalty_weight: ArrayLike = 10.0,
    spectral: bool = False,
) -> GANState:
    """The state before the first step.

    Args:
        generator: a callable pytree of float arrays.
        critic: a callable pytree of float arrays.
        optimizers: those that `alternating_step` is given.
        key: the source of the run's randomness.
        penalty_weight: factor of the penalty, if there is one.
        spectral: whether the critic is spectrally normalised.

    Returns:
        `GANState` at step 0.

    Example:
        >>> optimizers = Optimizers(optax.sgd(0.1), optax.sgd(0.1))
        >>> int(start_gan(jnp.zeros(3), jnp.zeros(3), optimizers, key=jax.random.key(0)).step)
        0
    """
    return GANState(
        generator,
        critic,
        generator,
        optimizers.generator.init(generator),
        optimizers.critic.init(critic),
        spectral_vectors(critic, key) if spectral else (),
        jnp.float32(penalty_weight),
        key,
        jnp.int32(0),
    )


def alternating_step(
    objective: Objective,
    optimizers: Optimizers,
    latent_fn: Callable[[Key[Array, ""], int], Float[Array, "n dim"]],
    *,
    penalty: Penalty | None = None,
    n_critic: int = 1,
    decay: float = 0.999,
    project: Callable[[Any], Any] | None = None,
) -> Callable[[GANState, Batch], tuple[GANState, Metrics]]:
    r"""The step of every pair of networks: `n_critic` updates of the critic, then one of the generator.

    $$ \psi \leftarrow \psi + U_D\left(\nabla_\psi \tfrac{1}{N} \sum_i L^D_i + \lambda P_i\right), \qquad
       \theta \leftarrow \theta + U_G\left(\nabla_\theta \tfrac{1}{N} \sum_i L^G_i\right), \qquad
       \bar\theta \leftarrow d_t \bar\theta + (1 - d_t)\, \theta, \quad
       d_t = \min\left(d, \tfrac{1 + t}{10 + t}\right) $$

    Generated images are drawn in the training form (`draw_on_batch`), each from a key of its own; running statistics
    move once a step. The updates are written out one after the other, not as a loop: on a CPU the convolutions in a
    loop's body keep one core busy.

    Args:
        objective: what the two play for.
        optimizers: one for each.
        latent_fn: `(key, n) -> latents (n, dim)`, such as a partial of `uniform_latents`.
        penalty: `(critic, real, fake, key) -> (N,)`, such as `gradient_penalty`; times `state.penalty_weight`.
        n_critic: updates of the critic in a step, each on a batch of its own.
        decay: $d$, of the average; small at first, so that the initial weights are soon forgotten.
        project: what is done to the critic after each update, such as `clip_weights`.

    Returns:
        `step_fn(state, batch) -> (state, metrics)` for `training.fit`. The batch is `(images,)`, or `(images, labels)`
        for networks with classes, with two leading axes: `n_critic` and N. Metrics are of the last update:
        "critic_loss" and "generator_loss", "penalty" before its weight, the mean scores "real" and "fake".

    Raises:
        InputError: by the step, if the first axis of the batch is not `n_critic`.

    Example:
        >>> from jax.tree_util import Partial
        >>> optimizers = Optimizers(optax.sgd(0.5), optax.sgd(0.5))
        >>> generator = Partial(lambda shift, latents: latents + shift, jnp.float32(3))
        >>> critic = Partial(lambda slope, images: slope * images[:, 0], jnp.float32(0))
        >>> from jaxvision.gan import WASSERSTEIN
        >>> step_fn = alternating_step(WASSERSTEIN, optimizers, lambda key, n: jnp.zeros((n, 1)))
        >>> state = start_gan(generator, critic, optimizers, key=jax.random.key(0))
        >>> state, metrics = step_fn(state, (jnp.zeros((1, 4, 1)),))
        >>> float(state.critic.args[0]), float(state.generator.args[0])
        (-1.5, 2.25)

    References:
        Goodfellow et al., "Generative adversarial nets", https://arxiv.org/abs/1406.2661, 2014, algorithm 1.
        Yazıcı et al., "The unusual effectiveness of averaging in GAN training", https://arxiv.org/abs/1806.04498,
        2018: the average.
    """

    def critic_loss(critic: Any, state: GANState, key: Array, real: Array, *labels: Array) -> tuple[Array, Any]:
        draw_key, penalty_key = jax.random.split(key)
        critic, vectors = _normalized(critic, state.vectors)
        fake, _ = draw_on_batch(state.generator, latent_fn(draw_key, len(real)), *labels)
        scores = critic(real, *labels), critic(fake, *labels)
        loss = jnp.mean(objective.discriminator(*scores))
        metrics = {"real": jnp.mean(scores[0]), "fake": jnp.mean(scores[1])}
        if penalty is not None:
            metrics["penalty"] = jnp.mean(penalty(lambda x: critic(x, *labels), real, fake, penalty_key))
            loss = loss + state.penalty_weight * metrics["penalty"]
        return loss, ({"critic_loss": loss, **metrics}, vectors)

    def generator_loss(generator: Any, state: GANState, key: Array, real: Array, *labels: Array) -> tuple[Array, Any]:
        critic, _ = _normalized(state.critic, state.vectors, n_steps=0)
        fake, statistics = draw_on_batch(generator, latent_fn(key, len(real)), *labels)
        return jnp.mean(objective.generator(critic(fake, *labels), critic(real, *labels))), statistics

    def update_critic(state: GANState, key: Array, *batch: Array) -> tuple[GANState, Metrics]:
        gradient, (metrics, vectors) = jax.grad(critic_loss, has_aux=True)(state.critic, state, key, *batch)
        critic, moved = _updated(optimizers.critic, gradient, state.critic_optimizer, state.critic)
        critic = critic if project is None else project(critic)
        return state._replace(critic=critic, critic_optimizer=moved, vectors=vectors), metrics

    def update_generator(state: GANState, key: Array, *batch: Array) -> tuple[GANState, Array]:
        differentiate = jax.value_and_grad(generator_loss, has_aux=True)
        (loss, statistics), gradient = differentiate(state.generator, state, key, *batch)
        generator, moved = _updated(optimizers.generator, gradient, state.generator_optimizer, state.generator)
        return state._replace(generator=with_statistics(generator, statistics), generator_optimizer=moved), loss

    def step_fn(state: GANState, batch: Batch) -> tuple[GANState, Metrics]:
        if any(len(part) != n_critic for part in batch):
            given = ", ".join(str(part.shape) for part in batch)
            raise InputError(
                f"the first axis of a batch is for the {n_critic} updates of the critic, one part for each, got {given}"
            )
        key = jax.random.fold_in(state.key, state.step)
        metrics: Metrics = {}
        for index in range(n_critic):
            state, metrics = update_critic(state, jax.random.fold_in(key, index), *(part[index] for part in batch))
        state, loss = update_generator(state, jax.random.fold_in(key, n_critic), *(part[-1] for part in batch))
        averaged = _averaged(state.averaged, state.generator, state.step, decay)
        return state._replace(averaged=averaged, step=state.step + 1), {**metrics, "generator_loss": loss}

    return step_fn


def _normalized(critic: Any, vectors: Vectors, *, n_steps: int = 1) -> tuple[Any, Vectors]:
    """`spectral_normalize` where there are vectors for it."""
    return spectral_normalize(critic, vectors, n_steps=n_steps) if vectors else (critic, ())


def _updated(
    optimizer: optax.GradientTransformation, gradient: Any, optimizer_state: Any, model: Any
) -> tuple[Any, Any]:
    """The model after one update, and the optimiser's next state."""
    with jax.numpy_dtype_promotion("standard"):  # optax's Adam mixes floats and counts, which strict mode refuses
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, model)
    return optax.apply_updates(model, updates), optimizer_state


def _averaged(averaged: Any, model: Any, step: Int[Array, ""], decay: float) -> Any:
    r"""$d_t \bar\theta + (1 - d_t)\, \theta$, $d_t$ small at first."""
    count = step.astype(jnp.float32)
    kept = jnp.minimum(decay, (1 + count) / (10 + count))
    return jax.tree.map(lambda old, new: (kept * old + (1 - kept) * new).astype(new.dtype), averaged, model)

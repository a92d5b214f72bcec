"""Generative adversarial networks: the exercise's losses and networks.

Scores are `(N,)`, or `(N, 1)` as in the notebook; images are in [-1, 1].
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision import gan
from jaxvision.pixels import Keys
from jaxvision.signatures import Critic

Scores = Float[ArrayLike, "n *_"]


def leaky_relu(x: Float[ArrayLike, "*shape"], alpha: float = 0.01) -> Float[Array, "*shape"]:
    """The larger of x and alpha * x.

    Args:
        x: any shape.
        alpha: slope below zero, at most 1.

    Returns:
        The shape of x.

    Example:
        >>> leaky_relu(jnp.array([-2.0, 3.0]))
        Array([-0.02,  3.  ], dtype=float32)
    """
    return jax.nn.leaky_relu(jnp.asarray(x), alpha)


def sample_noise(key: Keys, batch_size: int, dim: int) -> Float[Array, "n dim"]:
    """Uniform noise in [-1, 1): `gan.uniform_latents`.

    Args:
        key: one key, from which row i takes `fold_in(key, i)`.
        batch_size: rows.
        dim: columns.

    Returns:
        `(batch_size, dim)`.

    Example:
        >>> sample_noise(jax.random.key(0), 128, 96).shape
        (128, 96)
    """
    return gan.uniform_latents(key, batch_size, dim)


def discriminator_loss(logits_real: Scores, logits_fake: Scores) -> Float[Array, ""]:
    """Cross-entropy with labels 1 and 0, averaged: `gan.cross_entropy_loss`.

    Args:
        logits_real: of real images.
        logits_fake: of generated ones.

    Returns:
        A scalar.

    Example:
        >>> discriminator_loss(jnp.zeros(3), jnp.zeros(3)).round(4)
        Array(1.3863, dtype=float32)
    """
    return gan.batch_mean(gan.cross_entropy_loss)(_flat(logits_real), _flat(logits_fake))


def generator_loss(logits_fake: Scores) -> Float[Array, ""]:
    """Cross-entropy with labels 1, averaged: `gan.non_saturating_generator_loss`.

    Args:
        logits_fake: of generated images.

    Returns:
        A scalar.

    Example:
        >>> generator_loss(jnp.zeros(3)).round(4)
        Array(0.6931, dtype=float32)
    """
    return gan.batch_mean(gan.non_saturating_generator_loss)(_flat(logits_fake))


def ls_discriminator_loss(scores_real: Scores, scores_fake: Scores) -> Float[Array, ""]:
    """Half the squares of (real - 1) and of fake, averaged: `gan.least_squares_loss`.

    Args:
        scores_real: of real images.
        scores_fake: of generated ones.

    Returns:
        A scalar.

    Example:
        >>> ls_discriminator_loss(jnp.zeros(3), jnp.ones(3))
        Array(1., dtype=float32)
    """
    return gan.batch_mean(gan.least_squares_loss)(_flat(scores_real), _flat(scores_fake))


def ls_generator_loss(scores_fake: Scores) -> Float[Array, ""]:
    """Half the square of (fake - 1), averaged: `gan.least_squares_generator_loss`.

    Args:
        scores_fake: of generated images.

    Returns:
        A scalar.

    Example:
        >>> ls_generator_loss(jnp.zeros(3))
        Array(0.5, dtype=float32)
    """
    return gan.batch_mean(gan.least_squares_generator_loss)(_flat(scores_fake))


def wgangp_discriminator_loss(
    critic: Critic,
    scores_real: Scores,
    scores_fake: Scores,
    images_real: Float[Array, "n *image"],
    images_fake: Float[Array, "n *image"],
    key: Keys,
    lam: ArrayLike = 10.0,
) -> Float[Array, ""]:
    """Fake minus real, and lam times the penalty of the gradient: `gan.wasserstein_loss`, `gan.gradient_penalty`.

    Args:
        critic: `images -> scores`, each image on its own.
        scores_real: of real images.
        scores_fake: of generated ones.
        images_real: `(N, ...)`.
        images_fake: `(N, ...)`.
        key: for the points between them.
        lam: weight of the penalty.

    Returns:
        A scalar.

    Example:
        >>> images = jnp.ones((2, 4))
        >>> critic = lambda images: images.sum(axis=1, keepdims=True)  # a slope of 2
        >>> wgangp_discriminator_loss(critic, critic(images), critic(-images), images, -images, jax.random.key(0))
        Array(2., dtype=float32)
    """
    losses = gan.wasserstein_loss(_flat(scores_real), _flat(scores_fake))
    penalties = gan.gradient_penalty(lambda images: _flat(critic(images)), images_real, images_fake, key)
    return jnp.mean(losses) + lam * jnp.mean(penalties)


def wgangp_generator_loss(scores_fake: Scores) -> Float[Array, ""]:
    """Minus the mean score: `gan.wasserstein_generator_loss`.

    Args:
        scores_fake: of generated images.

    Returns:
        A scalar.

    Example:
        >>> wgangp_generator_loss(jnp.ones((3, 1)))
        Array(-1., dtype=float32)
    """
    return gan.batch_mean(gan.wasserstein_generator_loss)(_flat(scores_fake))


def discriminator(key: Keys | None = None) -> gan.MLPCritic:
    """The fully connected discriminator: `gan.mlp_critic`, on images `(N, 28, 28, 1)`.

    Args:
        key: for the initial weights.

    Returns:
        `model(images) -> logits (N,)`, 267,009 parameters.

    Example:
        >>> jax.eval_shape(lambda images: discriminator()(images), jnp.zeros((2, 28, 28, 1))).shape
        (2,)
    """
    return gan.mlp_critic(key=key)


def generator(noise_dim: int = 96, key: Keys | None = None) -> gan.MLPGenerator:
    """The fully connected generator: `gan.mlp_generator`.

    Args:
        noise_dim: columns of `sample_noise`.
        key: for the initial weights.

    Returns:
        `model(noise) -> images (N, 28, 28, 1)` in [-1, 1].

    Example:
        >>> jax.eval_shape(lambda noise: generator(4)(noise), jnp.zeros((2, 4))).shape
        (2, 28, 28, 1)
    """
    return gan.mlp_generator(noise_dim, key=key)


def dc_discriminator(key: Keys | None = None) -> gan.DCGANCritic:
    """The convolutional discriminator: `gan.dcgan_critic`.

    Args:
        key: for the initial weights.

    Returns:
        `model(images (N, 28, 28, 1)) -> logits (N,)`, 1,102,721 parameters.

    Example:
        >>> jax.eval_shape(lambda images: dc_discriminator()(images), jnp.zeros((2, 28, 28, 1))).shape
        (2,)
    """
    return gan.dcgan_critic(key=key)


def dc_generator(noise_dim: int = 96, key: Keys | None = None) -> gan.DCGANGenerator:
    """The convolutional generator: `gan.dcgan_generator`; `gan.draw_on_batch` is its training form.

    Args:
        noise_dim: columns of `sample_noise`.
        key: for the initial weights.

    Returns:
        `model(noise) -> images (N, 28, 28, 1)` in [-1, 1].

    Example:
        >>> jax.eval_shape(lambda noise: dc_generator(4)(noise), jnp.zeros((2, 4))).shape
        (2, 28, 28, 1)
    """
    return gan.dcgan_generator(noise_dim, key=key)


def _flat(scores: Scores) -> Float[Array, " n"]:
    """`(N,)`, whichever they were: `(N, 1)` against `(N,)` would become `(N, N)`."""
    return jnp.asarray(scores).reshape(-1)

r"""What keeps a critic smooth: penalties of its gradient in the image, one number per image.

A critic gives one score per image, each image on its own, so no BatchNorm in it: then the gradient of the scores' sum
holds the gradient of every image, and a norm is over all pixels of one image. A critic with labels is a closure over
those of the batch.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.pixels import Keys, example_keys
from jaxvision.signatures import Critic

EPSILON = 1e-12  # inside the root: without, the second derivative of a zero gradient is NaN


def squared_gradient_norms(critic: Critic, images: Float[Array, "n *image"]) -> Float[Array, " n"]:
    r"""How steep a critic is at each image: $\lVert \nabla_x D(x_i) \rVert_2^2$.

    Args:
        critic: `images -> scores (N,)`, each image on its own.
        images: `(N, ...)`.

    Returns:
        `(N,)`, in squared units of score per image.

    Example:
        >>> squared_gradient_norms(lambda images: 3 * images[:, 0] + 4 * images[:, 1], jnp.zeros((2, 2)))
        Array([25., 25.], dtype=float32)
    """
    gradient = jax.grad(lambda x: jnp.sum(critic(x)))(images)
    return jnp.sum(gradient.reshape(len(images), -1) ** 2, axis=1)


def gradient_norms(critic: Critic, images: Float[Array, "n *image"]) -> Float[Array, " n"]:
    r"""$\sqrt{\lVert \nabla_x D(x_i) \rVert_2^2 + \epsilon}$, differentiable where the gradient is zero.

    Args:
        critic: `images -> scores (N,)`, each image on its own.
        images: `(N, ...)`.

    Returns:
        `(N,)`, 1e-6 for a zero gradient.

    Example:
        >>> gradient_norms(lambda images: 3 * images[:, 0] + 4 * images[:, 1], jnp.zeros((2, 2)))
        Array([5., 5.], dtype=float32)
    """
    squared = squared_gradient_norms(critic, images)
    return jnp.sqrt(squared + max(EPSILON, float(jnp.finfo(squared.dtype).tiny)))  # float16 has no 1e-12


def mixtures(real: Float[Array, "n *image"], fake: Float[Array, "n *image"], key: Keys) -> Float[Array, "n *image"]:
    r"""A point on the line from each generated image to its real one: $u_i x_i + (1 - u_i) G(z_i)$, u uniform.

    Args:
        real: `(N, ...)`.
        fake: `(N, ...)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.

    Returns:
        `(N, ...)`.

    Example:
        >>> mixtures(jnp.ones((2, 3)), jnp.ones((2, 3)), jax.random.key(0)).tolist()
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    shares = jax.vmap(lambda k: jax.random.uniform(k, (), real.dtype))(example_keys(key, len(real)))
    shares = shares.reshape(-1, *[1] * (real.ndim - 1))
    return shares * real + (1 - shares) * fake


def gradient_penalty(
    critic: Critic, real: Float[Array, "n *image"], fake: Float[Array, "n *image"], key: Keys
) -> Float[Array, " n"]:
    r"""Slopes pulled to 1 on the lines between real and generated images.

    $$ P_i = (\lVert \nabla D(\hat x_i) \rVert_2 - 1)^2, \qquad \hat x_i = u_i x_i + (1 - u_i) G(z_i), \quad
       u_i \sim \mathcal{U}[0, 1) $$

    Args:
        critic: `images -> scores (N,)`, each image on its own.
        real: $x$, `(N, ...)`.
        fake: $G(z)$, `(N, ...)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.

    Returns:
        `(N,)`; the paper's weight is 10.

    Example:
        >>> images = jnp.ones((2, 2))
        >>> gradient_penalty(lambda x: 3 * x[:, 0] + 4 * x[:, 1], images, -images, jax.random.key(0))
        Array([16., 16.], dtype=float32)

    References:
        Gulrajani et al., "Improved training of Wasserstein GANs", https://arxiv.org/abs/1704.00028, 2017, equation 3.
    """
    return (gradient_norms(critic, mixtures(real, fake, key)) - 1) ** 2


def one_sided_penalty(
    critic: Critic, real: Float[Array, "n *image"], fake: Float[Array, "n *image"], key: Keys
) -> Float[Array, " n"]:
    r"""As `gradient_penalty`, of slopes above 1 only: $P_i = \max(0, \lVert \nabla D(\hat x_i) \rVert_2 - 1)^2$.

    Args:
        critic: `images -> scores (N,)`, each image on its own.
        real: `(N, ...)`.
        fake: `(N, ...)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.

    Returns:
        `(N,)`.

    Example:
        >>> images = jnp.ones((2, 2))
        >>> one_sided_penalty(lambda x: 0.5 * x[:, 0], images, -images, jax.random.key(0))
        Array([0., 0.], dtype=float32)

    References:
        Petzka, Fischer and Lukovnicov, "On the regularization of Wasserstein GANs", https://arxiv.org/abs/1709.08894,
        2017: WGAN-LP.
    """
    return jax.nn.relu(gradient_norms(critic, mixtures(real, fake, key)) - 1) ** 2


def dragan_penalty(
    critic: Critic, real: Float[Array, "n *image"], key: Keys, *, spread: ArrayLike = 0.1
) -> Float[Array, " n"]:
    r"""Slopes pulled to 1 around real images.

    $$ P_i = (\lVert \nabla D(x_i + \delta_i) \rVert_2 - 1)^2, \qquad \delta_i \sim \mathcal{N}(0, s^2 I) $$

    Args:
        critic: `images -> scores (N,)`, each image on its own.
        real: $x$, `(N, ...)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.
        spread: $s$, deviation of the noise, in units of the images.

    Returns:
        `(N,)`; the paper's weight is 10.

    Example:
        >>> dragan_penalty(lambda x: 3 * x[:, 0] + 4 * x[:, 1], jnp.ones((2, 2)), jax.random.key(0))
        Array([16., 16.], dtype=float32)

    References:
        Kodali et al., "On convergence and stability of GANs", https://arxiv.org/abs/1705.07215, 2017, algorithm 1.
        Departure: the spread is given, so that an image's penalty does not depend on those beside it; common copies
        take half the batch's deviation.
    """
    keys = example_keys(key, len(real))
    noise = jax.vmap(lambda k: jax.random.normal(k, real.shape[1:], real.dtype))(keys)
    return (gradient_norms(critic, real + spread * noise) - 1) ** 2


def r1_penalty(critic: Critic, real: Float[Array, "n *image"]) -> Float[Array, " n"]:
    r"""Slopes pulled to 0 at real images: $P_i = \lVert \nabla D(x_i) \rVert_2^2$.

    Args:
        critic: `images -> scores (N,)`, each image on its own.
        real: $x$, `(N, ...)`.

    Returns:
        `(N,)`; the paper's weight is $\gamma / 2$ with $\gamma = 10$.

    Example:
        >>> r1_penalty(lambda x: 3 * x[:, 0] + 4 * x[:, 1], jnp.ones((1, 2)))
        Array([25.], dtype=float32)

    References:
        Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?",
        https://arxiv.org/abs/1801.04406, 2018, equation 9.
    """
    return squared_gradient_norms(critic, real)


def r2_penalty(critic: Critic, fake: Float[Array, "n *image"]) -> Float[Array, " n"]:
    r"""Slopes pulled to 0 at generated images: $P_i = \lVert \nabla D(G(z_i)) \rVert_2^2$.

    Args:
        critic: `images -> scores (N,)`, each image on its own.
        fake: $G(z)$, `(N, ...)`.

    Returns:
        `(N,)`; weighted as `r1_penalty`.

    Example:
        >>> r2_penalty(lambda x: 3 * x[:, 0] + 4 * x[:, 1], jnp.ones((1, 2)))
        Array([25.], dtype=float32)

    References:
        Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?",
        https://arxiv.org/abs/1801.04406, 2018, equation 10.
    """
    return squared_gradient_norms(critic, fake)

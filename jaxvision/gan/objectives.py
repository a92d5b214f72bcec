r"""What a discriminator and a generator minimise, as pairs of functions of the discriminator's scores.

$r_i = D(x_i)$ are scores of real images and $f_i = D(G(z_i))$ of generated ones: plain numbers, no sigmoid. A loss
gives one number per example; `batch_mean` gives the scalar that is differentiated.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

Loss = Callable[..., Float[Array, " n"]]
"""Scores of a batch, and labels where a loss has them -> `(N,)`."""


class Objective(NamedTuple):
    """What two networks play for. Give functions of a module, or partials of them.

    Attributes:
        discriminator: `(real (N,), fake (N,)) -> (N,)`.
        generator: `(fake (N,), real (N,)) -> (N,)`; most do not look at `real` and can be called without.

    Example:
        >>> objective = NON_SATURATING._replace(discriminator=functools.partial(cross_entropy_loss, real_label=0.9))
        >>> objective.generator(jnp.zeros(1)).round(3)
        Array([0.693], dtype=float32)
    """

    discriminator: Loss
    generator: Loss


def batch_mean(loss: Loss) -> Callable[..., Float[Array, ""]]:
    """The same loss, averaged over the batch.

    Args:
        loss: any arguments to `(N,)`.

    Returns:
        The same arguments to a scalar.

    Example:
        >>> batch_mean(wasserstein_loss)(jnp.array([1.0, 2.0]), jnp.array([0.0, 5.0]))
        Array(1., dtype=float32)
    """

    @functools.wraps(loss)
    def mean(*args: Any, **kwargs: Any) -> Float[Array, ""]:
        return jnp.mean(loss(*args, **kwargs))

    return mean


def cross_entropy_loss(
    real: Float[Array, " n"], fake: Float[Array, " n"], *, real_label: ArrayLike = 1.0, fake_label: ArrayLike = 0.0
) -> Float[Array, " n"]:
    r"""The discriminator's loss of the first GAN: is it real? Scores are logits.

    $$ L_i = H(a, \sigma(r_i)) + H(b, \sigma(f_i)), \qquad H(t, p) = -t \log p - (1 - t) \log(1 - p) $$

    Labels between 0 and 1 smooth: a sum of both terms, each with its share, as a cross-entropy is.

    Args:
        real: $r$, `(N,)`.
        fake: $f$, `(N,)`.
        real_label: $a$; 0.9 is one-sided smoothing.
        fake_label: $b$.

    Returns:
        `(N,)`, in nats.

    Example:
        >>> cross_entropy_loss(jnp.array([0.0]), jnp.array([-200.0])).round(4)
        Array([0.6931], dtype=float32)

    References:
        Goodfellow et al., "Generative adversarial nets", https://arxiv.org/abs/1406.2661, 2014, equation 1, with its
        sign changed. Salimans et al., "Improved techniques for training GANs", https://arxiv.org/abs/1606.03498, 2016,
        section 3.4: smooth real labels only.
    """
    labels = [jnp.full_like(real, jnp.asarray(label, real.dtype)) for label in (real_label, fake_label)]
    return optax.sigmoid_binary_cross_entropy(real, labels[0]) + optax.sigmoid_binary_cross_entropy(fake, labels[1])


def minimax_generator_loss(fake: Float[Array, " n"], real: Float[Array, " n"] | None = None) -> Float[Array, " n"]:
    r"""What the discriminator gains on generated images: $L_i = \log(1 - \sigma(f_i))$.

    Its gradient vanishes where the discriminator is sure; `non_saturating_generator_loss` has the same fixed point.

    Args:
        fake: $f$, `(N,)`, logits.
        real: not looked at.

    Returns:
        `(N,)`, in nats, below zero.

    Example:
        >>> minimax_generator_loss(jnp.array([0.0])).round(3)
        Array([-0.693], dtype=float32)

    References:
        Goodfellow et al., "Generative adversarial nets", https://arxiv.org/abs/1406.2661, 2014, equation 1.
    """
    return jax.nn.log_sigmoid(-fake)


def non_saturating_generator_loss(
    fake: Float[Array, " n"], real: Float[Array, " n"] | None = None
) -> Float[Array, " n"]:
    r"""Generated images labelled as real: $L_i = -\log \sigma(f_i)$, steep where the discriminator is sure.

    Args:
        fake: $f$, `(N,)`, logits.
        real: not looked at.

    Returns:
        `(N,)`, in nats.

    Example:
        >>> jax.grad(lambda f: non_saturating_generator_loss(f).sum())(jnp.array([-200.0]))
        Array([-1.], dtype=float32)

    References:
        Goodfellow et al., "Generative adversarial nets", https://arxiv.org/abs/1406.2661, 2014, section 3.
    """
    return -jax.nn.log_sigmoid(fake)


def least_squares_loss(
    real: Float[Array, " n"], fake: Float[Array, " n"], *, real_label: ArrayLike = 1.0, fake_label: ArrayLike = 0.0
) -> Float[Array, " n"]:
    r"""Scores pulled to their labels: $L_i = \frac{1}{2} (r_i - b)^2 + \frac{1}{2} (f_i - a)^2$.

    Args:
        real: $r$, `(N,)`.
        fake: $f$, `(N,)`.
        real_label: $b$.
        fake_label: $a$.

    Returns:
        `(N,)`.

    Example:
        >>> least_squares_loss(jnp.array([0.0]), jnp.array([2.0]))
        Array([2.5], dtype=float32)

    References:
        Mao et al., "Least squares generative adversarial networks", https://arxiv.org/abs/1611.04076, 2016, equation 2.
    """
    return 0.5 * (real - real_label) ** 2 + 0.5 * (fake - fake_label) ** 2


def least_squares_generator_loss(
    fake: Float[Array, " n"], real: Float[Array, " n"] | None = None, *, target: ArrayLike = 1.0
) -> Float[Array, " n"]:
    r"""Generated images' scores pulled to a target: $L_i = \frac{1}{2} (f_i - c)^2$.

    With labels 1 and -1 and target 0 the game's value is Pearson's chi-square divergence.

    Args:
        fake: $f$, `(N,)`.
        real: not looked at.
        target: $c$.

    Returns:
        `(N,)`.

    Example:
        >>> least_squares_generator_loss(jnp.array([0.0, 1.0]))
        Array([0.5, 0. ], dtype=float32)

    References:
        Mao et al., "Least squares generative adversarial networks", https://arxiv.org/abs/1611.04076, 2016, equation 2.
    """
    return 0.5 * (fake - target) ** 2


def hinge_loss(real: Float[Array, " n"], fake: Float[Array, " n"]) -> Float[Array, " n"]:
    r"""Scores beyond a margin no longer count: $L_i = \max(0, 1 - r_i) + \max(0, 1 + f_i)$.

    Args:
        real: $r$, `(N,)`.
        fake: $f$, `(N,)`.

    Returns:
        `(N,)`.

    Example:
        >>> hinge_loss(jnp.array([0.0, 3.0]), jnp.array([0.5, -2.0]))
        Array([2.5, 0. ], dtype=float32)

    References:
        Lim and Ye, "Geometric GAN", https://arxiv.org/abs/1705.02894, 2017. Miyato et al., "Spectral normalization for
        generative adversarial networks", https://arxiv.org/abs/1802.05957, 2018, equation 16, with its sign changed.
    """
    return jax.nn.relu(1 - real) + jax.nn.relu(1 + fake)


def softplus_margin_loss(
    real: Float[Array, " n"], fake: Float[Array, " n"], *, margin: ArrayLike = 1.0
) -> Float[Array, " n"]:
    r"""The hinge without its corner: $L_i = \operatorname{softplus}(m - r_i) + \operatorname{softplus}(m + f_i)$.

    Scores beyond the margin count less and less, but never nothing; with margin 0 it is `cross_entropy_loss`.

    Args:
        real: $r$, `(N,)`.
        fake: $f$, `(N,)`.
        margin: $m$.

    Returns:
        `(N,)`, above zero.

    Example:
        >>> softplus_margin_loss(jnp.array([1.0]), jnp.array([-1.0])).round(3)
        Array([1.386], dtype=float32)

    References:
        Lim and Ye, "Geometric GAN", https://arxiv.org/abs/1705.02894, 2017: the margin. Departure: softplus in place of
        the hinge, as Dugas et al., "Incorporating second-order functional knowledge for better option pricing", 2000,
        smooth it.
    """
    return jax.nn.softplus(margin - real) + jax.nn.softplus(margin + fake)


def wasserstein_loss(real: Float[Array, " n"], fake: Float[Array, " n"]) -> Float[Array, " n"]:
    r"""The critic's: $L_i = f_i - r_i$, bounded only by what keeps the critic's slope at 1 (`gradient_penalty`).

    Args:
        real: $r$, `(N,)`.
        fake: $f$, `(N,)`.

    Returns:
        `(N,)`; minus its mean estimates the distance of the two distributions, in units of the images.

    Example:
        >>> wasserstein_loss(jnp.array([3.0]), jnp.array([1.0]))
        Array([-2.], dtype=float32)

    References:
        Arjovsky, Chintala and Bottou, "Wasserstein GAN", https://arxiv.org/abs/1701.07875, 2017, equation 2.
    """
    return fake - real


def wasserstein_generator_loss(fake: Float[Array, " n"], real: Float[Array, " n"] | None = None) -> Float[Array, " n"]:
    r"""Scores as high as they get: $L_i = -f_i$; the generator's loss of the hinge objective, too.

    Args:
        fake: $f$, `(N,)`.
        real: not looked at.

    Returns:
        `(N,)`.

    Example:
        >>> wasserstein_generator_loss(jnp.array([3.0]))
        Array([-3.], dtype=float32)

    References:
        Arjovsky, Chintala and Bottou, "Wasserstein GAN", https://arxiv.org/abs/1701.07875, 2017, algorithm 1.
    """
    return -fake


def relativistic_average(discriminator: Loss = cross_entropy_loss) -> Objective:
    r"""An objective in which real images must look more real than generated ones do on average, and the other way.

    $$ L^D = \ell(r - \bar f,\; f - \bar r), \qquad L^G = \ell(f - \bar r,\; r - \bar f) $$

    A bar is the mean over the batch: these losses are of a batch, not of an example alone.

    Args:
        discriminator: $\ell$, the loss whose scores are made relative.

    Returns:
        The pair; its generator needs `real`.

    Example:
        >>> relativistic_average().generator(jnp.array([0.0, 2.0]), jnp.array([1.0, 1.0])).round(3)
        Array([2.006, 1.006], dtype=float32)

    References:
        Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN",
        https://arxiv.org/abs/1807.00734, 2018: RaSGAN with cross-entropy; RaLSGAN with least squares of labels 1 and
        -1; RaHingeGAN with the hinge loss.
    """
    relative = functools.partial(_relative, discriminator)
    return Objective(relative, relative)  # the generator's has the roles exchanged: its first argument is fake


def _relative(loss: Loss, first: Float[Array, " n"], second: Float[Array, " n"]) -> Float[Array, " n"]:
    return loss(first - jnp.mean(second), second - jnp.mean(first))


MINIMAX = Objective(cross_entropy_loss, minimax_generator_loss)
"""The first GAN as a zero-sum game: Goodfellow et al., 2014."""

NON_SATURATING = Objective(cross_entropy_loss, non_saturating_generator_loss)
"""The first GAN as it is trained."""

LEAST_SQUARES = Objective(least_squares_loss, least_squares_generator_loss)
"""Labels 0 and 1: Mao et al., 2016."""

HINGE = Objective(hinge_loss, wasserstein_generator_loss)
"""Lim and Ye, 2017; with spectral normalisation: Miyato et al., 2018."""

SOFTPLUS_MARGIN = Objective(softplus_margin_loss, wasserstein_generator_loss)
"""The hinge objective without its corner."""

WASSERSTEIN = Objective(wasserstein_loss, wasserstein_generator_loss)
"""Arjovsky et al., 2017; with a penalty of the gradient: Gulrajani et al., 2017."""

RELATIVISTIC_AVERAGE = relativistic_average()
"""With cross-entropy: Jolicoeur-Martineau, 2018."""

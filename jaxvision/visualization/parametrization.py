"""What an image is made of while it is optimised: its pixels, its spectrum, or the phases of its spectrum."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from jaxvision.errors import InputError
from jaxvision.pixels import with_settings

# Column by column the square root of the covariance of ImageNet's colours, scaled to a largest column of length one:
# brightness, then orange against blue, then green against violet.
_COLOR_SQRT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLOR_CORRELATION = _COLOR_SQRT / np.linalg.norm(_COLOR_SQRT, axis=0).max()


class Parametrization(NamedTuple):
    """Images as functions of what is optimised.

    Attributes:
        init: a key to the variables of one image, a pytree.
        image: variables with a leading axis N to images `(N, H, W, C)` in [0, 1], each on its own; a pytree.
    """

    init: Callable[[Array], Any]
    image: Callable[[Any], Array]


def pixel(image_shape: tuple[int, int, int], *, contrast: float = 0.01) -> Parametrization:
    r"""The pixels themselves, before a sigmoid that keeps them in [0, 1].

    $$ x = \sigma(\theta), \qquad \theta \sim \mathcal{N}(0, s^2) $$

    Args:
        image_shape: `(H, W, C)`.
        contrast: $s$, of the noise to begin with.

    Returns:
        The parametrization; its variables are `(H, W, C)`.

    Example:
        >>> pixel((2, 2, 1)).image(jnp.zeros((1, 2, 2, 1))).ravel()
        Array([0.5, 0.5, 0.5, 0.5], dtype=float32)
    """
    init = with_settings(_noise, image_shape, contrast)
    return Parametrization(init, jax.tree_util.Partial(jax.nn.sigmoid))


def _noise(shape: tuple[int, ...], deviation: float, key: PRNGKeyArray) -> Array:
    return deviation * jax.random.normal(key, shape)


def fourier(image_shape: tuple[int, int, int], *, decay: float = 1.0, contrast: float = 0.01) -> Parametrization:
    r"""The spectrum, lower frequencies scaled up, of colours that do not correlate.

    $$ x = \sigma\Bigl(\tfrac{1}{4} C \, \mathcal{F}^{-1}\bigl(a_f \, (\theta_0 + i \theta_1)\bigr)\Bigr), \qquad
       a_f = \frac{\sqrt{HW}}{\max(f, 1 / \max(H, W))^d}, \qquad \theta \sim \mathcal{N}(0, s^2) $$

    A step in these variables is the steepest one where all frequencies and the natural axes of colour count alike, so
    that an optimiser does not spend itself on the finest pattern. $\mathcal{F}^{-1}$ is the real two-dimensional
    inverse transform, $f$ the frequency in cycles per pixel, $C$ the square root of the colours' covariance
    (`COLOR_CORRELATION`), the identity where there are not three channels.

    Args:
        image_shape: `(H, W, C)`.
        decay: $d$, 1 for the spectrum of natural images, more for smoother ones.
        contrast: $s$, of the noise to begin with.

    Returns:
        The parametrization; its variables are `(2, H, W // 2 + 1, C)`, real and imaginary parts.

    Example:
        >>> fourier((4, 4, 3)).image(jnp.zeros((1, 2, 4, 3, 3))).shape
        (1, 4, 4, 3)

    References:
        Olah, Mordvintsev and Schubert, "Feature visualization", https://distill.pub/2017/feature-visualization/, 2017,
        section "Preconditioning and parameterization"; numbers as in the authors' Lucid.
    """
    h, w, c = image_shape
    init = with_settings(_noise, (2, h, w // 2 + 1, c), contrast)
    return Parametrization(init, jax.tree_util.Partial(with_settings(_fourier_image, image_shape, decay)))


def _fourier_image(
    image_shape: tuple[int, int, int], decay: float, spectra: Float[Array, "n 2 h f c"]
) -> Float[Array, "n h w c"]:
    h, w, _ = image_shape
    scale = jnp.asarray(np.sqrt(h * w) / _frequencies(h, w) ** decay, spectra.dtype)[None, :, :, None]
    real, imaginary = (scale * spectra[:, part] for part in (0, 1))
    return _colored(jnp.fft.irfft2(jax.lax.complex(real, imaginary), s=(h, w), axes=(1, 2)) / 4)


def maco(image_shape: tuple[int, int, int], *, magnitude: Float[ArrayLike, "h f c"] | None = None) -> Parametrization:
    r"""The phases of a spectrum whose magnitudes stay as those of natural images.

    $$ x = \sigma\bigl(C \, \mathcal{F}^{-1}(r \, e^{i \varphi})\bigr), \qquad \varphi \sim \mathcal{U}(-\pi, \pi) $$

    How much there is of each frequency cannot change, so no image gets noisier or more glaring than a photograph;
    what can be moved is where it is.

    Args:
        image_shape: `(H, W, C)`.
        magnitude: $r$, `(H, W // 2 + 1, C)`, such as the mean of `abs(jnp.fft.rfft2(image, axes=(0, 1)))` over many
            images. None for the natural fall with the frequency, $1 / f$, without a mean, scaled to unit deviation.

    Returns:
        The parametrization; its variables are the phases, `(H, W // 2 + 1, C)`, radians.

    Raises:
        InputError: if `magnitude` has another shape.

    Example:
        >>> images = maco((32, 32, 3)).image(jnp.zeros((1, 32, 17, 3)))
        >>> images.shape
        (1, 32, 32, 3)

    References:
        Fel et al., "Unlocking feature visualization for deeper networks with MAgnitude Constrained Optimization",
        https://arxiv.org/abs/2306.06805, 2023, equation 3. Departure: without `magnitude` the fall is an ideal one, not
        that of ImageNet's images.
    """
    h, w, c = image_shape
    shape = (h, w // 2 + 1, c)
    if magnitude is None:
        magnitude = np.broadcast_to(_ideal_magnitude(h, w)[..., None], shape)
    if np.shape(magnitude) != shape:
        raise InputError(f"magnitude must have shape (H, W // 2 + 1, C) = {shape}, got {np.shape(magnitude)}")
    image = with_settings(_maco_image, (h, w))
    return Parametrization(with_settings(_random_phase, shape), jax.tree_util.Partial(image, jnp.asarray(magnitude)))


def _random_phase(shape: tuple[int, ...], key: PRNGKeyArray) -> Array:
    return jax.random.uniform(key, shape, minval=-jnp.pi, maxval=jnp.pi)


def _maco_image(
    size: tuple[int, int], magnitude: Float[Array, "h f c"], phases: Float[Array, "n h f c"]
) -> Float[Array, "n h w c"]:
    magnitude = magnitude[None].astype(phases.dtype)
    spectra = jax.lax.complex(magnitude * jnp.cos(phases), magnitude * jnp.sin(phases))
    return _colored(jnp.fft.irfft2(spectra, s=size, axes=(1, 2)))


def _ideal_magnitude(h: int, w: int) -> np.ndarray:
    """One over the frequency, zero for the mean, so scaled that values have unit deviation (Parseval's theorem)."""
    magnitude = 1 / _frequencies(h, w)
    magnitude[0, 0] = 0
    twice = np.full(w // 2 + 1, 2.0)  # each stands for its conjugate too, but those that are their own
    twice[0] = 1
    if w % 2 == 0:
        twice[-1] = 1
    return magnitude * h * w / np.sqrt(np.sum(twice * magnitude**2))


def _frequencies(h: int, w: int) -> np.ndarray:
    """Cycles per pixel of each entry of a real transform `(H, W // 2 + 1)`, not below the lowest above zero."""
    return np.maximum(np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]), 1 / max(h, w))


def _colored(values: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
    """Values whose channels do not correlate, as colours that do, in [0, 1]."""
    if values.shape[-1] == 3:
        values = values @ jnp.asarray(COLOR_CORRELATION.T, values.dtype)
    return jax.nn.sigmoid(values)

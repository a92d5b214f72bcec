"""Batch normalisation whose statistics are values: taken from a batch, returned, averaged, put back.

A generator has two forms. `generator(latents)` normalises with the running statistics that it holds, so that an image
does not depend on those beside it. `draw_on_batch(generator, latents)` is the training's: it normalises with the
batch's own and returns them, and `with_statistics` moves the running ones towards them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from jaxvision.backbones import Layered
from jaxvision.errors import InputError

EPSILON = 1e-5  # added to variances
Model = TypeVar("Model")
Labels = Int[Array, " n"]


class Moments(NamedTuple):
    """Mean and variance of each channel.

    Attributes:
        mean: `(c,)`.
        variance: `(c,)`, over the number of values, not one less.
    """

    mean: Float[Array, " c"]
    variance: Float[Array, " c"]


Statistics = dict[str, Moments]


def batch_moments(x: Float[Array, "*batch c"]) -> Moments:
    """Mean and variance over all axes but the last.

    Args:
        x: `(..., c)`.

    Returns:
        Moments of each channel.

    Example:
        >>> batch_moments(jnp.array([[1.0], [3.0]]))
        Moments(mean=Array([2.], dtype=float32), variance=Array([1.], dtype=float32))
    """
    rows = x.reshape(-1, x.shape[-1])
    mean = jnp.mean(rows, axis=0)
    return Moments(mean, jnp.mean((rows - mean[None]) ** 2, axis=0))


def batch_norm(
    x: Float[Array, "n *pixels c"], gain: Float[Array, "#n c"], shift: Float[Array, "#n c"], moments: Moments
) -> Float[Array, "n *pixels c"]:
    r"""Each channel with given moments brought to a gain and a shift, the same for all images or one for each.

    $$ y_{n \cdot c} = g_{nc} \frac{x_{n \cdot c} - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + b_{nc} $$

    Args:
        x: `(n, ..., c)`.
        gain: g, `(1, c)` or `(n, c)`.
        shift: b, `(1, c)` or `(n, c)`.
        moments: of `batch_moments`, or running ones.

    Returns:
        As `x`.

    Example:
        >>> x = jnp.array([[1.0], [3.0]])
        >>> y = batch_norm(x, jnp.array([[2.0]]), jnp.array([[0.5]]), batch_moments(x))
        >>> [round(value, 3) for value in y.ravel().tolist()]
        [-1.5, 2.5]

    References:
        Ioffe and Szegedy, "Batch normalization", https://arxiv.org/abs/1502.03167, 2015, algorithm 1. Dumoulin, Shlens
        and Kudlur, "A learned representation for artistic style", https://arxiv.org/abs/1610.07629, 2016, equation 5:
        a gain and a shift for each class.
    """
    scale = gain * jax.lax.rsqrt(moments.variance + EPSILON)[None]
    offset = shift - scale * moments.mean[None]
    axes = tuple(range(1, x.ndim - 1))
    return x * jnp.expand_dims(scale, axes) + jnp.expand_dims(offset, axes)


class BatchNorm(nnx.Module):
    """`batch_norm` with its gain and shift, called `kernel` and `bias` as in any layer, and running moments.

    Gains start as 1, shifts as 0; `(c,)`, or `(K, c)` where there are classes.

    Args:
        channels: c.
        num_classes: K, or None for one gain and shift for all.
    """

    def __init__(self, channels: int, num_classes: int | None = None):
        shape = (channels,) if num_classes is None else (num_classes, channels)
        self.kernel = nnx.Param(jnp.ones(shape))
        self.bias = nnx.Param(jnp.zeros(shape))
        self.mean = nnx.BatchStat(jnp.zeros(channels))
        self.variance = nnx.BatchStat(jnp.ones(channels))

    def __call__(
        self, x: Float[Array, "n *pixels c"], labels: Labels | None = None, moments: Moments | None = None
    ) -> Float[Array, "n *pixels c"]:
        """The normalised x, with the running moments where none are given."""
        rows = None if self.kernel.ndim == 1 else labels  # without classes one row, which is everyone's
        gain, shift = self.kernel[...][rows], self.bias[...][rows]
        return batch_norm(x, gain, shift, Moments(self.mean[...], self.variance[...]) if moments is None else moments)


class Normalized(Layered):
    """A generator with layers of `BatchNorm`.

    Subclasses write `draw(latents, labels, normalize)`, in which `normalize(name, x)` stands for such a layer.
    """

    def __call__(self, latents: Float[Array, "n dim"], labels: Labels | None = None) -> Float[Array, "n h w c"]:
        """Images, each on its own.

        Args:
            latents: `(N, dim)`.
            labels: `(N,)`, for a network with classes.

        Returns:
            `(N, H, W, C)`, in [-1, 1].
        """
        return self.draw(latents, labels, lambda name, x: self.layers[name](x, labels))

    def on_batch(
        self, latents: Float[Array, "n dim"], labels: Labels | None = None
    ) -> tuple[Float[Array, "n h w c"], Statistics]:
        """The training form: normalised with the batch's own moments, which are returned by layer."""
        seen: Statistics = {}

        def normalize(name: str, x: Array) -> Array:
            seen[name] = batch_moments(x)
            return self.layers[name](x, labels, seen[name])

        return self.draw(latents, labels, normalize), seen

    def draw(self, latents: Array, labels: Labels | None, normalize: Callable[[str, Array], Array]) -> Array:
        """What both forms have in common."""
        raise NotImplementedError


def draw_on_batch(
    generator: Callable[..., Array], latents: Float[Array, "n dim"], *labels: Labels
) -> tuple[Array, Statistics]:
    """Images as a generator draws them in training, and the moments that it normalised with.

    Args:
        generator: any; one without batch normalisation is only called.
        latents: `(N, dim)`.
        labels: `(N,)`, for a network with classes.

    Returns:
        Images and statistics by layer, for `with_statistics`.

    Example:
        >>> draw_on_batch(lambda latents: latents[:, None, None], jnp.zeros((2, 1)))[1]
        {}
    """
    if isinstance(generator, Normalized):
        return generator.on_batch(latents, *labels)
    return generator(latents, *labels), {}


def with_statistics(generator: Model, statistics: Statistics, *, momentum: float = 0.9) -> Model:
    r"""The same generator with running moments moved towards a batch's: $\mu \leftarrow m \mu + (1 - m) \mu_B$.

    Args:
        generator: left as it is.
        statistics: of `draw_on_batch`.
        momentum: $m$, how much of the old ones stays; 0 takes the batch's.

    Returns:
        A new generator.

    Example:
        >>> from jaxvision.gan import dcgan_generator
        >>> statistics = {"norm1": Moments(jnp.ones(1024), jnp.zeros(1024))}
        >>> moved = jax.eval_shape(lambda: with_statistics(dcgan_generator(), statistics))
        >>> moved.layers["norm1"].mean.shape
        (1024,)
    """
    copy: Any = jax.tree.map(lambda leaf: leaf, generator)  # new variables, so that `generator` keeps its own
    for name, moments in statistics.items():
        layer = copy.layers[name]
        layer.mean.set_value(momentum * layer.mean[...] + (1 - momentum) * moments.mean)
        layer.variance.set_value(momentum * layer.variance[...] + (1 - momentum) * moments.variance)
    return copy


def require_labels(labels: Labels | None, num_classes: int | None) -> None:
    """Refuses labels for a network without classes, and a network with classes without labels.

    Raises:
        InputError: one sentence.
    """
    if labels is None and num_classes is not None:
        raise InputError(f"a network with {num_classes} classes needs labels: give one class for each image")
    if labels is not None and num_classes is None:
        raise InputError("a network without classes takes no labels: leave them out, or build it with num_classes")

"""Random transforms of one image, `(image, key) -> image` with shapes known beforehand, and their composition."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jaxvision.errors import InputError

Transform = Callable[[Array, Array], Array]
"""One image `(H, W, C)` and a key to another image; differentiable in the image."""


@dataclasses.dataclass(frozen=True)
class Chain:
    """One transform after the other, as `chain` makes it.

    Attributes:
        transforms: first to last.
    """

    transforms: tuple[Transform, ...]

    def __call__(self, image: Float[Array, "h w c"], key: PRNGKeyArray) -> Float[Array, "h2 w2 c"]:
        """The k-th transform takes `fold_in(key, k)`."""
        steps = enumerate(self.transforms)
        return functools.reduce(lambda x, step: step[1](x, jax.random.fold_in(key, step[0])), steps, image)


def chain(*transforms: Transform) -> Chain:
    r"""Transforms one after the other, each with its own key: $T = T_K \circ \dots \circ T_1$.

    Args:
        transforms: `(image, key) -> image`, first to last.

    Returns:
        A transform; two chains of equal transforms are equal, so that a problem built twice is compiled once.

    Example:
        >>> from jaxvision.pixels import Jitter
        >>> chain(Pad(2), Jitter(4), FrameCrop(2))(jnp.zeros((8, 8, 3)), jax.random.key(0)).shape
        (8, 8, 3)
    """
    return Chain(transforms)


@dataclasses.dataclass(frozen=True)
class Pad:
    """A frame of zeros around an image: in a normalised range, of the mean colour.

    Attributes:
        width: of the frame, in pixels.

    Example:
        >>> Pad(1)(jnp.ones((1, 1, 1)), jax.random.key(0)).sum(axis=-1).tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    width: int

    def __call__(self, image: Float[Array, "h w c"], key: PRNGKeyArray) -> Float[Array, "h2 w2 c"]:
        """Pad one image; the same for every key."""
        del key
        return jnp.pad(image, [(self.width, self.width), (self.width, self.width), (0, 0)])


@dataclasses.dataclass(frozen=True)
class FrameCrop:
    """An image without its frame, the inverse of `Pad`.

    Attributes:
        width: of the frame that is cut off, in pixels.

    Raises:
        InputError: when called, if nothing of the image is left.

    Example:
        >>> FrameCrop(1)(jnp.arange(9.0).reshape(3, 3, 1), jax.random.key(0)).item()
        4.0
    """

    width: int

    def __call__(self, image: Float[Array, "h w c"], key: PRNGKeyArray) -> Float[Array, "h2 w2 c"]:
        """Crop one image; the same for every key."""
        del key
        h, w, _ = image.shape
        if min(h, w) <= 2 * self.width:
            raise InputError(f"a frame of {self.width} pixels leaves nothing of an image of {h} x {w} pixels")
        return image[self.width : h - self.width, self.width : w - self.width]


@dataclasses.dataclass(frozen=True)
class RandomScale:
    r"""An image, larger or smaller about its centre in a frame of the same size; bilinear, zeros where nothing is.

    $$ x'(p) = x\bigl(c + (p - c) / s\bigr), \qquad s \sim \mathcal{U}(a, b) $$

    Attributes:
        low: $a$, the smallest factor, above zero.
        high: $b$, the largest factor.

    Example:
        >>> RandomScale(1.0, 1.0)(jnp.arange(4.0).reshape(2, 2, 1), jax.random.key(0)).ravel()
        Array([0., 1., 2., 3.], dtype=float32)
    """

    low: float
    high: float

    def __call__(self, image: Float[Array, "h w c"], key: PRNGKeyArray) -> Float[Array, "h w c"]:
        """Scale one image."""
        size = jnp.asarray(image.shape[:2], image.dtype)
        factor = jax.random.uniform(key, (), image.dtype, self.low, self.high)
        scales = jnp.broadcast_to(factor, (2,))
        shift = size * (1 - scales) / 2
        return jax.image.scale_and_translate(image, image.shape, (0, 1), scales, shift, "linear", antialias=False)


@dataclasses.dataclass(frozen=True)
class RandomRotation:
    r"""An image, turned about its centre in a frame of the same size; bilinear, zeros where nothing is.

    $$ x'(p) = x\bigl(c + R_{-\varphi} (p - c)\bigr), \qquad \varphi \sim \mathcal{U}(-m, m) $$

    Attributes:
        max_degrees: $m$, the largest angle either way.

    Example:
        >>> RandomRotation(0.0)(jnp.arange(4.0).reshape(2, 2, 1), jax.random.key(0)).ravel()
        Array([0., 1., 2., 3.], dtype=float32)
    """

    max_degrees: float

    def __call__(self, image: Float[Array, "h w c"], key: PRNGKeyArray) -> Float[Array, "h w c"]:
        """Turn one image."""
        h, w, _ = image.shape
        largest = jnp.asarray(self.max_degrees * jnp.pi / 180, image.dtype)
        angle = jax.random.uniform(key, (), image.dtype, -largest, largest)
        rows, columns = (jnp.arange(n, dtype=image.dtype) - (n - 1) / 2 for n in (h, w))
        down, right = jnp.meshgrid(rows, columns, indexing="ij")
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        places = [cos * down - sin * right + (h - 1) / 2, sin * down + cos * right + (w - 1) / 2]
        turn = functools.partial(jax.scipy.ndimage.map_coordinates, coordinates=places, order=1)
        return jax.vmap(turn, in_axes=-1, out_axes=-1)(image)

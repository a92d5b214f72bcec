"""Where an optimisation begins when there is no photograph."""

import jax

from jaxvision.pixels.keys import Keys, example_keys
from jaxvision.pixels.loop import PixelProblem, PixelState, start


def start_from_noise(
    problem: PixelProblem, n: int, *, key: Keys, image_shape: tuple[int, int, int] = (224, 224, 3)
) -> PixelState:
    r"""The pixel loop's state at n images of independent Gaussian noise, $x \sim \mathcal{N}(0, 1)$.

    In normalised space that is noise with the mean and the deviation of a photograph's pixels.

    Args:
        problem: what to optimise.
        n: the number of images.
        key: one key, from which image i takes `fold_in(key, i)`, or `(n,)` keys: noise and transforms follow from it.
        image_shape: `(H, W, C)`.

    Returns:
        The state before the first step.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> problem = PixelProblem(lambda images: (images.sum((1, 2, 3)), {}), optax.sgd(1.0))
        >>> start_from_noise(problem, 2, key=jax.random.key(0), image_shape=(4, 4, 3)).images.shape
        (2, 4, 4, 3)
    """
    noise_keys, loop_keys = jax.vmap(jax.random.split, out_axes=1)(example_keys(key, n))
    images = jax.vmap(lambda k: jax.random.normal(k, image_shape))(noise_keys)
    return start(problem, images, key=loop_keys)

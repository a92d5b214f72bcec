"""What every metric of features asks of them."""

import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxvision.errors import InputError

Features = Float[ArrayLike, "_ _"]
"""`(N, d)`, JAX's or NumPy's."""


def check_features(*features: Features, least: int = 1) -> None:
    """Refuses features of different widths, of too few images, or that are not finite.

    Args:
        features: `(N, d)` each; those that are traced may have any values.
        least: images that there must be.

    Raises:
        InputError: one sentence with what does not fit.
    """
    shapes = [np.shape(x) for x in features]
    if any(len(shape) != 2 for shape in shapes):
        raise InputError(f"features must have shape (N, d), got shapes {shapes}: give one row for each image")
    if len({shape[1] for shape in shapes}) > 1:
        raise InputError(f"features must have one width, got shapes {shapes}: take both from the same layer")
    if min(shape[0] for shape in shapes) < least:
        raise InputError(f"features of at least {least} images are needed, got shapes {shapes}: draw more")
    for array in features:
        broken = [] if isinstance(array, Tracer) else np.flatnonzero(~np.isfinite(np.asarray(array)).all(axis=1))
        if len(broken):
            raise InputError(
                f"features must be finite, got NaN or infinity for {len(broken)} of {np.shape(array)[0]} images, first "
                f"for image {broken[0]}: leave these out, or mend the network that gave them"
            )

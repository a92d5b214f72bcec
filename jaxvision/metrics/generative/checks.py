"""What every metric of features asks of them."""

import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxvision.errors import InputError

Features = Float[ArrayLike, "_ _"]
"""`(N, d)`, JAX's or NumPy's."""


def check_features(*features: Features, least: int = 1) -> None:
    """Refuses features of different widths, or of too few images.

    Args:
        features: `(N, d)` each.
        least: images that there must be.

    Raises:
        InputError: one sentence with the shapes.
    """
    shapes = [np.shape(x) for x in features]
    if len({shape[1] for shape in shapes}) > 1:
        raise InputError(f"features must have one width, got shapes {shapes}: take both from the same layer")
    if min(shape[0] for shape in shapes) < least:
        raise InputError(f"features of at least {least} images are needed, got shapes {shapes}: draw more")

"""A few photographs that come with scikit-image, for a first look without network or files of one's own."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxvision.data.images import read_images
from jaxvision.errors import InputError

# Files inside scikit-image's wheel; nothing of them is ever downloaded.
SAMPLES = {
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "astronaut": "astronaut.png",
    "rocket": "rocket.jpg",
    "motorcycle": "motorcycle_left.png",
    "cameraman": "camera.png",
    "coins": "coins.png",
}

PATTERNS = {
    "tissue": "ihc.png",
    "stars": "hubble_deep_field.jpg",
    "bricks": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
}


def sample_file(name: str) -> Path:
    """The file of a photograph in `SAMPLES`, or of a picture in `PATTERNS` whose manner another can take on.

    Args:
        name: a key of one of the two.

    Returns:
        A path inside scikit-image.

    Raises:
        InputError: if there is no such sample, or scikit-image is not installed.

    Example:
        >>> sample_file("stars").name
        'hubble_deep_field.jpg'
    """
    known = SAMPLES | PATTERNS
    if name not in known:
        raise InputError(f"there is no sample {name!r}: choose from {', '.join(known)}")
    return _folder() / known[name]


def samples(size: int = 224) -> tuple[tuple[str, ...], Float[np.ndarray, "n size size 3"]]:
    """Photographs of a cat, a cup of coffee, an astronaut, a rocket, a motorcycle, a cameraman and coins.

    Args:
        size: side of the square images in pixels (short side resized, centre crop).

    Returns:
        Names `(n,)` and images `(n, size, size, 3)`, float32 RGB in [0, 1].

    Raises:
        InputError: if scikit-image is not installed or lacks one of the photographs.

    Example:
        >>> names, images = samples(32)
        >>> names[0], images.shape
        ('cat', (7, 32, 32, 3))

    References:
        van der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453, 2014,
        https://doi.org/10.7717/peerj.453; authors and licences of the photographs:
        https://scikit-image.org/docs/stable/api/skimage.data.html
    """
    folder = _folder()
    _, images = read_images([folder / file for file in SAMPLES.values()], size)
    return tuple(SAMPLES), images


def _folder() -> Path:
    """Where scikit-image keeps its data; it is looked up without importing it, which would take a second."""
    try:
        spec = find_spec("skimage")
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the sample photographs come with scikit-image, which is not installed: "
            'pip install "jaxvision[demo]", or name images of your own'
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"

"""MNIST: 70,000 handwritten digits from their four published files."""

import numpy as np
from jaxtyping import Int32, UInt8

from jaxvision.data.idx import read_idx
from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, fetch

_LICENCE = "CC BY-SA 3.0, Yann LeCun and Corinna Cortes"


def _published(name: str, sha256: str, size: int | None = None) -> PublishedFile:
    url = f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}"
    return PublishedFile(f"mnist/{name}", url, f"sha256:{sha256}", size, _LICENCE)


# Images, labels and how many there are, by split.
MNIST_FILES = {
    "train": (
        _published(
            "train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422
        ),
        _published(
            "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881
        ),
        60_000,
    ),
    "test": (
        _published(
            "t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877
        ),
        _published(
            "t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542
        ),
        10_000,
    ),
}


def mnist(split: str) -> tuple[UInt8[np.ndarray, "n 28 28 1"], Int32[np.ndarray, " n"]]:
    """The digits of one split, from the `mnist` folder of the home folder or downloaded into it.

    A file that is there is judged by its content (IDX header, shape, range of the labels), so a recompressed copy is as
    good as the published one; a download must have the published SHA-256.

    Args:
        split: "train" (60,000 digits) or "test" (10,000).

    Returns:
        Images `(n, 28, 28, 1)`, uint8, 0 is the paper and 255 the ink; labels `(n,)`, int32 in [0, 10).

    Raises:
        InputError: if there is no such split, or a file is damaged, holds something else, or cannot be had.

    Example:
        >>> mnist("dev")
        Traceback (most recent call last):
        jaxvision.errors.InputError: there is no split 'dev' of MNIST: choose train or test

    References:
        LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
        IEEE 86(11), 1998, https://doi.org/10.1109/5.726791.
    """
    if split not in MNIST_FILES:
        raise InputError(f"there is no split {split!r} of MNIST: choose train or test")
    image_file, label_file, n = MNIST_FILES[split]
    images = _read(image_file, (n, 28, 28))
    labels = _read(label_file, (n,))
    if labels.max() > 9:
        raise InputError(f"{label_file.location} holds the label {labels.max()}: expected digits from 0 to 9")
    return images[..., None], labels.astype(np.int32)


def _read(file: PublishedFile, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    path = fetch(file)
    array = read_idx(path)
    if array.shape != shape:
        raise InputError(
            f"{path} holds an array of shape {array.shape}: expected {shape}; "
            "move it away to have the published file downloaded"
        )
    return array

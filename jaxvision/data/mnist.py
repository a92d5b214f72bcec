"""MNIST and Fashion-MNIST: 70,000 handwritten digits, and as many clothes, from their four published files each."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int32, UInt8

from jaxvision.data.idx import read_idx
from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, fetch

FASHION_MNIST_CLASS_NAMES = (
    "T-shirt or top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

# Images, labels and how many there are, by split.
_Files = Mapping[str, tuple[PublishedFile, PublishedFile, int]]


def _files(folder: str, url: str, licence: str, published: Mapping[str, tuple[str, int]]) -> _Files:
    """The files of one set from what is published of each: its digest and its bytes, by the part of its name."""

    def file(part: str, kind: str) -> PublishedFile:
        name = f"{part}-{kind}-ubyte.gz"
        return PublishedFile(f"{folder}/{name}", f"{url}/{name}", *published[f"{part}-{kind[:6]}"], licence)

    parts = {"train": ("train", 60_000), "test": ("t10k", 10_000)}
    return {split: (file(part, "images-idx3"), file(part, "labels-idx1"), n) for split, (part, n) in parts.items()}


MNIST_FILES = _files(
    "mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
    {
        "train-images": ("sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
        "train-labels": ("sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
        "t10k-images": ("sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
        "t10k-labels": ("sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
    },
)

FASHION_MNIST_FILES = _files(
    "fashion_mnist",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    "MIT, Zalando SE",
    {
        "train-images": ("md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
        "train-labels": ("md5:25c81989df183df01b3e8a0aad5dffbe", 29_515),
        "t10k-images": ("md5:bef4ecab320f06d8554ea6380940ec79", 4_422_102),
        "t10k-labels": ("md5:bb300cfdad3c16e7a12a480ee83cd310", 5_148),
    },
)


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
    return _read("MNIST", "digits", MNIST_FILES, split)


def fashion_mnist(split: str) -> tuple[UInt8[np.ndarray, "n 28 28 1"], Int32[np.ndarray, " n"]]:
    """The clothes of one split, from the `fashion_mnist` folder of the home folder or downloaded into it.

    Files are judged as those of `mnist`; a download must have the published MD5.

    Args:
        split: "train" (60,000 pieces) or "test" (10,000).

    Returns:
        Images `(n, 28, 28, 1)`, uint8, 0 is the ground; labels `(n,)`, int32, places in FASHION_MNIST_CLASS_NAMES.

    Raises:
        InputError: if there is no such split, or a file is damaged, holds something else, or cannot be had.

    Example:
        >>> fashion_mnist("dev")
        Traceback (most recent call last):
        jaxvision.errors.InputError: there is no split 'dev' of Fashion-MNIST: choose train or test

    References:
        Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
        https://arxiv.org/abs/1708.07747, 2017.
    """
    return _read("Fashion-MNIST", "classes", FASHION_MNIST_FILES, split)


def _read(
    name: str, kinds: str, files: _Files, split: str
) -> tuple[UInt8[np.ndarray, "n 28 28 1"], Int32[np.ndarray, " n"]]:
    if split not in files:
        raise InputError(f"there is no split {split!r} of {name}: choose train or test")
    image_file, label_file, n = files[split]
    images = _array(image_file, (n, 28, 28))
    labels = _array(label_file, (n,))
    if labels.max() > 9:
        raise InputError(f"{label_file.location} holds the label {labels.max()}: expected {kinds} from 0 to 9")
    return images[..., None], labels.astype(np.int32)


def _array(file: PublishedFile, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    path = fetch(file)
    array = read_idx(path)
    if array.shape != shape:
        raise InputError(
            f"{path} holds an array of shape {array.shape}: expected {shape}; "
            "move it away to have the published file downloaded"
        )
    return array

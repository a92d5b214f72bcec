"""IDX files, good and bad, and the digits and clothes in them."""

import gzip
import struct

import numpy as np
import pytest

from jaxvision.data import (
    FASHION_MNIST_CLASS_NAMES,
    FASHION_MNIST_FILES,
    MNIST_FILES,
    fashion_mnist,
    mnist,
    read_idx,
)
from jaxvision.errors import InputError


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("compress", [gzip.compress, bytes])
def test_idx_round_trip(tmp_path, shape, compress):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "a").write_bytes(compress(idx(array)))
    found = read_idx(tmp_path / "a")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


ARRAY = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
ZIPPED = gzip.compress(idx(ARRAY), mtime=0)  # a time of day would be part of a test's name


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not an IDX file"),
        (b"\0\0", "not an IDX file"),
        (b"PK\3\4 something else", "not an IDX file: .*50 4b 03 04"),
        (idx(ARRAY, kind=0x0D), "holds floats: expected .* unsigned bytes"),
        (idx(ARRAY, kind=0x77), "holds the unknown type 0x77"),
        (idx(ARRAY)[:10], "cut off in its header"),
        (bytes([0, 0, 8, 0]), "cut off in its header"),
        (idx(ARRAY)[:-1], "states 3 x 4 x 5 = 60 bytes, 59 follow"),
        (idx(ARRAY) + b"\0", "states 3 x 4 x 5 = 60 bytes, more follow"),
        (bytes([0, 0, 8, 200]) + 800 * b"\xff", "states 200 axes: at most 8"),
        (bytes([0, 0, 8, 2]) + 8 * b"\xff", "too large: its header states"),
        (bytes([0, 0, 8, 8]) + 28 * b"\xff" + bytes(4), "too large: its header states"),  # none of very long rows
        (gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 5]) + bytes(10**8), 1, mtime=0), "5 bytes, more follow"),
        (ZIPPED[:-12], "is damaged"),
        (ZIPPED[:20] + b"garbage" + ZIPPED[27:], "is damaged"),
    ],
)
def test_bad_idx_files(tmp_path, content, sentence):
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_idx_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        read_idx(tmp_path / "none")


@pytest.fixture(params=["mnist", "fashion_mnist"])
def small_home(request, own_home):
    """A home folder with test files of the right form, made here: the reader, its files, and what they hold."""
    read, files = {"mnist": (mnist, MNIST_FILES), "fashion_mnist": (fashion_mnist, FASHION_MNIST_FILES)}[request.param]
    image_file, label_file, n = files["test"]
    assert image_file.path == f"{request.param}/t10k-images-idx3-ubyte.gz"
    rng = np.random.default_rng(1)
    images = np.zeros((n, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = rng.integers(0, 256, (n, 20, 20))
    labels = rng.integers(0, 10, n, dtype=np.uint8)
    image_file.location.parent.mkdir()
    image_file.location.write_bytes(gzip.compress(idx(images), compresslevel=1))
    label_file.location.write_bytes(gzip.compress(idx(labels)))
    return read, files, images, labels


def test_files_in_the_home_folder_are_judged_by_their_content(small_home):
    read, _, *written = small_home
    images, labels = read("test")
    np.testing.assert_array_equal(images[..., 0], written[0])
    np.testing.assert_array_equal(labels, written[1])
    assert images.shape == (10_000, 28, 28, 1)
    assert labels.dtype == np.int32


def test_wrong_content_is_refused(small_home):
    read, files, *_ = small_home
    image_file, label_file, n = files["test"]
    label_file.location.write_bytes(idx(np.full(n, 10, np.uint8)))
    with pytest.raises(InputError, match=r"holds the label 10: expected (digits|classes) from 0 to 9"):
        read("test")
    label_file.location.write_bytes(idx(np.zeros(n - 1, np.uint8)))
    with pytest.raises(InputError, match=r"shape \(9999,\): expected \(10000,\)"):
        read("test")
    image_file.location.write_bytes(idx(np.zeros((n, 32, 32), np.uint8)))
    with pytest.raises(InputError, match=r"expected \(10000, 28, 28\)"):
        read("test")
    image_file.location.write_bytes(gzip.compress(idx(np.zeros((n, 28, 28), np.uint8)))[:-9])
    with pytest.raises(InputError, match=r"is damaged .* get a whole copy of it"):
        read("test")


@pytest.mark.parametrize("read", [mnist, fashion_mnist])
def test_offline_without_the_files(read, own_home):
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz.*JAXVISION_OFFLINE"):
        read("train")


@pytest.mark.parametrize(("read", "name"), [(mnist, "MNIST"), (fashion_mnist, "Fashion-MNIST")])
def test_unknown_split(read, name):
    with pytest.raises(InputError, match=f"no split 'validation' of {name}: choose train or test"):
        read("validation")


@pytest.mark.parametrize(
    ("split", "n", "first"), [("train", 60_000, [5, 0, 4, 1, 9]), ("test", 10_000, [7, 2, 1, 0, 4])]
)
def test_the_real_digits(needs, split, n, first):
    needs("mnist/train-images-idx3-ubyte.gz")
    images, labels = mnist(split)
    assert images.shape == (n, 28, 28, 1)
    assert labels[:5].tolist() == first
    assert np.bincount(labels).min() > 0.08 * n
    # The published mean and deviation of the training images.
    if split == "train":
        assert images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
        assert images.std() / 255 == pytest.approx(0.3081, abs=1e-4)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_real_clothes(needs, split):
    needs("fashion_mnist/train-images-idx3-ubyte.gz")
    _, labels = fashion_mnist(split)
    assert np.bincount(labels).tolist() == 10 * [len(labels) // 10]
    assert len(FASHION_MNIST_CLASS_NAMES) == 10


@pytest.mark.parametrize("files", [MNIST_FILES, FASHION_MNIST_FILES])
def test_published_digests_are_right(needs, files):
    """The files that are published as they are; the training images may be a recompressed copy."""
    from jaxvision.files import verify

    for image_file, label_file, _ in files.values():
        for file in (image_file, label_file):
            path = needs(file.path)
            if path.stat().st_size == file.size:
                verify(file, path)

"""CIFAR-10 from an archive and from unpacked files, whole and damaged; here a file holds 20 images, not 10,000."""

import gzip
import io
import sys
import tarfile

import numpy as np
import pytest

from jaxvision.data import CIFAR10_CLASS_NAMES, CIFAR10_FILE, cifar10
from jaxvision.errors import InputError

N = 20
NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]


@pytest.fixture
def small_files(own_home, monkeypatch):
    monkeypatch.setattr(sys.modules["jaxvision.data.cifar"], "_N_RECORDS", N)
    CIFAR10_FILE.location.parent.mkdir()


def contents() -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    """Files, and the images and labels that are in them."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(NAMES) * N, 32, 32, 3), dtype=np.uint8)
    labels = rng.integers(0, 10, len(images), dtype=np.uint8)
    planes = images.transpose(0, 3, 1, 2)
    records = [bytes([label]) + plane.tobytes() for label, plane in zip(labels, planes, strict=True)]
    files = {name: b"".join(records[place * N : (place + 1) * N]) for place, name in enumerate(NAMES)}
    return files, images, labels


def archive(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz", compresslevel=1) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return written.getvalue()


def unpack(files: dict[str, bytes]) -> None:
    folder = CIFAR10_FILE.location.parent / "cifar-10-batches-bin"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.mark.parametrize("form", ["archive", "tar", "folder"])
def test_images_and_labels_come_back(small_files, form):
    files, images, labels = contents()
    if form == "folder":
        unpack(files)
    else:
        # In another order than they are read in, among others that are not read.
        packed = archive({"batches.meta.txt": b"airplane\n"} | dict(reversed(files.items())))
        CIFAR10_FILE.location.write_bytes(packed if form == "archive" else gzip.decompress(packed))
    for split, rows in (("train", slice(0, 5 * N)), ("test", slice(5 * N, None))):
        found = cifar10(split)
        np.testing.assert_array_equal(found[0], images[rows])
        np.testing.assert_array_equal(found[1], labels[rows])
        assert found[1].dtype == np.int32


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is damaged"),
        (lambda data: data[:40_000] + bytes(400) + data[40_400:], "is damaged"),
        (lambda data: data[:10], "is damaged"),
        (lambda data: b"<html>not found</html>", "is damaged"),
        (lambda data: b"", "is damaged"),
        (lambda data: archive({"readme.txt": b"nothing"}), "lacks data_batch_1.bin, .*: expected the binary version"),
    ],
)
def test_bad_archives(small_files, damage, sentence):
    CIFAR10_FILE.location.write_bytes(damage(archive(contents()[0])))
    with pytest.raises(InputError, match=sentence) as error:
        cifar10("train")
    assert str(CIFAR10_FILE.location) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", [unpack, lambda files: CIFAR10_FILE.location.write_bytes(archive(files))])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (bytes(3073 * N - 1), f"test_batch.bin.* holds {3073 * N - 1} bytes where {N} images of 3073 were expected"),
        (bytes(3073 * N + 9), f"test_batch.bin.* holds more bytes where {N} images of 3073 were expected"),
        (b"\x0a" + bytes(3073 * N - 1), "test_batch.bin.* holds the label 10: expected classes from 0 to 9"),
    ],
)
def test_bad_files(small_files, place, data, sentence):
    place({"test_batch.bin": data})
    with pytest.raises(InputError, match=sentence) as error:
        cifar10("test")
    assert "\n" not in str(error.value)


def test_a_folder_that_lacks_a_file(small_files):
    unpack({"data_batch_1.bin": bytes(3073 * N)})
    with pytest.raises(InputError, match=r"cannot read .*data_batch_2\.bin: No such file.*unpack the whole archive"):
        cifar10("train")


def test_neither_archive_nor_folder(small_files):
    with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz.*JAXVISION_OFFLINE"):
        cifar10("test")


def test_unknown_split():
    with pytest.raises(InputError, match="no split 'dev' of CIFAR-10: choose train or test"):
        cifar10("dev")


@pytest.mark.parametrize(("split", "n"), [("train", 50_000), ("test", 10_000)])
def test_the_real_photographs(needs, split, n):
    needs("cifar10")
    images, labels = cifar10(split)
    assert images.shape == (n, 32, 32, 3)
    assert np.bincount(labels).tolist() == len(CIFAR10_CLASS_NAMES) * [n // 10]
    # The published means of the training images.
    if split == "train":
        np.testing.assert_allclose(images.mean(axis=(0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-4)

import json
import struct

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from jaxvision.errors import InputError
from jaxvision.weights import load, save

TENSORS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "scalar": np.array(3, np.int64),
    "empty": np.zeros((0, 4), np.float32),
    "mask": np.array([True, False, True]),
    "bytes": np.arange(5, dtype=np.uint8),
    "double": np.array([1 / 3]),
}


def container(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_there_and_back(tmp_path):
    save(tmp_path / "t.safetensors", TENSORS, {"b": "2", "a": "1"})
    assert_same(load(tmp_path / "t.safetensors"), TENSORS)
    assert_same(load(str(tmp_path / "t.safetensors")), TENSORS)


def test_the_library_reads_what_we_write_and_we_what_it_writes(tmp_path):
    save(tmp_path / "ours", TENSORS, {"b": "2", "a": "1"})
    assert_same(safetensors.numpy.load_file(tmp_path / "ours"), TENSORS)
    with safetensors.safe_open(tmp_path / "ours", framework="np") as file:
        assert file.metadata() == {"a": "1", "b": "2"}
    safetensors.numpy.save_file(TENSORS, tmp_path / "theirs", {"x": "y"})
    assert_same(load(tmp_path / "theirs"), TENSORS)


def test_tensors_are_aligned_to_their_items(tmp_path):
    save(tmp_path / "t", TENSORS)
    content = (tmp_path / "t").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    assert length % 8 == 0
    for name, entry in json.loads(content[8 : 8 + length]).items():
        assert entry["data_offsets"][0] % TENSORS[name].itemsize == 0, name


def test_same_tensors_same_bytes(tmp_path):
    save(tmp_path / "a", TENSORS, {"x": "1", "y": "2", "z": "3"})
    save(tmp_path / "b", dict(reversed(TENSORS.items())), {"z": "3", "y": "2", "x": "1"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_strided_and_big_endian_arrays_keep_their_values(tmp_path):
    array = np.arange(24.0, dtype=np.float32).reshape(4, 6)
    save(tmp_path / "t", {"t": array.T, "step": array[::2, ::-1], "big": array.astype(">f4")})
    assert_same(load(tmp_path / "t"), {"t": array.T, "step": array[::2, ::-1], "big": array})


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_halves_are_widened_exactly(dtype, tmp_path):
    values = np.array([[0.0, -0.0, 1.0, 3.140625], [np.inf, -np.inf, 65280.0, 2.0**-14]], np.float32).astype(dtype)
    name = {np.float16: "F16", ml_dtypes.bfloat16: "BF16"}[dtype]
    header = {"x": {"dtype": name, "shape": [2, 4], "data_offsets": [0, 16]}}
    (tmp_path / "t").write_bytes(container(header, values.tobytes()))
    assert_same(load(tmp_path / "t"), {"x": values.astype(np.float32)})


def test_loaded_arrays_may_be_written_to(tmp_path):
    save(tmp_path / "t", TENSORS)
    load(tmp_path / "t")["conv.weight"][:] = 0


@pytest.mark.parametrize("array", [np.array(["text"]), np.zeros(2, np.complex64), np.zeros(2, object)])
def test_types_without_a_place_in_the_format_are_refused(array, tmp_path):
    with pytest.raises(InputError, match=r"cannot save 'x' of type .*expected floats, integers, booleans"):
        save(tmp_path / "t", {"x": array})
    assert not (tmp_path / "t").exists()


def test_a_type_we_do_not_know_is_named(tmp_path):
    header = {"x": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    (tmp_path / "t").write_bytes(container(header, b"\0\0"))
    with pytest.raises(InputError, match="holds 'x' as F8_E4M3"):
        load(tmp_path / "t")


SOUND = container({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        b"this is a text file\n" * 50,
        b"\xff" * 100,
        SOUND[:-1],
        SOUND[:20],
        SOUND + b"more",
        container(b"{not json"),
        container([1, 2]),
        container({"x": 1}),
        container({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
        container({"x": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}, bytes(16)),
        container({"x": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)),
        container({"x": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, bytes(8)),
    ],
)
def test_a_damaged_file_is_a_sentence(content, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"w\.safetensors is not a sound safetensors file"):
        load(tmp_path / "w.safetensors")


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02}q\x00.", b"\x80\x04\x95"])
def test_a_pickle_is_not_opened_but_sent_to_convert(start, tmp_path):
    (tmp_path / "w.pth").write_bytes(start + bytes(100))
    with pytest.raises(InputError, match=r"python -m jaxvision\.weights convert .*w\.pth"):
        load(tmp_path / "w.pth")


def test_missing_files_and_folders_are_sentences(tmp_path):
    with pytest.raises(InputError, match=r"none\.safetensors is missing"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"none\.safetensors is missing"):
        load(str(tmp_path / "none.safetensors"))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "f").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        save(tmp_path / "f" / "w.safetensors", TENSORS)

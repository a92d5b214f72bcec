"""Conversion against PyTorch's own writer, the restricted reader against files that would run code."""

import hashlib
import os
import pickle
import subprocess

import numpy as np
import pytest
import safetensors.numpy

from jaxvision.errors import InputError
from jaxvision.files import PublishedFile
from jaxvision.weights import WEIGHTS, PublishedWeights, convert, load

pytestmark = pytest.mark.peers
torch = pytest.importorskip("torch")


@pytest.fixture
def state():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 3, 2, 2, generator=generator)
    return {
        "features.0.weight": weight,
        "features.0.bias": torch.nn.Parameter(weight[:, 0, 0, 0]),
        "transposed": weight[0, 0].T,
        "half": weight.half(),
        "bfloat": weight.bfloat16(),
        "double": weight.double(),
        "num_batches_tracked": torch.tensor(7),
    }


@pytest.fixture
def published(state, own_home, site, monkeypatch):
    """A small network under the name of vgg16 on a local server."""
    folder, url = site
    torch.save(state, folder / "net.pth")
    content = (folder / "net.pth").read_bytes()
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    entry = PublishedWeights(
        "vgg16", PublishedFile("weights/net.pth", f"{url}/net.pth", digest, len(content), "none"), 1.0, 2.0
    )
    monkeypatch.setitem(WEIGHTS, "vgg16", entry)
    return entry


def assert_state(tensors, state):
    assert sorted(tensors) == sorted(state)
    for name, tensor in state.items():
        expected = (tensor.detach().float() if tensor.is_floating_point() else tensor).numpy()
        np.testing.assert_array_equal(tensors[name], expected, strict=True)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_names_layouts_and_values_survive(zipped, wrapped, state, tmp_path):
    source = tmp_path / "net.pth"
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, source, _use_new_zipfile_serialization=zipped)
    output = convert(source)
    assert output == tmp_path / "net.safetensors"
    assert_state(load(output), state)
    assert_state(safetensors.numpy.load_file(output), state)
    with safetensors.safe_open(output, framework="np") as file:
        assert file.metadata()["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_output_folder_file_and_overwriting(state, tmp_path):
    torch.save(state, tmp_path / "net.pth")
    (tmp_path / "folder").mkdir()
    assert convert(tmp_path / "net.pth", tmp_path / "folder") == tmp_path / "folder" / "net.safetensors"
    target = tmp_path / "new" / "w.safetensors"
    assert convert(tmp_path / "net.pth", target) == target
    before = target.read_bytes()
    target.write_bytes(b"precious")
    with pytest.raises(InputError, match="already there: choose another --output or give --overwrite"):
        convert(tmp_path / "net.pth", target)
    assert target.read_bytes() == b"precious"
    convert(tmp_path / "net.pth", target, overwrite=True)
    assert target.read_bytes() == before


def test_a_file_of_the_manifest_goes_where_load_finds_it(published, state, own_home, site):
    folder, _ = site
    (folder / "net.pth").rename(folder / "renamed.bin")
    assert convert(folder / "renamed.bin") == own_home / "weights" / "vgg16.safetensors"
    assert_state(load("vgg16"), state)


def test_load_downloads_checks_and_converts_once(published, state, own_home, site):
    assert_state(load("vgg16"), state)
    assert sorted(path.name for path in (own_home / "weights").iterdir()) == ["net.pth", "vgg16.safetensors"]
    (own_home / "weights" / "net.pth").unlink()
    (site[0] / "net.pth").unlink()
    assert_state(load("vgg16"), state)  # from the converted file alone


def test_offline_converts_what_was_downloaded(published, state, own_home, site, monkeypatch):
    (own_home / "weights").mkdir(parents=True)
    (site[0] / "net.pth").rename(own_home / "weights" / "net.pth")
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    assert_state(load("vgg16"), state)


def test_a_read_only_home_with_the_publishers_file_still_loads(published, state, site, tmp_path, monkeypatch):
    folder = tmp_path / "mount"
    (folder / "weights").mkdir(parents=True)
    (site[0] / "net.pth").rename(folder / "weights" / "net.pth")
    monkeypatch.setenv("JAXVISION_HOME", str(folder))
    if os.geteuid() != 0:
        (folder / "weights").chmod(0o500)
    elif subprocess.run(["mount", "--bind", "-o", "ro", folder, folder], capture_output=True, check=False).returncode:
        pytest.skip("no read-only file system can be mounted here")
    try:
        assert_state(load("vgg16"), state)
        assert [path.name for path in (folder / "weights").iterdir()] == ["net.pth"]
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", folder], check=True)
        else:
            (folder / "weights").chmod(0o700)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("writer", ["torch", "torch_legacy", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(writer, tmp_path):
    content = {"features.0.weight": torch.ones(2), "x": Malicious(tmp_path / "proof")}
    source = tmp_path / "net.pth"
    if writer == "pickle":
        source.write_bytes(pickle.dumps({"x": Malicious(tmp_path / "proof")}))
    else:
        torch.save(content, source, _use_new_zipfile_serialization=writer == "torch")
    sentence = "nothing in it was run" if writer == "pickle" else "can run code when opened: it was refused"
    with pytest.raises(InputError, match=sentence):
        convert(source)
    assert not (tmp_path / "proof").exists()
    assert not (tmp_path / "net.safetensors").exists()


def test_a_whole_model_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pth")
    with pytest.raises(InputError, match="holds more than tensors"):
        convert(tmp_path / "net.pth")


@pytest.mark.parametrize("content", [b"", b"text\n" * 100, b"PK\x03\x04" + bytes(200), b"\x80\x02garbage"])
def test_garbage_is_a_sentence(content, tmp_path):
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(InputError, match="is no PyTorch state dict, or it is damaged or cut short"):
        convert(tmp_path / "net.pth")


def test_a_file_cut_short_is_a_sentence(state, tmp_path):
    torch.save(state, tmp_path / "net.pth")
    content = (tmp_path / "net.pth").read_bytes()
    (tmp_path / "net.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged or cut short"):
        convert(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "holds a list without tensors"),
        ({}, "holds a dict without tensors"),
        ({"w": torch.ones(2), "epoch": 3}, "holds 'epoch', a int, where a state dict has plain tensors"),
        ({3: torch.ones(2)}, "holds 3, a Tensor, where"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "holds 'w' of type torch.complex64"),
        ({"w": torch.ones(2, 2).to_sparse()}, "holds 'w', a Tensor, where a state dict has plain tensors"),
    ],
)
def test_what_is_no_state_dict_is_a_sentence(content, sentence, tmp_path):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(InputError, match=sentence):
        convert(tmp_path / "net.pth")


def test_an_old_pytorch_is_not_trusted(state, tmp_path, monkeypatch):
    torch.save(state, tmp_path / "net.pth")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(InputError, match=r"PyTorch 2\.5\.1\+cpu cannot open .* safely"):
        convert(tmp_path / "net.pth")


def test_missing_source_and_folder_are_sentences(tmp_path):
    with pytest.raises(InputError, match="is missing: expected a PyTorch file"):
        convert(tmp_path / "none.pth")
    with pytest.raises(InputError, match="is a folder: expected a PyTorch file"):
        convert(tmp_path)

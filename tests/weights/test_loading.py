"""Weights by name, without PyTorch (conversion itself is tested beside PyTorch in test_conversion)."""

import importlib.util

import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.files import PublishedFile
from jaxvision.weights import WEIGHTS, load, save

TENSORS = {"features.0.weight": np.ones((2, 3, 1, 1), np.float32)}


@pytest.fixture
def without_torch(monkeypatch):
    found = importlib.util.find_spec
    for module in ("loading", "conversion"):
        monkeypatch.setattr(
            f"jaxvision.weights.{module}.find_spec", lambda name: None if name == "torch" else found(name)
        )


def test_a_name_is_the_file_in_home_whatever_its_origin(own_home):
    save(own_home / "weights" / "vgg16.safetensors", TENSORS)
    np.testing.assert_array_equal(load("vgg16")["features.0.weight"], TENSORS["features.0.weight"])


def test_a_path_object_is_a_file_even_if_called_like_a_network(own_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("vgg16", TENSORS)
    assert list(load(tmp_path / "vgg16")) == ["features.0.weight"]


@pytest.mark.parametrize(
    ("name", "hint"), [("vgg61", "did you mean vgg1"), ("squeezenet", "did you mean squeezenet1_1")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name, hint):
    with pytest.raises(InputError, match=hint):
        load(name)


def test_a_name_like_nothing_lists_what_there_is():
    with pytest.raises(
        InputError, match="'zzz': expected a safetensors file or one of inception_v3_fid, squeezenet1_1"
    ):
        load("zzz")


def test_offline_names_files_address_and_variables(own_home, monkeypatch):
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    with pytest.raises(InputError) as raised:
        load("squeezenet1_1")
    for expected in (
        str(own_home / "weights" / "squeezenet1_1.safetensors"),
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        "JAXVISION_OFFLINE",
        "JAXVISION_HOME",
    ):
        assert expected in str(raised.value)


def test_without_torch_nothing_is_downloaded_and_the_way_is_shown(own_home, without_torch, monkeypatch):
    monkeypatch.setattr("jaxvision.weights.loading.fetch", lambda file: pytest.fail("downloaded in vain"))
    with pytest.raises(InputError) as raised:
        load("squeezenet1_1")
    for expected in ('pip install "jaxvision[convert]"', "python -m jaxvision.weights convert", "download.pytorch.org"):
        assert expected in str(raised.value)


@pytest.mark.peers
def test_another_file_under_the_published_name_is_not_opened(own_home):
    pytest.importorskip("torch", reason="without PyTorch the way ends earlier")
    (own_home / "weights").mkdir(parents=True)
    (own_home / WEIGHTS["vgg16"].file.path).write_bytes(b"anything")
    with pytest.raises(InputError, match=r"is not the file published at .*expected sha256:397923af"):
        load("vgg16")


def test_the_manifest_is_consistent():
    assert sorted(WEIGHTS) == ["inception_v3_fid", "squeezenet1_1", "vgg16", "vgg19"]
    for name, entry in WEIGHTS.items():
        assert entry.name == name
        assert isinstance(entry.file, PublishedFile)
        assert entry.file.digest[7:15] == entry.file.name.removesuffix(".pth").rpartition("-")[2]  # PyTorch's rule
        assert entry.file.url.endswith(entry.file.name)
        if name != "inception_v3_fid":  # whose publishers report features, not guesses
            assert 0 < entry.top1 < entry.top5 < 100


@pytest.mark.peers
def test_a_published_file_that_changed_keeps_its_distance(own_home, site, monkeypatch):
    pytest.importorskip("torch", reason="without PyTorch the way ends earlier")
    folder, url = site
    (folder / "net.pth").write_bytes(b"tampered")
    file = PublishedFile("weights/net.pth", f"{url}/net.pth", "sha256:" + 64 * "0", 8, "none")
    monkeypatch.setitem(WEIGHTS, "vgg16", type(WEIGHTS["vgg16"])("vgg16", file, 1.0, 2.0))
    with pytest.raises(InputError, match="arrived with the wrong content"):
        load("vgg16")
    assert sorted(path.name for path in (own_home / "weights").iterdir()) == ["net.pth.mismatch"]


def test_real_weights(needs):
    tensors = load(needs("weights/squeezenet1_1.safetensors"))
    assert len(tensors) == 52
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float32)}
    assert tensors["features.0.weight"].shape == (64, 3, 3, 3)
    assert tensors["classifier.1.weight"].shape == (1000, 512, 1, 1)
    assert sum(array.size for array in tensors.values()) == 1235496
    assert all(np.array_equal(load("squeezenet1_1")[name], array) for name, array in list(tensors.items())[:3])

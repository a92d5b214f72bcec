"""Which network `--weights` means, on a machine with and without weights, PyTorch and network."""

import json
import socket
import threading
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import networks
from experiments.networks import load_network
from jaxvision.backbones import lenet, squeezenet1_1, state_dict
from jaxvision.data import SCENE_CLASS_NAMES
from jaxvision.errors import InputError
from jaxvision.files import PublishedFile
from jaxvision.pixels import normalize
from jaxvision.weights import WEIGHTS, load, save


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch, untrained):
    """A machine without weights or network; the embedded network is a stand-in."""
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    monkeypatch.setattr(networks, "SCENES", untrained)
    networks._reachable.cache_clear()
    yield
    networks._reachable.cache_clear()


def widened(tensors, n_classes):
    """The same network with another number of classes, which is quicker than a new one."""
    kernel = np.random.default_rng(0).normal(size=(n_classes, 512, 1, 1)).astype(np.float32)
    return tensors | {"classifier.1.weight": kernel, "classifier.1.bias": np.zeros(n_classes, np.float32)}


@pytest.fixture(scope="module")
def imagenet_file(tmp_path_factory, untrained):
    path = tmp_path_factory.mktemp("imagenet") / "squeezenet1_1.safetensors"
    save(path, widened(load(untrained), 1000))
    return path


def put(file, home):
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "squeezenet1_1.safetensors").symlink_to(file)


def served_at(monkeypatch, url):
    """As if the published files were at `url`, and the network allowed."""
    monkeypatch.delenv("JAXVISION_OFFLINE")
    entry = WEIGHTS["squeezenet1_1"]
    moved = replace(entry, file=replace(entry.file, url=url))
    monkeypatch.setitem(WEIGHTS, "squeezenet1_1", moved)
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda name: object())  # PyTorch is there


def test_auto_takes_imagenet_where_it_is_at_hand(tmp_path, imagenet_file):
    put(imagenet_file, tmp_path / "home")
    network = load_network("auto")
    assert network.weights == "imagenet"
    assert network.image_size == 224
    assert network.samples == "photographs"
    assert str(tmp_path / "home") in network.note
    assert network.class_names[7] == "class 7"  # the names are neither at hand nor to be had


def test_imagenet_takes_its_class_names_from_the_home(tmp_path, imagenet_file):
    put(imagenet_file, tmp_path / "home")
    names = [f"animal {i}" for i in range(1000)]
    (tmp_path / "home" / "imagenet").mkdir()
    (tmp_path / "home" / "imagenet" / "class_names.json").write_text(json.dumps(names))
    assert load_network("imagenet").class_names == tuple(names)


def test_auto_offline_takes_the_scenes_and_says_why(monkeypatch):
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda name: object())  # PyTorch is there
    network = load_network("auto")
    assert network.weights == "scenes"
    assert network.class_names == SCENE_CLASS_NAMES
    assert network.image_size == 64
    assert "JAXVISION_OFFLINE" in network.note


def test_auto_without_pytorch_says_how_to_get_it(monkeypatch):
    monkeypatch.delenv("JAXVISION_OFFLINE")
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "jaxvision[convert]"' in load_network("auto").note


def test_auto_without_a_server_takes_the_scenes_at_once(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]  # bound and not listening: refused
        served_at(monkeypatch, f"http://127.0.0.1:{port}/squeezenet.pth")
        network = load_network("auto")
    assert network.weights == "scenes"
    assert "does not answer" in network.note


def test_auto_does_not_wait_for_a_silent_server(monkeypatch):
    monkeypatch.setattr(networks, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        served_at(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/squeezenet.pth")
        network = load_network("auto")
        assert network.weights == "scenes"
    for thread in threading.enumerate():  # the question gives up by itself too
        if thread.daemon and thread is not threading.main_thread():
            thread.join(5)


def test_the_server_is_asked_once(monkeypatch):
    asked = []
    monkeypatch.setattr(networks.urllib.request, "urlopen", lambda *_, **__: asked.append(1) or (1 / 0))
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    file = PublishedFile("a/b", "http://127.0.0.1:9/b", "md5:" + 32 * "0", None, "none")
    monkeypatch.delenv("JAXVISION_OFFLINE")
    assert not networks._obtainable(file)
    assert not networks._obtainable(file)
    assert asked == [1]


def test_imagenet_by_name_does_not_fall_back(tmp_path):
    with pytest.raises(InputError, match="JAXVISION_OFFLINE"):
        load_network("imagenet")


def test_scenes_by_name_says_how_to_train_it_where_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(networks, "SCENES", tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"experiments\.train_classifier"):
        load_network("scenes")


@pytest.mark.parametrize("weights", networks.DIGITS)
def test_digits_by_name(weights, monkeypatch, tmp_path):
    network = load_network(weights)
    assert (network.weights, network.samples, network.image_size) == (weights, "digits", 28)
    monkeypatch.setattr(networks, "CHECKPOINTS", tmp_path)
    with pytest.raises(InputError, match=f"lenet_{weights}.safetensors is missing: train the network"):
        load_network(weights)


@pytest.mark.parametrize(("n_classes", "size", "first"), [(64, 64, SCENE_CLASS_NAMES[0]), (10, 224, "class 0")])
def test_a_file_is_recognised_by_its_names_and_counts(tmp_path, untrained, n_classes, size, first):
    path = tmp_path / "own.safetensors"
    save(path, widened(load(untrained), n_classes))
    network = load_network(str(path))
    assert network.name == "SqueezeNet 1.1, own.safetensors"
    assert network.weights == str(path)
    assert (network.image_size, network.class_names[0], len(network.class_names)) == (size, first, n_classes)
    images = jax.random.normal(jax.random.key(3), (2, 24, 24, 3))
    expected, _ = jax.jit(lambda model, x: model(x))(squeezenet1_1(weights=path), images)
    np.testing.assert_allclose(jax.jit(lambda f, x: f(x))(network.logits_fn, images), expected, rtol=1e-6)


def test_lenet_looks_at_the_same_pictures_in_grey(tmp_path):
    model = jax.jit(lambda key: lenet(key=key))(jax.random.key(2))
    save(tmp_path / "digits.safetensors", state_dict(model))
    network = load_network(str(tmp_path / "digits.safetensors"))
    assert network.name == "LeNet, digits.safetensors"
    assert network.class_names == tuple("0123456789")
    assert (network.image_size, network.samples) == (28, "digits")
    grey = jax.random.uniform(jax.random.key(3), (2, 28, 28, 1))
    seen = jax.jit(lambda f, x: f(x))(network.logits_fn, normalize(jnp.repeat(grey, 3, axis=-1)))
    expected, _ = jax.jit(lambda model, x: model(x))(model, grey)
    np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-5)


def test_weights_are_inputs_of_the_program_not_constants(untrained):
    network = load_network(str(untrained))
    sizes = [leaf.size for leaf in jax.tree.leaves(network.logits_fn)]
    assert sum(sizes) > 700_000
    hlo = jax.jit(lambda f, x: f(x)).lower(network.logits_fn, jnp.zeros((1, 64, 64, 3))).as_text()
    assert len(hlo) < 1_000_000


def test_a_score_held_at_zero_by_the_last_relu_can_still_be_climbed(tmp_path, untrained):
    """The values are the network's own; only the gradient ignores the ReLU."""
    tensors = load(untrained)
    dead = tensors["classifier.1.bias"] - np.float32(1e3) * (np.arange(64) == 7)
    save(tmp_path / "dead.safetensors", tensors | {"classifier.1.bias": dead.astype(np.float32)})
    network = load_network(str(tmp_path / "dead.safetensors"))
    images = jax.random.normal(jax.random.key(3), (2, 24, 24, 3))

    @jax.jit
    def look(function, x):
        value, pull_back = jax.vjp(lambda x: function(x)[:, 7], x)
        return function(x), pull_back(jnp.ones_like(value))[0]

    logits, flat = look(network.logits_fn, images)
    climbed, slope = look(network.ascent_fn, images)
    np.testing.assert_allclose(climbed, jax.nn.log_softmax(logits), rtol=1e-5, atol=1e-5)
    assert np.abs(flat).max() == 0
    assert np.abs(slope).max(axis=(1, 2, 3)).min() > 0


def test_imagenet_is_climbed_by_its_logits_as_published(tmp_path, imagenet_file):
    put(imagenet_file, tmp_path / "home")
    network = load_network("imagenet")
    assert network.ascent_fn is network.logits_fn

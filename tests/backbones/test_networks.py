"""The networks against PyTorch on the same weights, and against published accuracies."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import weights
from jaxvision.backbones import lenet, load_state_dict, logits_fn, squeezenet1_1, state_dict, vgg16, vgg19
from jaxvision.backbones.vgg import VGG, adaptive_average_pool
from jaxvision.data import read_image
from jaxvision.errors import InputError
from jaxvision.forms import chunk_size
from jaxvision.pixels import normalize


def check_activations(nets, activations, network, images):
    """Every activation `part.i` is the output of the PyTorch network's `part[i]`."""
    seen, x = 0, nets.to_torch(images)
    for part in ("features", "classifier"):
        for index, layer in enumerate(getattr(network, part)):
            if part == "classifier" and index == 0 and x.ndim == 4 and hasattr(network, "pool"):
                x = network.pool(x).flatten(1)
            x = layer(x)
            if f"{part}.{index}" in activations:
                nets.same(activations[f"{part}.{index}"], x)
                seen += 1
    return seen


@pytest.mark.peers
@pytest.mark.parametrize("side", [(224, 224), (97, 130)], ids=["224", "odd"])
@pytest.mark.parametrize("kind", ["random", "imagenet"])
def test_squeezenet_equals_pytorch(torch_networks, needs, kind, side):
    model = squeezenet1_1(needs("weights/squeezenet1_1.safetensors") if kind == "imagenet" else None)
    from experiments.peers import SqueezeNet  # needs PyTorch

    network = torch_networks.with_weights_of(model, SqueezeNet())
    images = jax.random.normal(jax.random.key(0), (2, *side, 3))
    logits, activations = jax.jit(lambda model, images: model(images))(model, images)
    torch_networks.same(logits, network(torch_networks.to_torch(images)))
    assert check_activations(torch_networks, activations, network, images) == 13 + 2
    for alias, name in {"fire4": "features.6", "pool1": "features.2", "fire9": "features.12"}.items():
        np.testing.assert_array_equal(activations[alias], activations[name])


@pytest.mark.peers
@pytest.mark.parametrize("depths", [(2, 2, 3, 3, 3), (2, 2, 4, 4, 4)], ids=["vgg16", "vgg19"])
def test_vgg_equals_pytorch(torch_networks, depths):
    model = VGG(depths, 10, key=jax.random.key(0))
    network = torch_networks.with_weights_of(model, torch_networks.VGG(depths, 10))
    images = jax.random.normal(jax.random.key(1), (2, 70, 49, 3))
    logits, activations = jax.jit(lambda model, images: model(images))(model, images)
    torch_networks.same(logits, network(torch_networks.to_torch(images)))
    assert check_activations(torch_networks, activations, network, images) == 2 * sum(depths) + 5 + 4
    relu4_2 = {13: "features.20", 16: "features.22"}[sum(depths)]
    np.testing.assert_array_equal(activations["relu4_2"], activations[relu4_2])


@pytest.mark.peers
def test_lenet_equals_pytorch(torch_networks):
    model = lenet(key=jax.random.key(3))
    network = torch_networks.with_weights_of(model, torch_networks.LeNet())
    images = jax.random.uniform(jax.random.key(4), (3, 28, 28, 1))
    torch_networks.same(model(images)[0], network(torch_networks.to_torch(images)))


@pytest.mark.peers
@pytest.mark.parametrize("size", [1, 3, 7])
def test_adaptive_average_pool_equals_pytorch(torch_networks, size):
    x = jax.random.normal(jax.random.key(5), (2, 10, 13, 3))
    torch_networks.same(
        adaptive_average_pool(x, size),
        torch_networks.functional.adaptive_avg_pool2d(torch_networks.to_torch(x), size),
        rtol=1e-6,
    )


def test_published_accuracy(needs):
    """13 of 25 validation photographs right at the first guess, 18 among the first five."""
    model = squeezenet1_1(needs("weights/squeezenet1_1.safetensors"))
    folder = needs("imagenet/images")
    labels = json.loads(needs("imagenet/labels.json").read_text())
    names = [f"val_{i:02d}.png" for i in range(25)]
    images = np.stack([read_image(folder / name) for name in names]).astype(np.float32) / 255
    logits = jax.jit(lambda model, images: model(images)[0])(model, normalize(jnp.asarray(images)))
    ranked = np.argsort(-np.asarray(logits), axis=1)
    right = ranked == np.array([labels[name] for name in names])[:, None]
    assert (right[:, :1].sum(), right[:, :5].sum()) == (13, 18)


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (squeezenet1_1, 1_235_496),
        (vgg16, 138_357_544),
        (vgg19, 143_667_240),
        (lenet, 431_080),
    ],
)
def test_parameter_counts_are_the_published_ones(model, parameters):
    shapes = jax.eval_shape(lambda: model())
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes)) == parameters


@pytest.mark.parametrize("choice", ["on", "off"])
def test_a_batch_is_its_images_one_by_one(filled, monkeypatch, choice):
    monkeypatch.setenv("JAXVISION_ONEDNN", choice)
    model = filled(lambda: squeezenet1_1(num_classes=7))
    images = jax.random.normal(jax.random.key(2), (4, 160, 160, 3))
    assert choice == "on" or 1 < chunk_size(4, 160, 160) < 4  # so that chunks are what is tested here
    run = jax.jit(lambda logits_fn, images: logits_fn(images))
    singles = jnp.concatenate([run(logits_fn(model), image[None]) for image in images])
    np.testing.assert_allclose(run(logits_fn(model), images), singles, rtol=1e-5, atol=1e-5)


def test_one_program_serves_all_weights():
    traces = []

    @jax.jit
    def run(logits_fn, images):
        traces.append(images.shape)
        return logits_fn(images)

    images = jnp.zeros((1, 28, 28, 1))
    one, other = (run(logits_fn(lenet(key=jax.random.key(seed))), images + 1.0) for seed in (0, 1))
    assert len(traces) == 1
    assert not np.allclose(one, other)


def test_weights_come_back_from_a_file(filled, tmp_path):
    model = filled(lambda: squeezenet1_1(num_classes=5))
    weights.save(tmp_path / "net.safetensors", state_dict(model))
    again = squeezenet1_1(tmp_path / "net.safetensors")
    for ours, theirs in zip(jax.tree.leaves(model), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.pop("conv1.bias"), r"there is no conv1\.bias"),
        (lambda t: t.update(extra=np.zeros(1, np.float32)), "has no extra"),
        (lambda t: t.update({"fc1.weight": np.zeros((3, 3), np.float32)}), r"shape \(3, 3\), expected \(500, 800\)"),
        (lambda t: t.update({"fc2.bias": np.full(10, np.nan, np.float32)}), "NaN or infinity"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, sentence):
    tensors = state_dict(lenet())
    change(tensors)
    with pytest.raises(InputError, match=sentence):
        load_state_dict(lenet(), tensors)


def test_weights_of_another_network_are_refused(tmp_path):
    weights.save(tmp_path / "lenet.safetensors", state_dict(lenet()))
    with pytest.raises(InputError, match="not weights of squeezenet1_1"):
        squeezenet1_1(tmp_path / "lenet.safetensors")
    with pytest.raises(InputError, match="10 classes, not num_classes=3"):
        lenet(tmp_path / "lenet.safetensors", num_classes=3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: jax.eval_shape(lambda: squeezenet1_1()(jnp.zeros((1, 1, 1, 3)))), "at least 17 x 17"),
        (lambda: lenet()(jnp.zeros((1, 32, 32, 1))), r"\(N, 28, 28, 1\)"),
        (lambda: lenet("imagenet"), 'no "imagenet" weights'),
    ],
)
def test_images_that_do_not_fit_are_refused(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()

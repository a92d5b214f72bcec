"""Inception-v3 against PyTorch on the same weights, in single and in double precision; names, files, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import weights
from jaxvision.backbones import (
    features_fn,
    inception_v3_fid,
    lenet,
    load_state_dict,
    logits_fn,
    state_dict,
    with_recomputed_blocks,
    with_replicated_edges,
)
from jaxvision.errors import InputError
from jaxvision.pixels import fid_images

POOLS = {"pool64": "MaxPool_1", "pool192": "MaxPool_2", "pool768": "Mixed_6e", "pool2048": "Mixed_7c"}


@pytest.fixture(scope="module")
def model():
    """Random weights, and moments, gains and shifts as a training would leave them: none 0 or 1."""
    rng = np.random.default_rng(0)
    tensors = state_dict(inception_v3_fid(key=jax.random.key(0)))
    for name, array in tensors.items():
        if array.ndim == 1:
            kind = name.rpartition(".")[2]
            low, high = (0.5, 2.0) if kind == "running_var" else (0.7, 1.4) if kind == "weight" else (-0.3, 0.3)
            tensors[name] = rng.uniform(low, high, array.shape).astype(np.float32)
    return load_state_dict(inception_v3_fid(), tensors)


@pytest.fixture(scope="module")
def pictures():
    """Two images of uneven size, coarse enough to have contours."""
    coarse = np.random.default_rng(1).integers(0, 256, (2, 12, 9, 3), np.uint8)
    return coarse.repeat(13, axis=1).repeat(17, axis=2)


@pytest.fixture(scope="module")
def run():
    return jax.jit(lambda model, images: model(images))


@pytest.fixture(scope="module")
def outputs(model, pictures, run):
    return run(model, fid_images(pictures[:1]))


def compare(torch_networks, model, network, images, run, rtol):
    """Logits and every activation beside PyTorch's."""
    theirs, seen = torch_networks.with_weights_of(model, network)(torch_networks.to_torch(images))
    logits, activations = run(model, images)
    torch_networks.same(logits, theirs, rtol)
    for name, value in seen.items():
        torch_networks.same(activations[name], value, rtol)
    for pool, name in POOLS.items():
        torch_networks.same(activations[pool], seen[name].mean(dim=(2, 3)), rtol)
    torch_networks.same(activations["logits_unbiased"], theirs - network.fc.bias.detach(), rtol)
    assert set(activations) == {*seen, *POOLS, "logits_unbiased"}


@pytest.mark.peers
@pytest.mark.parametrize("kind", ["random", "imagenet"])
def test_it_equals_pytorch(torch_networks, needs_weights, model, pictures, run, kind):
    model = model if kind == "random" else inception_v3_fid(needs_weights())
    compare(torch_networks, model, torch_networks.InceptionV3(), fid_images(pictures), run, rtol=2e-5)


@pytest.fixture
def needs_weights(request):
    """Asks for the file only when called, so that random weights are compared everywhere."""
    return lambda: request.getfixturevalue("needs")("weights/inception_v3_fid.safetensors")


@pytest.mark.peers
def test_it_equals_pytorch_in_double_precision(torch_networks, model, pictures, run):
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), model)
        images = jnp.asarray(np.asarray(fid_images(pictures[:1])), jnp.float64)
        compare(torch_networks, double, torch_networks.InceptionV3().double(), images, run, rtol=1e-12)


@pytest.mark.peers
def test_it_equals_torch_fidelity(torch_networks, torch_fidelity, model, pictures, run, tmp_path):
    """From bytes to features, through its own resizing."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    tensors = {name: torch.from_numpy(array) for name, array in state_dict(model).items()}
    torch.save(tensors, tmp_path / "net.pth")
    names = list(FeatureExtractorInceptionV3.get_provided_features_list())
    network = FeatureExtractorInceptionV3("net", names, feature_extractor_weights_path=tmp_path / "net.pth")
    theirs = dict(zip(names, network(torch_networks.to_torch(pictures)), strict=True))
    logits, activations = run(model, fid_images(pictures, resize="legacy"))
    torch_networks.same(logits, theirs["logits"], 2e-5)
    torch_networks.same(activations["logits_unbiased"], theirs["logits_unbiased"], 2e-5)
    for pool in POOLS:
        torch_networks.same(activations[pool], theirs[pool.removeprefix("pool")], 2e-5)


def test_parts_of_the_answer_belong_together(model, outputs):
    logits, activations = outputs
    assert logits.shape == (1, 1008)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(logits - activations["logits_unbiased"], model.layers["fc"].bias[...][None], atol=1e-4)
    for pool, name in POOLS.items():
        assert activations[pool].shape == (1, int(pool.removeprefix("pool")))
        np.testing.assert_allclose(activations[pool], activations[name].mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_a_batch_is_its_images_one_by_one(model, pictures, run, outputs):
    whole = run(model, fid_images(pictures))
    one_by_one = jax.tree.map(lambda *parts: jnp.concatenate(parts), outputs, run(model, fid_images(pictures[1:])))
    for ours, theirs in zip(jax.tree.leaves(whole), jax.tree.leaves(one_by_one), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.slow
def test_recomputed_blocks_have_the_same_gradient(model, pictures):
    @jax.jit
    def gradient(features_fn, images):
        return jax.grad(lambda images: jnp.sum(features_fn(images)["pool2048"] ** 2))(images)

    images = fid_images(pictures[:1])
    plain, again = (gradient(features_fn(m), images) for m in (model, with_recomputed_blocks(model)))
    np.testing.assert_allclose(again, plain, rtol=1e-3, atol=1e-5 * np.abs(plain).max())
    assert np.abs(plain).max() > 0


def test_parameters_are_those_of_the_published_file():
    """21,785,568 in the blocks, 2,065,392 in the last layer, and two running moments for 17,216 channels."""
    model = jax.eval_shape(inception_v3_fid)
    count = sum(np.prod(leaf.shape, dtype=int) for leaf in jax.tree.leaves(model))
    assert count == 21_785_568 + 2_065_392 + 2 * 17_216


def test_names_and_layouts_are_those_of_the_published_file(model):
    tensors = state_dict(model)
    assert len(tensors) == 94 * 5 + 2
    expected = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_1a_3x3.bn.running_mean": (32,),
        "Mixed_5b.branch1x1.bn.weight": (64,),
        "Mixed_6b.branch7x7dbl_2.conv.weight": (128, 128, 7, 1),
        "Mixed_7c.branch3x3dbl_3a.conv.weight": (384, 384, 1, 3),
        "Mixed_7c.branch_pool.bn.running_var": (192,),
        "fc.weight": (1008, 2048),
        "fc.bias": (1008,),
    }
    assert {name: tensors[name].shape for name in expected} == expected


@pytest.mark.peers
def test_names_are_pytorchs(torch_networks, model):
    theirs = {name for name in torch_networks.InceptionV3().state_dict() if "num_batches_tracked" not in name}
    assert set(state_dict(model)) == theirs


def test_weights_come_back_from_a_file_that_also_counts_batches(model, tmp_path):
    tensors = state_dict(model) | {"Conv2d_1a_3x3.bn.num_batches_tracked": np.array(0)}
    weights.save(tmp_path / "net.safetensors", tensors)
    again = inception_v3_fid(tmp_path / "net.safetensors")
    for ours, theirs in zip(jax.tree.leaves(model), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_initial_kernels_are_hes():
    kernel = inception_v3_fid(key=jax.random.key(3)).layers["Mixed_7b.branch3x3dbl_2.conv"].kernel[...]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 448)), rtol=0.01)
    other = inception_v3_fid(key=jax.random.key(4)).layers["Mixed_7b.branch3x3dbl_2.conv"].kernel[...]
    assert not np.array_equal(kernel, other)


def test_weights_of_another_network_are_refused(tmp_path):
    weights.save(tmp_path / "lenet.safetensors", state_dict(lenet()))
    with pytest.raises(InputError, match=r"there is no fc\.bias, so these are not weights of inception_v3_fid"):
        inception_v3_fid(tmp_path / "lenet.safetensors")


@pytest.mark.parametrize("shape", [(1, 224, 224, 3), (1, 299, 299, 1), (2, 299, 300, 3)])
def test_images_that_do_not_fit_are_refused(model, shape):
    with pytest.raises(InputError, match=r"shape \(N, 299, 299, 3\), got .*: bring them to it with pixels\.fid_images"):
        logits_fn(model)(jnp.zeros(shape))


def test_it_has_no_frame_to_replicate(model):
    with pytest.raises(InputError, match="InceptionV3 has no first layer that pads with zeros"):
        with_replicated_edges(model)

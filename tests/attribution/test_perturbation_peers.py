"""What looks at a classifier from outside, against Captum on trained networks."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import occlusion
from jaxvision.backbones import lenet, logits_fn, squeezenet1_1, state_dict

pytestmark = pytest.mark.peers
N = 2


@pytest.fixture(scope="module", params=["LeNet", "SqueezeNet"])
def subject(request):
    """A trained network: (logits_fn, PyTorch's network, images, labels)."""
    pytest.importorskip("captum", reason="extra `peers`: Captum is not installed")
    from experiments import peers, peers_attribution

    if request.param == "LeNet":
        model, shape = lenet(CHECKPOINTS / "lenet_mnist.safetensors"), (N, 28, 28, 1)
        form = peers_attribution.lenet_forms(state_dict(model), compile=False)["eager"]
    else:
        model, shape = squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors"), (N, 64, 64, 3)
        form = peers.forms(state_dict(model), compile=False)["eager"]
    images = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    classifier = logits_fn(model)
    labels = np.asarray(jnp.argmax(classifier(jnp.asarray(images)), axis=1), np.int32)
    return classifier, form.net, images, labels


def in_torch(images):
    import torch

    return torch.tensor(np.moveaxis(np.asarray(images), -1, -3))


def classes(labels):
    import torch

    return torch.tensor(labels.astype(np.int64))


def assert_same(ours, theirs, tolerance=1e-4):
    """Of each image's largest value."""
    ours, theirs = np.asarray(ours), np.moveaxis(theirs.detach().numpy(), 1, -1)
    axes = tuple(range(1, ours.ndim))
    assert (np.abs(ours - theirs).max(axis=axes) / np.abs(theirs).max(axis=axes)).max() < tolerance


@pytest.mark.parametrize("n_channels", [None, 1])
def test_occlusion_is_captums(subject, n_channels):
    """With windows that overlap and are cut at the edge."""
    from captum.attr import Occlusion

    classifier, net, images, labels = subject
    side, n_channels = images.shape[2], n_channels or images.shape[3]
    window, stride = (side // 2 - 1, side // 3, n_channels), (side // 3, side // 4, n_channels)
    theirs = Occlusion(net).attribute(
        in_torch(images),
        target=classes(labels),
        sliding_window_shapes=(window[2], *window[:2]),
        strides=(stride[2], *stride[:2]),
        baselines=0.25,
    )
    assert_same(occlusion(classifier, images, labels, window=window, stride=stride, baseline=0.25), theirs)

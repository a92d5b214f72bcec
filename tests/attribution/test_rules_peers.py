"""Methods that look or rule inside a network, against Captum on the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import (
    alpha_beta_rule,
    deconvnet,
    deep_lift,
    epsilon_rule,
    gamma_rule,
    grad_cam,
    guided_backprop,
    layer_cams,
    lrp,
)
from jaxvision.backbones import lenet, ruled_fn, squeezenet1_1, state_dict

pytestmark = pytest.mark.peers
N = 3


def lenet_of_modules(tensors):
    """LeNet whose every layer is a module used once, as Captum's hooks need it.

    A pool is given a copy: else a ReLU before it takes the gradient from before Captum's rule for pools (0.9.0), and
    the attributions do not add up to the change.
    """
    from torch import nn

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.relu1, self.pool1 = nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2)
            self.conv2, self.relu2, self.pool2 = nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)
            self.fc1, self.relu3, self.fc2 = nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)

        def forward(self, x):
            x = self.pool1(self.relu1(self.conv1(x)).clone())
            x = self.pool2(self.relu2(self.conv2(x)).clone())
            return self.fc2(self.relu3(self.fc1(x.permute(0, 2, 3, 1).flatten(1))))  # counted channels last

    return LeNet()


def squeezenet_of_modules(tensors):
    """SqueezeNet 1.1 whose every layer is a module used once."""
    import torch
    from torch import nn

    class Fire(nn.Module):
        def __init__(self, channels, squeeze, expand):
            super().__init__()
            self.squeeze, self.relu = nn.Conv2d(channels, squeeze, 1), nn.ReLU()
            self.expand1x1, self.relu1x1 = nn.Conv2d(squeeze, expand, 1), nn.ReLU()
            self.expand3x3, self.relu3x3 = nn.Conv2d(squeeze, expand, 3, padding=1), nn.ReLU()

        def forward(self, x):
            x = self.relu(self.squeeze(x))
            return torch.cat([self.relu1x1(self.expand1x1(x)), self.relu3x3(self.expand3x3(x))], 1)

    class SqueezeNet(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            fires = [Fire(64, 16, 64), Fire(128, 16, 64), Fire(128, 32, 128), Fire(256, 32, 128)]
            fires += [Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]
            pools = [nn.MaxPool2d(3, 2, ceil_mode=True) for _ in range(3)]
            start = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU()]
            self.features = nn.Sequential(*start, pools[0], *fires[:2], pools[1], *fires[2:4], pools[2], *fires[4:])
            self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(512, num_classes, 1), nn.ReLU())
            self.mean = nn.AdaptiveAvgPool2d(1)

        def forward(self, x):
            x = self.features[2:](self.features[:2](x).clone())
            return self.mean(self.classifier(x)).flatten(1)

    return SqueezeNet(len(tensors["classifier.1.bias"]))


@pytest.fixture(scope="module", params=["LeNet", "SqueezeNet"])
def subject(request):
    """A trained network in double precision: (our model, PyTorch's network, images, labels)."""
    pytest.importorskip("captum", reason="extra `peers`: Captum is not installed")
    import torch

    if request.param == "LeNet":
        model, shape = lenet(CHECKPOINTS / "lenet_mnist.safetensors"), (N, 28, 28, 1)
        build = lenet_of_modules
    else:
        model, shape = squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors"), (N, 64, 64, 3)
        build = squeezenet_of_modules
    tensors = state_dict(model)
    net = build(tensors)
    net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()})
    images = np.random.default_rng(0).uniform(size=shape)
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: leaf.astype("float64"), model)
        logits = jax.jit(lambda model, x: model(x)[0])(model, jnp.asarray(images))
        net = net.eval().double()
        np.testing.assert_allclose(net(in_torch(images)).detach(), logits, rtol=1e-8, atol=1e-8)
        yield model, net, images, np.asarray(jnp.argmax(logits, axis=1), np.int32)


def in_torch(images):
    import torch

    return torch.tensor(np.moveaxis(np.asarray(images), -1, -3)).requires_grad_()


def classes(labels):
    import torch

    return torch.tensor(labels.astype(np.int64))


def assert_same(ours, theirs):
    """To 1e-4 of the norm of each image's map, and of its largest value."""
    ours, theirs = np.asarray(ours).reshape(N, -1), np.moveaxis(theirs.detach().numpy(), 1, -1).reshape(N, -1)
    assert np.linalg.norm(theirs, axis=1).min() > 0
    assert (np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)).max() < 1e-4
    assert (np.abs(ours - theirs).max(axis=1) / np.abs(theirs).max(axis=1)).max() < 1e-4


@pytest.mark.parametrize(
    ("method", "name"), [(guided_backprop, "GuidedBackprop"), (deconvnet, "Deconvolution")], ids=["guided", "deconvnet"]
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
def test_guided_backprop_and_deconvnet_are_captums(subject, method, name):
    import captum.attr

    model, net, images, labels = subject
    theirs = getattr(captum.attr, name)(net).attribute(in_torch(images), target=classes(labels))
    assert_same(method(ruled_fn(model), images, labels), theirs)


def test_grad_cam_of_every_layer_is_captums(subject):
    from captum.attr import LayerGradCam

    model, net, images, labels = subject
    is_lenet = hasattr(net, "conv1")
    layers = {"relu1": "relu1", "pool2": "pool2"} if is_lenet else {"features.1": "features.1", "fire5": "features.7"}
    layers |= {} if is_lenet else {"relu10": "classifier.2"}
    ours = layer_cams(model, images, labels, layers=list(layers), cam=grad_cam)
    for layer, module in layers.items():
        cam = LayerGradCam(net, net.get_submodule(module))
        theirs = cam.attribute(in_torch(images), target=classes(labels), relu_attributions=True)
        assert_same(ours[layer], theirs)


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_deep_lift_is_captums_where_windows_add_up(subject, monkeypatch):
    """Captum writes what two overlapping windows give to one pixel over each other; here it adds them."""
    import torch
    from captum.attr import DeepLift

    def adding(values, indices, kernel_size, stride, padding, size):
        flat = torch.zeros(size, dtype=values.dtype).flatten(2)
        return flat.scatter_add(2, indices.flatten(2), values.flatten(2)).view(size)

    monkeypatch.setattr(torch.nn.functional, "max_unpool2d", adding)

    model, net, images, labels = subject
    baseline = np.random.default_rng(1).uniform(size=images.shape)
    theirs = DeepLift(net).attribute(in_torch(images), baselines=in_torch(baseline), target=classes(labels))
    assert_same(deep_lift(ruled_fn(model), images, labels, baseline=baseline).attributions, theirs)


def test_relevance_propagation_is_captums(subject):
    from captum.attr import LRP
    from captum.attr._utils import lrp_rules

    model, net, images, labels = subject
    kinds = ("Conv2d", "Linear", "AdaptiveAvgPool2d")
    for ours, theirs in [
        (epsilon_rule(), lrp_rules.EpsilonRule),
        (epsilon_rule(0.1), lambda: lrp_rules.EpsilonRule(0.1)),
        (alpha_beta_rule(1.0, 0.0, has_bias=False), lambda: lrp_rules.Alpha1_Beta0_Rule(set_bias_to_zero=True)),
        (gamma_rule(0.25, has_bias=False), lambda: lrp_rules.GammaRule(0.25, set_bias_to_zero=True)),
    ]:
        for module in net.modules():
            if type(module).__name__ in kinds:
                module.rule = theirs()
        expected = LRP(net).attribute(in_torch(images), target=classes(labels))
        assert_same(lrp(ruled_fn(model), images, labels, rule=ours), expected)

"""Every method against Captum, or against a loop of PyTorch's on the same random numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import (
    expected_gradients,
    input_x_gradient,
    integrated_gradients,
    saliency_map,
    smoothgrad,
    vargrad,
)
from jaxvision.attribution.expected_gradients import draw
from jaxvision.attribution.smoothgrad import noisy
from jaxvision.backbones import lenet, logits_fn, squeezenet1_1, state_dict
from jaxvision.pixels import example_keys

pytestmark = pytest.mark.peers
KEY = jax.random.key(7)
N = 3


@pytest.fixture(scope="module", params=["LeNet", "SqueezeNet"])
def subject(request):
    """A trained network in double precision: (logits_fn, PyTorch's network, images, labels).

    Rounding may send a gradient through another member of a pooling window; in double precision it seldom does.
    """
    pytest.importorskip("captum", reason="extra `peers`: Captum is not installed")
    from experiments import peers, peers_attribution

    if request.param == "LeNet":
        model, shape = lenet(CHECKPOINTS / "lenet_mnist.safetensors"), (N, 28, 28, 1)
        form = peers_attribution.lenet_forms(state_dict(model), compile=False)["eager"]
    else:
        model, shape = squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors"), (N, 64, 64, 3)
        form = peers.forms(state_dict(model), compile=False)["eager"]
    images = np.random.default_rng(0).uniform(size=shape)
    with jax.enable_x64(True):
        classifier = logits_fn(jax.tree.map(lambda leaf: leaf.astype("float64"), model))
        labels = np.asarray(jnp.argmax(classifier(jnp.asarray(images)), axis=1), np.int32)
        yield classifier, form.net.double(), images, labels


def in_torch(images):
    import torch

    return torch.tensor(np.moveaxis(np.asarray(images), -1, -3))


def assert_same(ours, theirs):
    """To 1e-4 of the norm of each image's map, and of its largest value."""
    ours, theirs = np.asarray(ours), np.moveaxis(theirs.detach().numpy(), 1, -1)
    axes = tuple(range(1, ours.ndim))
    norm = np.linalg.norm((ours - theirs).reshape(N, -1), axis=1) / np.linalg.norm(theirs.reshape(N, -1), axis=1)
    assert norm.max() < 1e-4
    assert (np.abs(ours - theirs).max(axis=axes) / np.abs(theirs).max(axis=axes)).max() < 1e-4


def classes(labels):
    import torch

    return torch.tensor(labels.astype(np.int64))


def gradient(net, x, labels):
    """The derivative of each image's class score, by autograd."""
    import torch

    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(net(x).gather(1, classes(labels)[:, None]).sum(), x)[0]


def test_saliency_and_input_times_gradient_are_captums(subject):
    from captum.attr import InputXGradient, Saliency

    classifier, net, images, labels = subject
    theirs = Saliency(net).attribute(in_torch(images).requires_grad_(), target=classes(labels)).amax(1, keepdim=True)
    assert_same(saliency_map(classifier, images, labels)[..., None], theirs)
    theirs = InputXGradient(net).attribute(in_torch(images).requires_grad_(), target=classes(labels))
    assert_same(input_x_gradient(classifier, images, labels), theirs)


@pytest.mark.parametrize("n_steps", [1, 7, 50])
def test_integrated_gradients_are_captums(subject, n_steps):
    from captum.attr import IntegratedGradients

    classifier, net, images, labels = subject
    baseline = np.random.default_rng(1).uniform(size=images.shape)
    theirs, delta = IntegratedGradients(net).attribute(
        in_torch(images),
        baselines=in_torch(baseline),
        target=classes(labels),
        n_steps=n_steps,
        method="gausslegendre",
        return_convergence_delta=True,
    )
    ours = integrated_gradients(classifier, images, labels, baseline=baseline, n_steps=n_steps)
    assert_same(ours.attributions, theirs)
    largest = theirs.detach().abs().flatten(1).sum(1).max().item()  # of sums that cancel
    np.testing.assert_allclose(ours.delta, delta.detach().numpy(), atol=1e-4 * largest)


@pytest.mark.parametrize(("method", "name"), [(smoothgrad, "smoothgrad"), (vargrad, "vargrad")])
def test_smoothgrad_and_vargrad_are_captums_on_the_same_noise(subject, method, name):
    from captum.attr import Saliency

    from experiments.peers_attribution import GivenNoise

    classifier, net, images, labels = subject
    copies = jnp.stack([noisy(jnp.asarray(images), example_keys(KEY, N), 0.1, k) for k in range(7)])
    tunnel = GivenNoise(Saliency(net), in_torch(copies) - in_torch(images))
    theirs = tunnel.attribute(
        in_torch(images),
        target=classes(labels),
        abs=False,
        nt_type=name,
        nt_samples=7,
        nt_samples_batch_size=3,
        stdevs=0.0,
    )
    assert_same(method(classifier, images, labels, key=KEY, noise=0.1, n_samples=7), theirs)


def test_expected_gradients_are_a_loops_on_the_same_samples(subject):
    classifier, net, images, labels = subject
    baselines = np.random.default_rng(2).uniform(size=(4, *images.shape[1:]))
    ours = expected_gradients(classifier, images, labels, baselines, key=KEY, n_samples=7)
    x, theirs = in_torch(images), 0
    for k in range(7):
        chosen, alphas = draw(example_keys(KEY, N), k, 4, jnp.float64)
        way = x - in_torch(baselines[np.asarray(chosen)])
        share = in_torch(np.asarray(alphas).reshape(N, 1, 1, 1))
        theirs = theirs + way * gradient(net, x - (1 - share) * way, labels) / 7
    assert_same(ours, theirs)

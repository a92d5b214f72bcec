"""Infidelity and max-sensitivity against Captum's, on the same perturbations of a trained network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import saliency_map
from jaxvision.attribution.gradients import logit_gradient
from jaxvision.backbones import lenet, logits_fn, state_dict
from jaxvision.metrics.faithfulness import NoisyBaseline, SquareRemoval, infidelity, max_sensitivity
from jaxvision.metrics.faithfulness.infidelity import perturbations
from jaxvision.metrics.faithfulness.max_sensitivity import shaken
from jaxvision.pixels import example_keys

pytestmark = pytest.mark.peers
KEY, N, N_SAMPLES = jax.random.key(7), 3, 8


@pytest.fixture(scope="module")
def subject():
    """LeNet: (logits_fn, PyTorch's network, images, labels)."""
    pytest.importorskip("captum", reason="extra `peers`: Captum is not installed")
    from experiments import peers_attribution

    model = lenet(CHECKPOINTS / "lenet_mnist.safetensors")
    net = peers_attribution.lenet_forms(state_dict(model), compile=False)["eager"].net
    images = jax.random.uniform(jax.random.key(0), (N, 28, 28, 1))
    classifier = logits_fn(model)
    return classifier, net, images, jnp.argmax(classifier(images), axis=1)


def in_torch(images):
    import torch

    return torch.tensor(np.moveaxis(np.asarray(images), -1, -3))


def repeated(samples):
    """`(K, N, H, W, C)` as Captum asks for them: all of the first image, then all of the second."""
    return in_torch(np.moveaxis(np.asarray(samples), 0, 1).reshape(-1, *samples.shape[2:]))


def classes(labels):
    import torch

    return torch.tensor(np.asarray(labels, np.int64))


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("perturb", [NoisyBaseline(0.2), SquareRemoval(9)])
def test_infidelity_is_captums(subject, perturb, normalize):
    from captum.metrics import infidelity as captums

    classifier, net, images, labels = subject
    attributions = logit_gradient(classifier, images, labels)
    taken = jnp.stack([perturbations(perturb, example_keys(KEY, N), images, k) for k in range(N_SAMPLES)])
    theirs = captums(
        net,
        lambda inputs: (repeated(taken), inputs - repeated(taken)),
        in_torch(images),
        in_torch(attributions),
        target=classes(labels),
        n_perturb_samples=N_SAMPLES,
        normalize=normalize,
    )
    ours = infidelity(
        classifier,
        images,
        labels,
        attributions,
        key=KEY,
        perturb=perturb,
        n_samples=N_SAMPLES,
        normalize=normalize,
    )
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4)


def test_max_sensitivity_is_captums(subject):
    from captum.attr import Saliency
    from captum.metrics import sensitivity_max

    classifier, net, images, labels = subject
    copies = jnp.stack([shaken(images, example_keys(KEY, N), 0.05, k) for k in range(N_SAMPLES)])

    def explain(inputs, target):
        (inputs,) = inputs if isinstance(inputs, tuple) else (inputs,)
        return (Saliency(net).attribute(inputs.requires_grad_(), target=target),)

    theirs = sensitivity_max(
        explain,
        in_torch(images),
        perturb_func=lambda inputs: repeated(copies),
        n_perturb_samples=N_SAMPLES,
        target=classes(labels),
    )
    attribute = jax.tree_util.Partial(saliency_map, classifier)
    ours = max_sensitivity(attribute, images, labels, key=KEY, radius=0.05, n_samples=N_SAMPLES)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-3)

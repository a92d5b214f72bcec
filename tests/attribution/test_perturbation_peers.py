"""What looks at a classifier from outside, against Captum on trained networks."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.networks import CHECKPOINTS
from jaxvision.attribution import expected_gradients, kernel_shap, lime, occlusion, patches
from jaxvision.attribution.expected_gradients import draw
from jaxvision.attribution.kernel_shap import coalition
from jaxvision.attribution.lime import coin_flips, proximity
from jaxvision.backbones import lenet, logits_fn, squeezenet1_1, state_dict
from jaxvision.pixels import example_keys, target_logit

pytestmark = pytest.mark.peers
N, N_SAMPLES, KEY = 2, 100, jax.random.key(7)


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


def given(samples):
    """One after the other, as Captum asks for them."""
    import torch

    def generate(original, **settings):
        for z in np.asarray(samples):
            yield torch.tensor(z[None].astype(np.int64))

    return generate


def segments_in_torch(segments):
    import torch

    return torch.tensor(segments[None, None].astype(np.int64))


def test_kernel_shap_is_captums_on_the_same_coalitions(subject):
    from captum.attr import KernelShap

    classifier, net, images, labels = subject
    segments = patches(*images.shape[1:3], images.shape[1] // 4)
    drawn = jax.vmap(lambda k: coalition(example_keys(KEY, N), k, 16), out_axes=1)(jnp.arange(N_SAMPLES))
    ours = kernel_shap(classifier, images, labels, segments, key=KEY, n_samples=N_SAMPLES, baseline=0.5).values
    for i in range(N):
        method = KernelShap(net)
        method.perturb_func = given(np.concatenate([np.ones((1, 16)), np.zeros((1, 16)), drawn[i]]))
        theirs = method.attribute(
            in_torch(images[i : i + 1]),
            baselines=0.5,
            target=int(labels[i]),
            feature_mask=segments_in_torch(segments),
            n_samples=N_SAMPLES + 2,
            return_input_shape=False,
        ).numpy()[0]
        assert spearmanr(ours[i], theirs).statistic > 0.999
        np.testing.assert_allclose(ours[i], theirs, atol=0.01 * np.abs(theirs).max())  # their constraint is a weight


def test_lime_is_captums_on_the_same_samples(subject):
    import torch
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    def similarity(original, perturbed, z, **settings):
        return torch.tensor(np.asarray(proximity(jnp.asarray(z.numpy(), jnp.float32), 0.25)))

    classifier, net, images, labels = subject
    segments = patches(*images.shape[1:3], images.shape[1] // 4)
    drawn = jax.vmap(lambda k: coin_flips(example_keys(KEY, N), k, 16), out_axes=1)(jnp.arange(N_SAMPLES))
    settings = {"n_samples": N_SAMPLES, "baseline": 0.5, "score": target_logit}
    ours = lime(classifier, images, labels, segments, key=KEY, **settings).values
    for i in range(N):
        method = Lime(net, SkLearnRidge(alpha=1.0), similarity_func=similarity, perturb_func=given(drawn[i]))
        theirs = method.attribute(
            in_torch(images[i : i + 1]),
            baselines=0.5,
            target=int(labels[i]),
            feature_mask=segments_in_torch(segments),
            n_samples=N_SAMPLES,
            return_input_shape=False,
        ).numpy()[0]
        assert spearmanr(ours[i], theirs).statistic > 0.999
        np.testing.assert_allclose(ours[i], theirs, atol=1e-3 * np.abs(theirs).max())


def test_expected_gradients_are_captums_from_the_same_baselines_at_the_same_points(subject, monkeypatch):
    """Captum draws baselines and shares by NumPy, of each image all samples one after the other; it is given ours."""
    from captum.attr import GradientShap

    classifier, net, images, labels = subject
    baselines = np.random.default_rng(1).uniform(size=(5, *images.shape[1:]))
    # In float32 one of so many points may lie so near to a ReLU's zero that rounding chooses the side.
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), classifier)
        ours = expected_gradients(wide, images.astype(float), labels, baselines, key=KEY, n_samples=N_SAMPLES)
        every = jax.vmap(lambda k: draw(example_keys(KEY, N), k, len(baselines), jnp.float64), out_axes=1)
        chosen, alphas = (np.asarray(x).ravel() for x in every(jnp.arange(N_SAMPLES)))
    monkeypatch.setattr(np.random, "choice", lambda n, size: chosen.reshape(size))
    monkeypatch.setattr(np.random, "uniform", lambda low, high, size: alphas.reshape(size))
    theirs = GradientShap(copy.deepcopy(net).double()).attribute(
        in_torch(images.astype(float)), in_torch(baselines), n_samples=N_SAMPLES, stdevs=0.0, target=classes(labels)
    )
    assert spearmanr(np.moveaxis(np.asarray(ours), -1, 1).ravel(), theirs.detach().numpy().ravel()).statistic > 0.999
    assert_same(ours, theirs, tolerance=1e-9)

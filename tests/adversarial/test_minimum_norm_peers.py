"""The attacks that look for the smallest perturbation beside Foolbox's, on 64 digits and the project's LeNet."""

import importlib
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmark_attacks import LENET
from jaxvision.adversarial import L1, L2, LINF, carlini_wagner, ddn, ead, fmn, l2_size
from jaxvision.backbones import lenet, logits_fn, state_dict
from jaxvision.data import mnist

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def package():
    """`package(name)` imports Foolbox or torchattacks, or skips: no extra brings them."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")

    def load(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return importlib.import_module(name)
            except ImportError:
                pytest.skip(f"{name} is not installed: pip install --no-deps {name}")

    return load


@pytest.fixture(scope="module")
def classifier():
    return logits_fn(lenet(LENET))


@pytest.fixture(scope="module")
def net(package):
    from experiments import peers_attacks

    return peers_attacks.lenet(state_dict(lenet(LENET)))


@pytest.fixture
def digits(needs):
    for part in ("images-idx3", "labels-idx1"):
        needs(f"mnist/t10k-{part}-ubyte.gz")
    images, labels = (x[:64] for x in mnist("test"))
    return jnp.asarray(images, jnp.float32) / 255, jnp.asarray(labels, jnp.int32)


def sizes_of_foolbox(package, attack, net, digits, size):
    """Infinity where it found nothing: Foolbox then returns the image, or zeros."""
    import torch

    foolbox = package("foolbox")
    images, labels = digits
    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous()
    classes = torch.from_numpy(np.array(labels, int))
    model = foolbox.PyTorchModel(net, bounds=(0, 1))
    found = attack.run(model, x, foolbox.criteria.Misclassification(classes))
    predicted = net(found).argmax(1).numpy()
    success = (predicted != np.asarray(labels)) & (found.flatten(1).abs().amax(1).numpy() > 0)
    return np.where(success, size(jnp.asarray(found.permute(0, 2, 3, 1).numpy()) - images), np.inf)


def assert_at_most(result, theirs):
    """As many successes, and a median that is not larger."""
    ours = np.where(result.success, result.size, np.inf)
    assert np.isfinite(ours).sum() >= np.isfinite(theirs).sum()
    assert np.median(ours) <= np.median(theirs) * (1 + 1e-5)
    assert 0 < np.median(ours) < np.inf


def test_carlini_wagner_is_as_near_as_foolboxs(package, classifier, net, digits):
    attack = package("foolbox").attacks.L2CarliniWagnerAttack(binary_search_steps=9, steps=50, stepsize=0.1)
    ours = carlini_wagner(classifier, *digits, n_searches=9, n_steps=50, learning_rate=0.1)
    assert_at_most(ours, sizes_of_foolbox(package, attack, net, digits, l2_size))


def test_ddn_is_as_near_as_foolboxs(package, classifier, net, digits):
    attack = package("foolbox").attacks.DDNAttack(steps=50)
    assert_at_most(ddn(classifier, *digits, n_steps=50), sizes_of_foolbox(package, attack, net, digits, l2_size))


@pytest.mark.parametrize(("norm", "name"), [(LINF, "LInf"), (L2, "L2"), (L1, "L1")], ids=["linf", "l2", "l1"])
def test_fmn_is_as_near_as_foolboxs(package, classifier, net, digits, norm, name):
    attack = getattr(package("foolbox").attacks, f"{name}FMNAttack")(steps=50)
    theirs = sizes_of_foolbox(package, attack, net, digits, norm.size)
    assert_at_most(fmn(classifier, *digits, norm=norm, n_steps=50), theirs)


def test_ead_is_as_near_as_foolboxs(package, classifier, net, digits):
    few = tuple(x[:32] for x in digits)
    settings = {"initial_stepsize": 0.05, "initial_const": 1.0, "regularization": 0.01, "decision_rule": "L1"}
    attack = package("foolbox").attacks.EADAttack(binary_search_steps=4, steps=25, **settings)
    ours = ead(classifier, *few, n_searches=4, n_steps=25, step_size=0.05, initial_weight=1.0)
    assert_at_most(ours, sizes_of_foolbox(package, attack, net, few, L1.size))

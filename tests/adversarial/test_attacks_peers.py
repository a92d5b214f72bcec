"""The attacks beside Foolbox and torchattacks, on the LeNet that comes with the project."""

import importlib
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmark_attacks import LENET
from jaxvision.adversarial import L1, L2, LINF, deepfool, fgsm, pgd
from jaxvision.backbones import lenet, logits_fn, state_dict
from jaxvision.data import mnist

pytestmark = pytest.mark.peers
KEY = jax.random.key(0)
WIDE = (-10.0, 10.0)  # bounds that no image reaches: within narrower ones our projections are nearer, see `test_norms`


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


@pytest.fixture(scope="module")
def pictures(classifier):
    """Noise and what the network takes it for."""
    images = jax.random.uniform(KEY, (8, 28, 28, 1))
    return images, classifier(images).argmax(axis=1)


def tensors(images, labels):
    import torch

    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(np.array(labels, int))


def run(package, attack, net, images, labels, *, start=None, bounds=(0, 1), **settings):
    """A Foolbox attack from a given start, NHWC."""
    foolbox = package("foolbox")
    x, classes = tensors(images, labels)
    if start is not None:
        attack.get_random_start = lambda x0, epsilon: type(x0)(tensors(start, labels)[0])
    model = foolbox.PyTorchModel(net, bounds=bounds)
    return attack.run(model, x, foolbox.criteria.Misclassification(classes), **settings).permute(0, 2, 3, 1).numpy()


def assert_nearly_all_equal(ours, theirs, share=0.002):
    """But for values whose gradient's sign is decided by rounding."""
    assert np.mean(np.abs(np.asarray(ours) - theirs) > 1e-4) <= share


def test_fgsm_is_foolboxs(package, classifier, net, pictures):
    theirs = run(package, package("foolbox").attacks.FGSM(), net, *pictures, epsilon=0.1)
    assert_nearly_all_equal(fgsm(classifier, *pictures, eps=0.1).images, theirs)


@pytest.mark.parametrize(("norm", "eps", "name"), [(LINF, 0.05, "LinfPGD"), (L2, 1.0, "L2PGD")], ids=["linf", "l2"])
def test_pgd_from_the_same_start_is_foolboxs(package, classifier, net, pictures, norm, eps, name):
    attack = getattr(package("foolbox").attacks, name)(abs_stepsize=eps / 4, steps=10, random_start=True)
    settings = {"eps": eps, "step_size": eps / 4, "norm": norm, "bounds": WIDE, "key": KEY, "keep_best": False}
    start = pgd(classifier, *pictures, n_steps=0, **settings).images
    theirs = run(package, attack, net, *pictures, start=start, bounds=WIDE, epsilon=eps)
    ours = pgd(classifier, *pictures, n_steps=10, **settings)
    assert_nearly_all_equal(ours.images, theirs)
    assert np.abs(theirs - start).max() > 1e-3
    predicted = net(tensors(theirs, pictures[1])[0]).argmax(1).numpy()
    np.testing.assert_array_equal(ours.success, predicted != np.asarray(pictures[1]))


def test_sparse_steps_and_their_projection_are_foolboxs(package, classifier, net, pictures):
    """Three steps, one image at a time: in a batch Foolbox (3.3.4) also lengthens what is in the ball already, and
    after five steps its images are up to 0.4 % beyond the ball."""
    attack = package("foolbox").attacks.SparseL1DescentAttack(abs_stepsize=1.25, steps=3, random_start=True)
    settings = {"eps": 5.0, "step_size": 1.25, "norm": L1, "bounds": WIDE, "key": KEY, "keep_best": False}
    start = pgd(classifier, *pictures, n_steps=0, **settings).images
    ours = pgd(classifier, *pictures, n_steps=3, **settings)
    np.testing.assert_allclose(ours.size, np.full(8, 5.0), rtol=1e-5)
    for i in range(8):
        image, label, begin = (x[i : i + 1] for x in (*pictures, start))
        theirs = run(package, attack, net, image, label, start=begin, bounds=WIDE, epsilon=5.0)
        np.testing.assert_allclose(ours.images[i], theirs[0], atol=1e-4)


def test_momentum_is_torchattacks(package, classifier, net, pictures):
    attack = package("torchattacks").MIFGSM(net, eps=0.05, alpha=0.005, steps=10, decay=1.0)
    theirs = attack(*tensors(*pictures)).permute(0, 2, 3, 1).numpy()
    settings = {"eps": 0.05, "step_size": 0.005, "n_steps": 10, "random_start": False, "keep_best": False}
    assert_nearly_all_equal(pgd(classifier, *pictures, momentum=1.0, **settings).images, theirs)


def test_deepfool_is_foolboxs(package, classifier, net, pictures):
    attack = package("foolbox").attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02, loss="logits")
    ours = deepfool(classifier, pictures[0])
    np.testing.assert_allclose(ours.images, run(package, attack, net, *pictures), atol=1e-4)
    assert ours.success.all()


@pytest.mark.slow
def test_robust_accuracy_on_digits_is_at_most_foolboxs(package, classifier, net, needs):
    """Of 512 test digits, 40 steps from the same starts: within 0.3 points, or below."""
    for part in ("images-idx3", "labels-idx1"):
        needs(f"mnist/t10k-{part}-ubyte.gz")
    images, labels = (x[:512] for x in mnist("test"))
    images = jnp.asarray(images, jnp.float32) / 255
    found = []
    for eps in (0.05, 0.1, 0.2, 0.3):
        attack = package("foolbox").attacks.LinfPGD(abs_stepsize=2.5 * eps / 40, steps=40, random_start=True)
        start = pgd(classifier, images, labels, eps=eps, n_steps=0, key=KEY, keep_best=False).images
        theirs = run(package, attack, net, images, labels, start=start, epsilon=eps)
        predicted = net(tensors(theirs, labels)[0]).argmax(1).numpy()
        found.append(
            (1 - pgd(classifier, images, labels, eps=eps, key=KEY).success.mean(), np.mean(predicted == labels))
        )
    ours, theirs = np.array(found).T
    assert (ours <= theirs + 0.003).all()
    assert ours[0] > 0.5  # so that there is something to compare
    assert ours[-1] < 0.05

"""Auto-PGD, FAB, Square and AutoAttack beside torchattacks, on the LeNet that comes with the project."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmark_attacks import LENET
from jaxvision.adversarial import L2, LINF, apgd, apgd_targeted, autoattack, cross_entropy_loss, dlr_loss, fab, square
from jaxvision.backbones import lenet, logits_fn, state_dict
from jaxvision.data import mnist

pytestmark = pytest.mark.peers
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def torchattacks():
    """Skips where it is missing: no extra brings it."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torchattacks", reason="pip install --no-deps torchattacks")


@pytest.fixture(scope="module")
def classifier():
    return logits_fn(lenet(LENET))


@pytest.fixture(scope="module")
def net(torchattacks):
    from experiments import peers_attacks

    return peers_attacks.lenet(state_dict(lenet(LENET)))


@pytest.fixture
def digits(needs):
    """The first test digits of MNIST."""
    for part in ("images-idx3", "labels-idx1"):
        needs(f"mnist/t10k-{part}-ubyte.gz")
    images, labels = (x[:64] for x in mnist("test"))
    return jnp.asarray(images, jnp.float32) / 255, jnp.asarray(labels, jnp.int32)


@pytest.fixture(scope="module")
def pictures(classifier):
    """Noise below a black row, and what the network takes it for."""
    images = jax.random.uniform(KEY, (8, 28, 28, 1)).at[:, 0].set(0.0)
    return images, classifier(images).argmax(axis=1)


def tensors(images, labels):
    import torch

    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(np.array(labels, int))


@pytest.mark.parametrize(("name", "loss"), [("ce", cross_entropy_loss), ("dlr", dlr_loss)])
def test_apgd_from_the_same_start_is_torchattacks(torchattacks, classifier, net, pictures, name, loss, monkeypatch):
    """The highest loss where neither fools, after steps with four checkpoints. Their start is stretched until its
    largest value is eps: a black pixel that is to be darkened, which the bounds undo, makes that no change."""
    import torch

    eps, n_steps = 0.02, 24
    settings = {"eps": eps, "key": KEY, "loss": loss}
    start = apgd(classifier, *pictures, n_steps=0, **settings).images
    drawn = np.array((start - pictures[0]) / eps).reshape(8, -1)
    for row in drawn:
        row[np.flatnonzero(row[:28] == 0)[0]] = -1
    uniform = torch.from_numpy((drawn.reshape(8, 1, 28, 28) + 1) / 2)
    monkeypatch.setattr(torch, "rand", lambda shape: uniform)
    x, y = tensors(*pictures)
    _, unfooled, theirs, _ = torchattacks.APGD(net, eps=eps, steps=n_steps, loss=name).attack_single_run(x, y)
    ours = apgd(classifier, *pictures, n_steps=n_steps, **settings)
    np.testing.assert_array_equal(ours.success, ~unfooled.bool().numpy())
    robust = ~np.asarray(ours.success)
    assert robust.sum() >= 3
    begun = apgd(classifier, *pictures, n_steps=0, **settings).loss
    climbed = (ours.loss - begun)[robust]
    np.testing.assert_allclose(climbed, theirs.numpy()[robust] - np.asarray(begun)[robust], rtol=0.02)


@pytest.mark.parametrize(("norm", "name"), [(LINF, "Linf"), (L2, "L2")], ids=["linf", "l2"])
def test_fab_is_torchattacks(torchattacks, classifier, net, pictures, norm, name):
    attack = torchattacks.FAB(net, norm=name, steps=10, multi_targeted=True, n_classes=10)
    attack.target_class = 2  # the likeliest other one
    theirs = attack.attack_single_run_targeted(*tensors(*pictures)).permute(0, 2, 3, 1).numpy()
    ours = fab(classifier, *pictures, norm=norm, n_target_classes=1, n_steps=10)
    assert ours.success.all()
    np.testing.assert_allclose(ours.size, norm.size(jnp.asarray(theirs) - pictures[0]), rtol=0.01)


# Digits of 64 that ours left right beside theirs, at 0.1, with the seeds 0 to 4 on both sides:
#   apgd 3 4 3 3 3 beside 4 4 4 4 3, apgd_targeted 8 6 7 7 6 beside 6 6 6 7 4,
#   square 44 39 42 40 40 beside 39 40 38 42 40, autoattack 6 4 6 5 5 beside 4 4 5 5 5.
# Allowed is what the worst of these seeds had; one digit for rounding on another machine where none had any.
SLACK = {"apgd": 1, "apgd_targeted": 2, "square": 5, "autoattack": 2}


@pytest.mark.slow
def test_robust_accuracy_on_digits_is_about_torchattacks(torchattacks, classifier, net, digits):
    """At the same number of steps and queries, from other starts: as far apart as other seeds are, or below."""
    from experiments.peers_strength import shortened

    x, y = tensors(*digits)

    def theirs(attack):
        return int(np.sum(net(attack(x, y)).argmax(1).numpy() == np.asarray(digits[1])))

    settings = {"eps": 0.1, "key": KEY}
    found = {
        "apgd": (
            apgd(classifier, *digits, n_steps=50, **settings),
            torchattacks.APGD(net, eps=0.1, steps=50, seed=0),
        ),
        "apgd_targeted": (
            apgd_targeted(classifier, *digits, n_steps=10, **settings),
            torchattacks.APGDT(net, eps=0.1, steps=10, seed=0),
        ),
        "square": (
            square(classifier, *digits, n_steps=300, **settings),
            torchattacks.Square(net, eps=0.1, n_queries=300, seed=0),
        ),
        "autoattack": (
            autoattack(classifier, *digits, n_steps=10, n_queries=300, **settings),
            shortened(torchattacks.AutoAttack(net, eps=0.1, seed=0), n_steps=10, n_queries=300),
        ),
    }
    right = {name: (int(np.sum(~ours.success)), theirs(attack)) for name, (ours, attack) in found.items()}
    assert all(ours <= other + SLACK[name] for name, (ours, other) in right.items()), right
    parts = right["apgd_targeted"][0], right["square"][0]  # at the same number of steps
    assert right["autoattack"][0] <= min(parts)
    assert right["autoattack"][0] < 0.2 * 64  # of 63 digits in 64 that are classified rightly

"""Settings of `pgd` for attacks that carry over, beside torchattacks, on the LeNet that comes with the project."""

import importlib
import warnings

import jax
import numpy as np
import pytest

from experiments.benchmark_attacks import LENET
from jaxvision.adversarial import pgd
from jaxvision.backbones import lenet, logits_fn, state_dict

pytestmark = pytest.mark.peers


def test_nesterov_is_torchattacks():
    torch = pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torchattacks = importlib.import_module("torchattacks")
        except ImportError:
            pytest.skip("torchattacks is not installed: pip install --no-deps torchattacks")
    from experiments import peers_attacks

    model = lenet(LENET)
    images = jax.random.uniform(jax.random.key(0), (8, 28, 28, 1))
    labels = logits_fn(model)(images).argmax(axis=1)
    attack = torchattacks.NIFGSM(peers_attacks.lenet(state_dict(model)), eps=0.05, alpha=0.005, steps=10, decay=1.0)
    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).contiguous()
    theirs = attack(x, torch.from_numpy(np.array(labels, int))).permute(0, 2, 3, 1).numpy()
    settings = {"eps": 0.05, "step_size": 0.005, "n_steps": 10, "random_start": False, "keep_best": False}
    ours, plain = (pgd(logits_fn(model), images, labels, momentum=1.0, nesterov=n, **settings) for n in (True, False))
    assert np.mean(np.abs(np.asarray(ours.images) - theirs) > 1e-4) <= 0.002  # signs that rounding decides
    assert np.mean(np.abs(np.asarray(plain.images) - theirs) > 1e-4) > 0.01

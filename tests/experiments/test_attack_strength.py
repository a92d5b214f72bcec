"""Our attacks beside theirs, small: what is counted, on which pictures, and that nobody goes beyond the budget."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import attack_strength, attack_subjects
from experiments.attack_methods import Outcome, Problem
from experiments.attack_strength import Config, pictures, require_within_budget, row_of, table
from experiments.networks import load_network
from jaxvision.errors import InputError

IMAGES = np.full((4, 1, 1, 1), 0.5, np.float32)


@pytest.fixture
def problem():
    labels, eps = jnp.zeros(4, jnp.int32), jnp.array([0.1, 0.2])
    return Problem(lambda images: images[:, 0, 0], jnp.asarray(IMAGES), labels, eps, "linf", 5, 7, jax.random.key(0))


def outcome(*changes):
    return Outcome(IMAGES[None] + np.float32(changes).reshape(-1, 1, 1, 1, 1), np.zeros((len(changes), 4), bool), None)


def test_pictures_are_counted_in_both_directions(problem):
    ours = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    theirs = np.array([[1, 0, 1, 1], [1, 1, 1, 1]], bool)
    row = row_of("a network", "autoattack", "torchattacks", problem, ours, theirs)
    assert (row.ours, row.theirs) == ((0.5, 0.25), (0.25, 0.0))
    assert (row.only_ours, row.only_theirs) == ((1, 0), (2, 1))
    head, line = table([row])
    assert len(head) == len(line) == 4 + 2 * 3
    assert line == (
        *("autoattack", "torchattacks", "4", "9 x 5, 7 q"),
        *("50.0", "25.0", "1 : 2", "25.0", "0.0", "0 : 1"),
    )
    assert head[4:7] == ("0.1: ours", "0.1: theirs", "0.1: alone")
    assert table([row_of("a network", "square", "torchattacks", problem, ours, ours)])[1][3] == "7 q"


def test_who_goes_beyond_the_budget_is_refused(problem):
    require_within_budget("an attack", problem, outcome(0.1, -0.2))
    with pytest.raises(FloatingPointError, match="an attack went beyond its budget"):
        require_within_budget("an attack", problem, outcome(0.11, 0.2))
    wide = problem._replace(eps=jnp.array([0.6, 0.6]))
    with pytest.raises(FloatingPointError, match="an attack"):
        require_within_budget("an attack", wide, outcome(0.5, 0.6))  # brighter than white


def test_photographs_are_those_classified_rightly(tmp_path, untrained, photograph):
    network, labels = load_network(str(untrained)), tmp_path / "labels.json"
    config = Config(images=(str(photograph),), labels=labels)
    answer = int(pictures(Config(images=(str(photograph),)), network, 4).labels[0])
    labels.write_text(json.dumps({photograph.name: answer}))
    assert pictures(config, network, 4).labels.tolist() == [answer]
    labels.write_text(json.dumps({photograph.name: (answer + 1) % 64}))
    with pytest.raises(InputError, match="right about none of 1 photographs"):
        pictures(config, network, 4)
    labels.write_text(json.dumps({"another.png": 1}))
    with pytest.raises(InputError, match="has no class of my photograph"):
        pictures(config, network, 4)
    labels.write_text("[1, 2]")
    with pytest.raises(InputError, match="must be JSON like"):
        pictures(config, network, 4)


def test_what_cannot_be_done_is_said(refused):
    assert refused(attack_strength, "--n-steps", "0") == ["--n-steps must be at least 1, got 0"]
    assert refused(attack_strength, "--eps", "0.2", "0.1") == ["--eps must be ascending numbers above 0, got 0.2 0.1"]
    with pytest.raises(InputError, match="--labels are of photographs: give them with --images"):
        pictures(Config(labels=Path("labels.json")), load_network("mnist"), 4)


@pytest.mark.peers
def test_both_sides_attack_the_same_network(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    from experiments import peers_attacks

    for name in ("torchattacks", "foolbox"):
        if peers_attacks.package(name) is None:
            pytest.skip(f"{name} is not installed: pip install --no-deps {name}")
    digits = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    network = load_network("mnist")
    answers = np.asarray(network.model.args[0](jnp.asarray(digits / 255, jnp.float32))[0]).argmax(1)
    answers[0] = (answers[0] + 1) % 10  # wrong before any attack
    monkeypatch.setattr(attack_subjects, "mnist", lambda split: (digits, answers))
    result = attack_strength.main(
        Config(
            weights=("mnist",),
            attacks=("fgsm", "fab", "square"),
            eps=(1e-5, 0.2),
            n_samples=5,
            n_searched=4,
            n_steps=12,
            n_queries=5,
            run_dir=tmp_path / "run",
        )
    )
    found = {(row.attack, row.package): row for row in result.rows}
    packages = [("fgsm", "torchattacks"), ("fgsm", "Foolbox"), ("fab", "torchattacks"), ("square", "torchattacks")]
    assert [*found] == packages
    for (attack, _), row in found.items():
        n = 5 if attack == "fgsm" else 4
        assert row.n_images == n
        assert row.ours[0] == row.theirs[0] == (n - 1) / n
        assert max(row.ours[1], row.theirs[1]) < (n - 1) / n or attack == "square"  # five queries are few
    assert found["fgsm", "Foolbox"].theirs == found["fgsm", "torchattacks"].theirs
    lines = (result.run_dir / "1.md").read_text().splitlines()
    assert len(lines) == 2 + 4 + 2
    assert lines[-1].startswith("LeNet, MNIST")

"""Attacks compared, small: what the table says is what the pictures show."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import attack, attack_subjects
from experiments.attack_figures import WORST
from experiments.attack_methods import ATTACKS, Problem
from experiments.networks import CHECKPOINTS, load_network
from jaxvision.backbones import lenet

FEW = {"n_samples": 4, "n_steps": 3}


@pytest.fixture(scope="module")
def by_l2(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("attack") / "run"
    names = ("fgsm", "deepfool")
    return attack.main(attack.Config(attacks=names, norm="l2", eps=(0.05, 20.0), run_dir=run_dir, **FEW))


def accuracies(result):
    return {row.attack: np.array(row.accuracies) for row in result.rows}


def test_rows_fall_with_the_budget_and_the_worst_is_the_lowest(by_l2):
    found = accuracies(by_l2)
    assert [*found] == ["fgsm", "deepfool", WORST]
    network = load_network("scenes")
    target = attack_subjects.subject(network, (), n_samples=4, seed=0)
    right = np.asarray(target.logits_fn(target.images)).argmax(1) == target.labels
    for values in found.values():
        assert values.shape == (3,)
        assert values[0] == right.mean()
        assert (np.diff(values) <= 0).all()
        assert (found[WORST] <= values).all()
    assert found[WORST][2] < found[WORST][0]  # as much as a fifth of grey in every value breaks some


def test_the_least_change_answers_for_every_budget(by_l2):
    (row,) = (row for row in by_l2.rows if row.attack == "deepfool")
    shares = 1 - np.array(row.accuracies)
    below, above = (budget >= row.median_size for budget in by_l2.eps)
    assert (shares[1] >= 0.5) == below
    assert (shares[2] >= 0.5) == above
    assert by_l2.rows[0].median_size is None


def test_a_median_is_written_as_the_budgets_are():
    target = attack_subjects.subject(load_network("scenes"), (), n_samples=1, seed=0)
    assert [attack._size(size, "linf", target) for size in (None, 2 / 255, np.inf)] == ["", "2/255", "none for half"]
    assert attack._size(0.12345, "l2", target) == "0.1235"


def test_files(by_l2):
    stored = json.loads((by_l2.run_dir / "result.json").read_text())
    assert stored["eps"] == pytest.approx([0.05, 20.0])
    assert len(by_l2.pictures) == 2
    assert all(path.stat().st_size > 10_000 for path in by_l2.pictures)
    table = (by_l2.run_dir / "attack.md").read_text().splitlines()
    assert table[0] == "| attack | none | 0.05 | 20 | median size |"
    assert len(table) == 2 + 3 + 2


def test_own_pictures_count_as_right_where_the_answer_stays(tmp_path, photograph):
    config = attack.Config(images=(str(photograph),), attacks=("fgsm",), eps=(1e-6, 1.0), run_dir=tmp_path / "r", **FEW)
    result = attack.main(config)
    assert accuracies(result)["fgsm"][:2].tolist() == [1.0, 1.0]
    assert result.n_images == 1


def test_digits_are_seen_as_their_network_sees_them(monkeypatch):
    file = CHECKPOINTS / "lenet_mnist.safetensors"
    digits = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    monkeypatch.setattr(attack_subjects, "mnist", lambda split: (digits, np.arange(5)))
    target = attack_subjects.subject(load_network(str(file)), (), n_samples=3, seed=0)
    assert target.labels.tolist() == [0, 1, 2]
    images = jnp.asarray(target.images)
    np.testing.assert_allclose(images, digits[:3] / 255, rtol=1e-6)
    np.testing.assert_allclose(target.logits_fn(images), lenet(file)(images)[0], rtol=1e-3, atol=1e-3)


def test_each_attack_within_a_budget_stays_within_it():
    """Of three pixels, each a class; the first is to be the brightest."""
    images = jnp.array([[0.6, 0.5, 0.1, 0.0], [0.9, 0.1, 0.2, 0.3]]).reshape(2, 1, 4, 1)
    labels, eps = jnp.zeros(2, jnp.int32), jnp.array([0.01, 0.1])
    problem = Problem(lambda x: 9 * x[:, 0, :, 0], images, labels, eps, "linf", 5, 20, jax.random.key(0))
    for name in ("ni_fgsm", "di_fgsm", "apgd_dlr", "apgd_targeted", "fab"):
        found = ATTACKS[name](problem)
        assert found.broken.tolist() == [[False, False], [True, False]], name
        assert (np.abs(found.images - np.asarray(images)).max((1, 2, 3, 4)) <= np.asarray(eps) + 1e-6).all(), name


def test_what_cannot_be_done_is_said(refused):
    assert refused(attack, "--n-steps", "0") == ["--n-steps must be at least 1, got 0"]
    assert refused(attack, "--eps", "0.2", "0.1") == ["--eps must be ascending numbers above 0, got 0.2 0.1"]
    assert refused(attack, "--attacks", "deepfool") == ["deepfool: not for changes in linf, give another --norm"]

"""Attribution methods compared, small: every method gives maps, and the table is about them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import attribution
from experiments.attribution_methods import METHODS, Problem
from experiments.attribution_report import Estimate
from jaxvision.backbones import squeezenet1_1
from jaxvision.data import scene_batch, split_key
from jaxvision.metrics.faithfulness import pointing_game

METHODS_RUN = ("saliency", "grad_cam")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("attribution") / "run"
    return attribution.main(attribution.Config(methods=METHODS_RUN, n_steps=4, n_samples=3, run_dir=run_dir))


def test_rows_and_files(compared):
    assert [row.method for row in compared.rows] == [*METHODS_RUN, attribution.NOISE]
    for row in compared.rows:
        for name in ("pointing", "energy", "deletion", "insertion"):
            assert 0 <= getattr(row, name).mean <= 1
        assert -1 <= row.randomized.mean <= 1
    # The scenes network is sure of its scenes, and a gradient knows more of them than noise does.
    by_gradient, noise = compared.rows[0], compared.rows[-1]
    assert by_gradient.energy.mean > noise.energy.mean
    assert by_gradient.deletion.mean < noise.deletion.mean
    stored = json.loads((compared.run_dir / "result.json").read_text())
    assert stored["rows"][0]["deletion"]["mean"] == by_gradient.deletion.mean
    table = (compared.run_dir / "attribution.md").read_text().splitlines()
    assert table[2].startswith(f"| saliency | {by_gradient.pointing} |")
    assert compared.pictures[0].stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_a_map_of_each_image(name):
    images, _ = scene_batch(split_key(0, "test"), 2)
    model = squeezenet1_1(num_classes=5)
    problem = Problem(model, images - 0.5, jnp.array([0, 3]), "features.7", jax.random.split(jax.random.key(0), 2))
    maps = np.asarray(METHODS[name](problem))
    assert maps.shape == (2, 64, 64)
    assert np.isfinite(maps).all()


def test_masks_are_those_of_the_scenes():
    key = split_key(0, "test")
    masks = attribution.object_masks(key, 8)
    images, _ = scene_batch(key, 8)
    assert masks.shape == (8, 64, 64)
    assert (masks.mean((1, 2)) > 0.02).all()
    # Colours are saturated on objects and dull beside them.
    saturation = np.asarray(images.max(-1) - images.min(-1))
    assert pointing_game(saturation, masks).energy.mean() > 2 * masks.mean()


def test_before_training_nothing_is_known():
    model = squeezenet1_1(num_classes=5)
    fresh = attribution.untrained(model, jax.random.key(1))
    for old, new in zip(jax.tree.leaves(model), jax.tree.leaves(fresh), strict=True):
        assert old.shape == new.shape
        if old.ndim > 1:
            assert not np.array_equal(old, new)
            assert np.std(new) == pytest.approx(np.sqrt(2 / np.prod(new.shape[:-1])), rel=0.2)
        else:
            assert not new.any()


def test_an_estimate_of_one_image_has_no_margin():
    assert str(Estimate.of(np.array([0.25]))) == "0.25"
    assert str(Estimate.of(np.array([0.0, 1.0, 0.0, 1.0]))) == "0.50 ± 0.57"


def test_what_cannot_be_done_is_said(refused):
    assert refused(attribution, "--n-steps", "0") == ["--n-steps must be at least 1, got 0"]
    *_, sentence = refused(attribution, "--layer", "fire99", "--methods", "grad_cam", "--n-samples", "1")
    assert sentence.startswith('there is no layer "fire99", the network has ')

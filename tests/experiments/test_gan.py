"""GANs from the command line: what a run leaves, resumes, refuses, and what its numbers mean."""

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import gan, gan_data, gan_features, gan_figures, gan_scores, gan_training
from experiments.gan import Config, main, resolved
from experiments.generator_files import EMBEDDED, TrainedGenerator, load_generator, save_generator
from jaxvision.backbones import state_dict
from jaxvision.errors import InputError
from jaxvision.training import checkpoints, new_run

pytest.importorskip("sklearn", reason="extra `demo`: scikit-learn is not installed")

BLACK = gan_data.Images(np.zeros((16, 28, 28, 1), np.uint8), np.zeros((4, 28, 28, 1), np.uint8))
FEW = {"steps": 6, "batch_size": 8, "n_samples": 100, "checkpoint_every": 3, "steps_per_dispatch": 2}


def config(run_dir, **changes):
    return Config(**(FEW | {"run_dir": run_dir} | changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two replicas of a few steps, for all tests that only look at what they left."""
    folder = tmp_path_factory.mktemp("finished")
    settings = config(folder / "run", replicas=2, objective="wgan_gp", export=folder / "generator.safetensors")
    return settings, main(settings)


def test_a_run_leaves_its_pictures_and_numbers(finished):
    settings, result = finished
    sheet, walk, losses = result.pictures
    with Image.open(sheet) as picture:
        assert picture.size == (16 * 58 - 2, 8 * 58 - 2)
    with Image.open(walk) as film:
        assert film.n_frames == gan_figures.STOPS * gan_figures.FRAMES
    assert losses.exists()
    assert sorted(path.name for path in sheet.parent.glob("samples-*")) == ["samples-000003.png", "samples-000006.png"]
    written = json.loads((settings.run_dir / "result.json").read_text())
    assert written["scores"][1]["frechet"] == result.scores[1].frechet > result.floor.frechet
    assert result.scores[0] != result.scores[1]
    rows = (settings.run_dir / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 6
    assert {"0/critic_loss", "1/penalty"} <= set(json.loads(rows[0]))


def test_a_generator_comes_back_from_its_file(finished, tmp_path):
    settings, _ = finished
    trained = load_generator(settings.export)
    assert (trained.network, trained.latent_dim) == ("mlp", 96)
    assert settings.export.stat().st_size < 2.1e6  # of 1.95 million weights
    card = settings.export.with_suffix(".md").read_text()
    assert "python -m experiments.gan --objective wgan_gp" in card
    assert "real images" in card
    model = gan_training.generator("dcgan", 4, jax.random.key(3))
    save_generator(tmp_path / "g.safetensors", TrainedGenerator(model, "dcgan", 4), {})
    found = state_dict(load_generator(tmp_path / "g.safetensors").model)
    for name, tensor in state_dict(model).items():
        rows = np.abs(tensor).reshape(len(tensor), -1).max(axis=1)
        bound = (0.501 / 127 * rows if tensor.ndim > 1 else 0 * rows).reshape(-1, *[1] * (tensor.ndim - 1))
        assert (np.abs(found[name] - tensor) <= bound).all(), name  # half a step of a byte


def test_drawing_trains_nothing(finished, tmp_path):
    settings, _ = finished
    result = main(Config(draw=20, generator=settings.export, run_dir=tmp_path / "drawn"))
    with Image.open(result.pictures[0]) as picture:
        assert picture.size == (16 * 58 - 2, 2 * 58 - 2)
    assert sum(result.shares) == pytest.approx(1)
    assert not (tmp_path / "drawn" / "checkpoints").exists()


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    whole = main(config(tmp_path / "whole"))
    part = config(tmp_path / "part")
    short = dataclasses.replace(part, steps=3)
    main(short)
    settings = json.loads((tmp_path / "part" / "config.json").read_text()) | {"steps": 6}
    (tmp_path / "part" / "config.json").write_text(json.dumps(settings))
    again = main(dataclasses.replace(part, resume=True))
    assert again.pictures[0].read_bytes() == whole.pictures[0].read_bytes()
    assert again.scores == whole.scores


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(tmp_path):
    """SIGKILL wherever it hits, three times; samples and state as of a run that nobody killed."""
    words = ["--steps", "200", "--batch-size", "8", "--n-samples", "100", "--checkpoint-every", "20"]
    command = [sys.executable, "-m", "experiments.gan", *words]
    environment = os.environ | {"JAXVISION_OFFLINE": "1"}
    run = functools.partial(subprocess.run, capture_output=True, text=True, env=environment, check=True, timeout=600)
    run([*command, "--run-dir", str(tmp_path / "whole")])
    killed = [*command, "--run-dir", str(tmp_path / "killed")]
    for count in range(3):
        process = subprocess.Popen(killed, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(checkpoints.found(tmp_path / "killed" / "checkpoints")) <= min(count, 1):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if "--resume" not in killed:
            killed.append("--resume")
        if int(checkpoints.found(tmp_path / "killed" / "checkpoints")[0].name.split("-")[1]) >= 160:
            break
    run(killed)
    for name in ("samples.png", "walk.gif", "samples-000200.png"):
        paths = [tmp_path / which / "pictures" / name for which in ("whole", "killed")]
        assert paths[0].read_bytes() == paths[1].read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_a_replica_is_its_single_run(network, tmp_path):
    many = main(config(tmp_path / "many", network=network, replicas=2, steps=3, seed=5, steps_per_dispatch=1))
    one = main(config(tmp_path / "one", network=network, steps=3, seed=6, steps_per_dispatch=1))
    rows = [(tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1] for name in ("many", "one")]
    for name, value in json.loads(rows[1]).items():
        if name != "step":
            assert json.loads(rows[0])[name.replace("0/", "1/")] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    assert many.scores[1].frechet == pytest.approx(one.scores[0].frechet, rel=1e-2)


def test_replicas_may_differ_in_their_settings(tmp_path):
    """From one seed: at the first step all alike but for the penalty's weight, then each with its own rate."""
    swept = {"objective": "wgan_gp", "learning_rate": (1e-3, 1e-4), "gp_weight": (1.0, 10.0)}
    few = resolved(config(tmp_path, replicas=2, steps=2, steps_per_dispatch=1, **swept))
    assert gan_training.swept(few) == ["learning_rate 0.001, gp_weight 1", "learning_rate 0.0001, gp_weight 10"]
    with new_run("gan", few, run_dir=tmp_path / "run") as run:
        gan_training.train(few, BLACK, run, lambda step, generators: None)
        first, second = run.metrics()
    assert first["0/fake"] == pytest.approx(first["1/fake"], rel=1e-5)
    weighed = [first[f"{r}/critic_loss"] - first[f"{r}/fake"] + first[f"{r}/real"] for r in (0, 1)]
    assert weighed == pytest.approx([first["0/penalty"], 10 * first["1/penalty"]], rel=1e-3)
    moved = [abs(second[f"{r}/real"] - first[f"{r}/real"]) for r in (0, 1)]
    assert moved[0] > 3 * moved[1] > 0


QUICK = ("hinge", "nonsaturating", "wgan_gp")  # one of each kind; a step takes seconds to compile


@pytest.mark.parametrize(
    "objective",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(gan_training.GAMES)],
)
def test_every_objective_takes_a_step_and_stays_finite(objective, tmp_path):
    few = resolved(config(tmp_path, objective=objective, steps=1, steps_per_dispatch=1))
    with new_run("gan", few, run_dir=tmp_path / "run") as run:
        generators, _ = gan_training.train(few, BLACK, run, lambda step, generators: None)
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(generators))
        assert ("0/penalty" in run.metrics()[0]) == (few.gp_weight[0] > 0)


@pytest.mark.slow
def test_a_residual_pair_trains(tmp_path):
    result = main(config(tmp_path / "run", network="resnet", objective="hinge", steps=2, checkpoint_every=2))
    assert np.isfinite(result.scores[0].frechet)


def test_what_diverges_stops_with_the_last_good_checkpoint(refused, tmp_path):
    words = ["--objective", "wgan_gp", "--gp-weight", "1e38", "--learning-rate", "1e30", "--checkpoint-every", "1"]
    few = ["--steps", "50", "--batch-size", "8", "--n-samples", "100", "--run-dir", tmp_path / "run"]
    sentence = refused(gan, *words, *few)[-1]
    assert "became" in sentence
    assert "step" in sentence
    assert "lower learning rate" in sentence


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--gp-weight", "10"], "--gp-weight is of no use to nonsaturating, which has no penalty"),
        (["--steps", "0"], "--steps must be 1 or more, got 0"),
        (["--steps-per-dispatch", "0"], "--steps-per-dispatch must be 1 or more, got 0"),
        (["--beta1", "1"], "--beta1 must be 0 or more and below 1, got 1.0"),
        (["--gp-weight", "1", "2", "--objective", "r1"], "or one for each of --replicas 1, got 2"),
        (["--learning-rate", "nan"], "--learning-rate must be 0 or more, got nan"),
        (["--draw", "8", "--resume"], "--draw trains nothing: leave --resume, --export and --mesh out"),
        (["--draw", "8", "--mesh", "data=2"], "--draw trains nothing"),
        (["--generator", "a.safetensors"], "--generator is of --draw: leave it out in training"),
        (["--draw", "-1"], "--draw must be above 0, got -1"),
        (["--draw", "8", "--generator", "nowhere.safetensors"], "nowhere.safetensors is not there: train a generator"),
        (["--resume"], "holds no run of gan to go on with"),
    ],
)
def test_bad_input_is_one_sentence(words, what, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (sentence,) = refused(gan, *words)
    assert what in sentence


def test_only_a_training_is_resumed():
    assert gan.Config().resumable
    assert not gan.Config(draw=8).resumable


def test_files_of_another_kind_are_refused(untrained, refused):
    (sentence,) = refused(gan, "--draw", "8", "--generator", untrained)
    assert "holds no generator" in sentence


def test_the_small_digits_are_split_and_framed():
    images = gan_data.load("digits")
    assert (len(images.train), len(images.held_out)) == (1437, 360)
    assert images.train.shape[1:] == (28, 28, 1)
    assert images.train[:, :2].max() == 0
    assert images.train.max() > 250


def test_batches_are_of_the_step_and_the_replica_alone():
    images = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1).repeat(28, axis=1).repeat(28, axis=2)
    keys = jnp.stack([jax.random.key(0), jax.random.key(7)])
    both = gan_data.batches(images, keys, n_critic=2, batch_size=3)
    (first,) = both(jnp.int32(0))
    assert first.shape == (2, 2, 3, 28, 28, 1)
    epoch = jnp.concatenate([both(jnp.int32(step))[0][0, :, :, 0, 0, 0].ravel() for step in range(2)])
    np.testing.assert_allclose(np.sort(np.asarray(epoch)), np.arange(12) / 127.5 - 1, atol=1e-6)
    alone = gan_data.batches(images, keys[1:], n_critic=2, batch_size=3)
    np.testing.assert_array_equal(alone(jnp.int32(5))[0][0], both(jnp.int32(5))[0][1])
    assert not np.array_equal(first[0], first[1])


@pytest.fixture(scope="module")
def judge():
    return gan_scores.Judge(gan_data.load("digits"), 300, gan_features.features_of("digits").look)


def test_real_digits_score_well_and_a_copy_is_found_out(judge):
    assert judge.floor.precision > 0.8
    assert judge.floor.coverage > 0.8
    assert abs(judge.floor.kid) < 0.05 * judge.score(noise()).kid
    copied = gan_data.load("digits").train[:300]
    assert judge.score(copied).nearest == 0
    assert judge.score(gan_data.load("digits").held_out[:300]).nearest == pytest.approx(1, abs=0.05)


def test_noise_and_a_single_digit_score_badly(judge):
    assert judge.score(noise()).frechet > 5 * judge.floor.frechet
    one = np.repeat(gan_data.load("digits").train[:1], 300, axis=0)
    found = judge.score(one)
    assert max(found.shares) == 1
    assert found.classifier_score == pytest.approx(1, abs=1e-3)
    assert found.coverage < 0.1


def noise():
    return np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1)).astype(np.uint8)


def test_intervals_are_students():
    """Five values with mean 3 and deviation sqrt(2.5): t = 2.776."""
    assert gan_scores.interval([1.0, 2.0, 3.0, 4.0, 5.0]) == "3 ± 2"
    assert pytest.approx(1.963, abs=1e-3) == 2.776 * (2.5 / 5) ** 0.5


def test_a_sample_does_not_depend_on_those_beside_it():
    model = gan_training.generator("dcgan", 4, jax.random.key(0))
    few, many = (gan_scores.samples(model, n, latent_dim=4, seed=1) for n in (3, 600))
    np.testing.assert_array_equal(few, many[:3])
    assert many.shape == (600, 28, 28, 1)


def test_what_cannot_work_is_refused_before_anything_is_loaded():
    with pytest.raises(InputError, match="n-critic must be 1 or more"):
        resolved(Config(n_critic=0))
    assert resolved(Config(objective="hinge", n_critic=1)).n_critic == 1


def test_the_embedded_generator_draws_every_digit():
    if not EMBEDDED.exists():
        pytest.skip(f"{EMBEDDED.name} is not in checkpoints: python -m experiments.gan --export makes it")
    assert EMBEDDED.stat().st_size <= 8e6
    trained = load_generator(EMBEDDED)
    drawn = gan_scores.samples(trained.model, 1000, latent_dim=trained.latent_dim, seed=3)
    shares = gan_scores.shares(gan_features.features_of("mnist").look(drawn)[1])
    assert min(shares) > 0.04
    assert max(shares) < 0.18

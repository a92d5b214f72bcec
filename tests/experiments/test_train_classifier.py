import dataclasses
import json
import shlex
import shutil
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
import tyro
from jax.tree_util import Partial

from experiments import robust, tasks, train_classifier
from experiments.train_classifier import Config, main, resolved, squeezenet_input
from jaxvision import weights
from jaxvision.adversarial import pgd
from jaxvision.backbones import lenet, logits_fn, squeezenet1_1
from jaxvision.errors import InputError
from jaxvision.files import sha256
from jaxvision.training import checkpoints, score

CHECKPOINTS = Path(train_classifier.__file__).parents[1] / "checkpoints"
ROBUST = "lenet_mnist_robust"


def stripes(key, index, *, batch_size):
    """Ten classes that a LeNet tells apart in a few steps: the row of a bright stripe."""
    key = jax.random.fold_in(key, index)
    labels = jax.random.randint(key, (batch_size,), 0, 10)
    rows = jnp.arange(28)[None] // 2 - 2 == labels[:, None]
    images = jnp.broadcast_to(rows[:, :, None, None].astype(jnp.float32), (batch_size, 28, 28, 1))
    return images * jax.random.uniform(key, (batch_size, 1, 28, 1), minval=0.5), labels


def striped(batch_size, seed):
    train, test = (
        Partial(partial(stripes, batch_size=n), jax.random.key(s)) for n, s in [(batch_size, seed), (100, 99)]
    )
    return tasks.Task(tuple("0123456789"), train, test, "stripes")


@pytest.fixture(autouse=True)
def easy_digits(monkeypatch, request):
    if "needs" not in request.fixturenames:
        monkeypatch.setattr(tasks, "digits", striped)


def config(run_dir, **changes):
    few = {"dataset": "mnist", "steps": 40, "batch_size": 20, "n_held_out": 200, "steps_per_dispatch": 10}
    return Config(**(few | {"checkpoint_every": 20, "run_dir": run_dir} | changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One small training, for all tests that only look at what it left."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "digits", striped)
        return folder, main(config(folder / "run", export=folder / "net.safetensors"))


def test_learns_and_leaves_a_whole_run_directory(finished):
    folder, result = finished
    assert result.accuracy > 0.5  # chance is 0.1
    assert result.run_dir == folder / "run"
    written = json.loads((result.run_dir / "result.json").read_text())
    assert written["accuracy"] == result.accuracy
    assert json.loads((result.run_dir / "config.json").read_text())["network"] == "lenet"
    assert len((result.run_dir / "metrics.jsonl").read_text().splitlines()) == 40
    assert len(list(result.run_dir.glob("events.out.tfevents.*"))) == 1
    assert sorted(path.name for path in (result.run_dir / "pictures").iterdir()) == ["mistakes.png", "training.png"]


def test_export_is_the_network_that_was_scored(finished):
    folder, result = finished
    model = lenet(folder / "net.safetensors")
    found = score(model, striped(20, 0).held_out, n_batches=2)
    assert found.accuracy == result.accuracy
    assert result.n_parameters == sum(tensor.size for tensor in weights.load(folder / "net.safetensors").values())


def test_card_has_hash_score_and_a_command_that_gives_the_settings(finished):
    folder, result = finished
    card = (folder / "net.md").read_text()
    assert sha256(folder / "net.safetensors") in card
    assert f"{100 * result.accuracy:.2f} %" in card
    line = next(line for line in card.splitlines() if line.startswith("| command"))
    words = shlex.split(line.split("`")[1])
    assert words[:3] == ["python", "-m", "experiments.train_classifier"]
    said = dataclasses.replace(tyro.cli(Config, args=words[3:]), run_dir=folder / "run")
    assert resolved(said) == resolved(config(folder / "run", export=folder / "net.safetensors"))


def test_resume_gives_the_same_network(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "run", tmp_path / "run")
    newest, older = checkpoints.found(tmp_path / "run" / "checkpoints")
    assert older.name == "step-00000020"
    shutil.rmtree(newest)
    main(config(tmp_path / "run", resume=True, export=tmp_path / "net.safetensors"))
    assert sha256(tmp_path / "net.safetensors") == sha256(folder / "net.safetensors")
    assert (tmp_path / "run/metrics.jsonl").read_text() == (folder / "run/metrics.jsonl").read_text()


def test_training_on_attacked_images_withstands_more(finished, tmp_path):
    """Of stripes that an attack can wipe out: what was trained on them loses far more than what was trained against."""
    few = {"adversarial": "fast", "eps": 0.3, "steps": 160}
    result = main(config(tmp_path / "run", export=tmp_path / "net.safetensors", **few))
    settings = resolved(config(tmp_path / "run", **few))
    usual = robust.accuracy(settings, jnp.asarray, lenet(finished[0] / "net.safetensors"), striped(20, 0))
    assert result.robust_accuracy > usual + 0.1  # three standard errors of 200 images
    assert result.robust_accuracy <= result.accuracy
    assert finished[1].robust_accuracy is None
    card = (tmp_path / "net.md").read_text()
    assert "| attacked in training | 1 step(s) of PGD within 0.3 of [0, 1]" in card
    assert f"**{100 * result.robust_accuracy:.1f} %** of the first 200 held-out images" in card


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--eps", "0.1"], "--eps 0.1 is of attacks: add --adversarial fast"),
        (["--network", "lenet"], "LeNet reads grey digits"),
        (["--steps", "0"], "--steps must be above 0, got 0"),
        (["--learning-rate", "-1"], "--learning-rate must be above 0"),
        (["--warmup", "1"], "--warmup must be 0 or more and below 1"),
        (["--n-held-out", "150"], "--n-held-out must be a multiple of 100"),
        (["--dataset", "mnist", "--n-held-out", "20000"], "up to 10000, got 20000"),
    ],
)
def test_settings_that_cannot_work_are_one_sentence(args, words, refused):
    (sentence,) = refused(train_classifier, *args)
    assert words in sentence


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "holds a run already: go on with it by --resume"),
        (["--resume"], "was run with steps = 40 and cannot go on with 10000"),
    ],
)
def test_a_run_is_not_overwritten_nor_gone_on_with_in_another_way(finished, refused, flags, words):
    (sentence,) = refused(train_classifier, "--dataset", "mnist", "--run-dir", finished[0] / "run", *flags)
    assert words in sentence


def test_diverging_loss_names_the_step(tmp_path, refused):
    args = ["--dataset", "mnist", "--steps", "40", "--n-held-out", "200", "--warmup", "0", "--learning-rate", "1e38"]
    sentence = refused(train_classifier, *args, "--run-dir", tmp_path / "run")[-1]
    assert " at step " in sentence
    assert "holds no checkpoint yet" in sentence


def test_unwritable_run_directory(tmp_path, refused):
    (tmp_path / "file").write_text("")
    (sentence,) = refused(train_classifier, "--dataset", "mnist", "--run-dir", tmp_path / "file" / "run")
    assert "is a file, not a folder" in sentence


def test_squeezenet_reads_digits_too():
    images = squeezenet_input(jnp.zeros((2, 28, 28, 1)))
    assert images.shape == (2, 56, 56, 3)
    with pytest.raises(InputError):
        resolved(Config(dataset="scenes", network="lenet"))
    assert resolved(Config(dataset="mnist", network="squeezenet")).network == "squeezenet"


def card_of(name):
    """(accuracy in percent, SHA-256) as the card says."""
    card = (CHECKPOINTS / f"{name}.md").read_text()
    return float(card.split("| accuracy | **")[1].split(" %")[0]), card.split("| SHA-256 | `")[1].split("`")[0]


@pytest.mark.parametrize(("name", "least"), [("squeezenet_scenes", 95.0), ("lenet_mnist", 99.2), (ROBUST, 97.0)])
def test_cards_belong_to_their_files(name, least):
    file = CHECKPOINTS / f"{name}.safetensors"
    accuracy, digest = card_of(name)
    assert digest == sha256(file)
    assert accuracy >= least
    assert file.stat().st_size <= 5_000_000


def exam(model, prepare, task, n_batches):
    return score(model, Partial(partial(train_classifier.prepared, prepare), task.held_out), n_batches=n_batches)


def test_embedded_squeezenet_knows_held_out_scenes():
    found = exam(squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors"), squeezenet_input, tasks.scenes(1, 0), 5)
    assert found.accuracy >= 0.95


def test_the_robust_lenet_withstands_what_breaks_the_other(needs):
    """Forty steps of PGD within 0.3; a network that only seems robust, as after fast training gone wrong, gives in."""
    needs("mnist/t10k-images-idx3-ubyte.gz")
    images, labels = tasks.digits(1, 0).held_out(jnp.int32(0))
    plain, robust_one = (logits_fn(lenet(CHECKPOINTS / f"{name}.safetensors")) for name in ("lenet_mnist", ROBUST))
    attack = partial(pgd, images=images, labels=labels, eps=0.3, n_steps=40, key=jax.random.key(1))
    assert attack(plain).success.mean() >= 0.95
    assert attack(robust_one).success.mean() <= 0.3


@pytest.mark.slow
def test_embedded_squeezenet_scores_what_its_card_says():
    found = exam(squeezenet1_1(CHECKPOINTS / "squeezenet_scenes.safetensors"), squeezenet_input, tasks.scenes(1, 0), 50)
    assert abs(100 * found.accuracy - card_of("squeezenet_scenes")[0]) < 0.1


def test_embedded_lenet_scores_what_its_card_says(needs):
    needs("mnist/t10k-images-idx3-ubyte.gz")
    found = exam(lenet(CHECKPOINTS / "lenet_mnist.safetensors"), lambda images: images, tasks.digits(1, 0), 100)
    assert found.accuracy >= 0.992
    assert abs(100 * found.accuracy - card_of("lenet_mnist")[0]) < 0.02

"""The three experiments end to end, small: files, numbers and figures are there and agree with each other."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import class_visualization, film, fooling, saliency
from experiments.command import command
from experiments.inputs import batches, load_inputs, probabilities
from experiments.networks import load_network
from jaxvision.attribution import saliency_map
from jaxvision.errors import InputError
from jaxvision.pixels import normalize
from jaxvision.training import checkpoints


def read(result):
    """The run directory's JSON files, after a look at what every run leaves behind."""
    folder = result.run_dir
    config, stored = (json.loads((folder / name).read_text()) for name in ("config.json", "result.json"))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert list(folder.glob("events.out.tfevents.*"))
    for path in map(Path, stored["pictures"]):
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert min(image.size) > 100
    assert json.loads(json.dumps(dataclasses.asdict(result), default=str)) == stored
    return config, stored, lines


@jax.jit
def _plain(logits_fn, images):
    return jax.nn.softmax(logits_fn(normalize(images)))


def plain(network, images):
    """The probabilities, without the experiments' batches: all at once, at most eight."""
    padded = np.concatenate([images, images[:1].repeat(8 - len(images), axis=0)])
    return np.asarray(_plain(network.logits_fn, padded))[: len(images)]


@pytest.fixture(scope="module")
def mapped(tmp_path_factory, untrained):
    run_dir = tmp_path_factory.mktemp("saliency") / "run"
    return saliency.main(saliency.Config(weights=str(untrained), n_samples=7, run_dir=run_dir))


def test_saliency_describes_every_sample(mapped, untrained):
    config, _, lines = read(mapped)
    assert config["weights"] == str(untrained)
    assert config["n_samples"] == 7
    assert [p.image for p in mapped.predictions] == [f"scene {i}" for i in range(7)]
    assert len(mapped.pictures) == 2  # six on a sheet
    network = load_network(str(untrained))
    inputs = load_inputs(network, (), n_samples=7, seed=0)
    answers = plain(network, inputs.images)
    assert [p.predicted for p in mapped.predictions] == [network.class_names[i] for i in answers.argmax(1)]
    np.testing.assert_allclose([p.probability for p in mapped.predictions], answers.max(1), rtol=1e-4)
    np.testing.assert_allclose([line["probability"] for line in lines], answers.max(1), rtol=1e-4)


def test_saliency_of_a_named_class_and_a_file(tmp_path, untrained, photograph, capsys):
    words = ["--images", photograph, "--target", "Blue Star", "--weights", untrained, "--run-dir", tmp_path / "run"]
    command(saliency.main, saliency.Config, args=list(map(str, words)))
    assert capsys.readouterr().out == f"Results are in {tmp_path / 'run'}: pictures/saliency_01.png\n"
    (prediction,) = json.loads((tmp_path / "run" / "result.json").read_text())["predictions"]
    assert prediction["mapped"] == "blue star"
    assert prediction["mapped_probability"] <= prediction["probability"]


def test_batches_do_not_change_what_is_computed(untrained):
    """Nine pictures in two dispatches, the second filled up, against each on its own."""
    network = load_network(str(untrained))
    images = np.random.default_rng(0).uniform(size=(9, 64, 64, 3)).astype(np.float32)
    maps = np.empty((9, 64, 64), np.float32)
    labels = np.arange(9)
    for rows in batches(9):
        maps[rows] = saliency_map(network.logits_fn, normalize(images[rows]), labels[rows])
    alone = saliency_map(network.logits_fn, normalize(images[[8] * 8]), labels[[8] * 8])
    np.testing.assert_allclose(maps[8], alone[0], rtol=1e-3, atol=1e-6)
    answers = probabilities(network, images)
    np.testing.assert_allclose(answers.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(answers[8], plain(network, images[8:])[0], rtol=1e-4)


def test_fooling_reaches_the_least_likely_and_measures_the_change(embedded, tmp_path):
    fooled = fooling.main(fooling.Config(weights="scenes", n_samples=2, run_dir=tmp_path / "run"))
    read(fooled)
    assert len(fooled.attacks) == 2 * fooling.N_TARGETS
    assert len(fooled.pictures) == 2
    inputs = load_inputs(embedded, (), n_samples=2, seed=0)
    answers = probabilities(embedded, inputs.images)
    for number, attack in enumerate(fooled.attacks):
        image, t = divmod(number, fooling.N_TARGETS)
        colour = attack.predicted.split()[0]
        same = [
            k for k, name in enumerate(embedded.class_names) if name.startswith(colour) and name != attack.predicted
        ]
        assert attack.target == embedded.class_names[sorted(same, key=lambda k: answers[image][k])[t]]
        assert attack.success == (attack.steps < 100)
        assert attack.steps > 0
        # Steps of length one in normalised units, which are at most 0.229 of the range each.
        assert 0 < attack.l2 <= 0.229 * attack.steps + 1e-4
        assert attack.l2 / np.sqrt(64 * 64 * 3) <= attack.linf <= attack.l2
        with Image.open(fooled.run_dir / "pictures" / f"fooled_{number + 1:02d}.png") as written:
            pixels = np.asarray(written, np.float32) / 255
        assert np.abs(pixels - inputs.images[image]).max() <= attack.linf + 0.5 / 255 + 1e-5
        named = embedded.class_names[probabilities(embedded, pixels[None])[0].argmax()]
        assert attack.success_8bit == (named == attack.target)
    assert any(attack.success for attack in fooled.attacks)


DRAW = class_visualization.Config(targets=("1", "12"), n_steps=20, tries=2)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, untrained):
    run_dir = tmp_path_factory.mktemp("drawing") / "run"
    return class_visualization.main(dataclasses.replace(DRAW, weights=str(untrained), run_dir=run_dir))


def test_class_visualization_raises_the_probability_of_its_classes(drawn):
    _, _, lines = read(drawn)
    assert [line["step"] for line in lines] == list(range(1, 21))
    assert lines[-1]["target_logit"] > lines[0]["target_logit"]
    assert drawn.convincing == sum(d.probability > 0.9 for d in drawn.drawings)
    assert len(list((drawn.run_dir / "pictures").iterdir())) == 4


def test_of_several_tries_the_likeliest_is_shown(drawn, untrained):
    network = load_network(str(untrained))
    pictures = sorted(drawn.run_dir.glob("pictures/0*.png"))
    written = np.stack([np.asarray(Image.open(path), np.float32) / 255 for path in pictures])
    shown = plain(network, written)[np.arange(2), [1, 12]]
    np.testing.assert_allclose(shown, [d.probability for d in drawn.drawings], rtol=0.05)  # 8 bits
    saved = checkpoints.latest(drawn.run_dir / "checkpoints").path
    assert json.loads((saved / "tree.json").read_text())["leaves"]["chances"]["shape"] == [11, 4]


def test_settings_left_open_are_resolved_in_the_config(drawn):
    config = json.loads((drawn.run_dir / "config.json").read_text())
    assert None not in [value for name, value in config.items() if name not in ("run_dir", "mesh")]
    assert config["tries"] == 2
    assert config["learning_rate"] == class_visualization.SMALL["learning_rate"]
    published = class_visualization.resolved(class_visualization.Config(), 224)
    assert (published.learning_rate, published.l2, published.max_jitter) == (25.0, 1e-3, 16)


def test_an_interrupted_run_goes_on_to_the_same_bits(drawn, tmp_path, untrained, monkeypatch):
    config = dataclasses.replace(DRAW, weights=str(untrained), run_dir=tmp_path / "run")
    advance, calls = film.advance, []

    def interrupted(*args, **words):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return advance(*args, **words)

    monkeypatch.setattr(film, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        class_visualization.main(config)
    assert not (tmp_path / "run" / "result.json").exists()
    resumed = class_visualization.main(dataclasses.replace(config, resume=True))
    assert len(calls) == 4 + 7  # three of ten parts were done
    assert resumed.drawings == drawn.drawings
    for name in ("metrics.jsonl", "pictures/film_strip.png", "pictures/contact_sheet.png"):
        assert (resumed.run_dir / name).read_bytes() == (drawn.run_dir / name).read_bytes()


def test_a_run_does_not_go_on_with_other_settings(drawn, untrained):
    config = dataclasses.replace(DRAW, weights=str(untrained), run_dir=drawn.run_dir, resume=True, l2=0.5)
    with pytest.raises(InputError, match="l2"):
        class_visualization.main(config)


def test_favourites_of_the_scenes_show_every_shape_and_colour_once(untrained):
    network = load_network(str(untrained))
    names = [network.class_names[i].split() for i in class_visualization._favourites(network)]
    colours, shapes = (len(set(part)) for part in zip(*names, strict=True))
    assert len(names) == colours == shapes == 8


def test_seeds_draw_other_scenes(untrained):
    network = load_network(str(untrained))
    first, again, other = (load_inputs(network, (), n_samples=1, seed=seed).images for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_the_embedded_network_is_sure_of_held_out_scenes(embedded, tmp_path):
    result = saliency.main(saliency.Config(weights="scenes", n_samples=8, run_dir=tmp_path / "run"))
    assert np.median([p.probability for p in result.predictions]) > 0.9

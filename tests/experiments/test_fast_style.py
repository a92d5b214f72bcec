"""The fast style experiment, small: training and its resumption, pictures, folders, videos, bad input."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import ExifTags, Image

from experiments import fast_style, videos
from experiments.fast_style_settings import resolved
from experiments.fast_style_training import any_style, one_style
from experiments.networks import load_network
from experiments.stylizer_files import EMBEDDED, load_stylizer
from jaxvision import weights
from jaxvision.backbones import state_dict
from jaxvision.data import read_image
from jaxvision.stylizers import flicker, transformer_net
from jaxvision.training import Run

SMALL = {"mode": "train", "n_steps": 6, "size": 32, "style_size": 32, "width": 2, "n_blocks": 1, "checkpoint_every": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photograph):
    """Photographs of two sizes, one of them upright only by its EXIF block."""
    path = tmp_path_factory.mktemp("photographs")
    with Image.open(photograph) as image:
        exif = image.getexif()
        exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "me", 6
        image.save(path / "a.jpg", exif=exif, icc_profile=b"a profile, as opaque bytes")
        image.resize((33, 41)).save(path / "b.png")
        image.resize((33, 41)).rotate(180).save(path / "c.png")
    return path


@pytest.fixture(scope="module")
def settings(untrained, photograph, folder):
    return {"weights": str(untrained), "photos": str(folder), "style": str(photograph), **SMALL}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, settings):
    path = tmp_path_factory.mktemp("training")
    return fast_style.main(fast_style.Config(**settings, export=path / "net.safetensors", run_dir=path / "run"))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A file of a network that has learnt nothing."""
    path = tmp_path_factory.mktemp("network") / "net.safetensors"
    shapes, rng = jax.eval_shape(lambda: transformer_net(width=2, n_blocks=1)), np.random.default_rng(0)
    model = jax.tree.map(lambda leaf: 0.3 * rng.standard_normal(leaf.shape, np.float32), shapes)
    weights.save(path, state_dict(model))
    return path


@pytest.mark.slow
def test_a_training_leaves_network_card_samples_and_losses(trained):
    metrics = Run(trained.run_dir).metrics()
    assert [line["step"] for line in metrics] == list(range(1, 7))
    assert {"loss", "content/features.3", "style/features.1", "tv", "gradient_norm"} <= set(metrics[0])
    assert all(path.stat().st_size > 1000 for path in trained.pictures)
    samples = sorted(path.stem for path in (trained.run_dir / "pictures" / "progress").iterdir())
    assert samples == ["step_00003", "step_00006"]
    export = trained.run_dir.parent / "net.safetensors"
    assert export.read_bytes() == trained.network.read_bytes()
    card = export.with_suffix(".md").read_text()
    assert "--mode train" in card
    assert f"{trained.n_parameters:,} parameters" in card
    assert load_stylizer(export).encoder is None


@pytest.mark.slow
def test_a_resumed_training_gives_the_same_bits(trained, settings, tmp_path):
    run_dir = tmp_path / "run"
    config = fast_style.Config(**settings, run_dir=run_dir)
    steps = []

    def interrupt(*args, **words):
        steps.append(1)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_style, "contact_sheet", interrupt)  # after the first checkpoint
        with pytest.raises(KeyboardInterrupt):
            fast_style.main(config)
    assert steps == [1]
    resumed = fast_style.main(dataclasses.replace(config, resume=True))
    assert resumed.network.read_bytes() == trained.network.read_bytes()
    assert (run_dir / "metrics.jsonl").read_bytes() == (trained.run_dir / "metrics.jsonl").read_bytes()


def test_a_picture_keeps_size_exif_and_profile(network, folder, tmp_path):
    result = fast_style.main(
        fast_style.Config(content=str(folder / "a.jpg"), network=network, run_dir=tmp_path / "run")
    )
    (path,) = result.pictures
    with Image.open(path) as written:
        assert written.size == (80, 100)
        assert written.getexif()[ExifTags.Base.Artist] == "me"
        assert ExifTags.Base.Orientation not in written.getexif()
        assert written.info["icc_profile"] == b"a profile, as opaque bytes"
    assert json.loads((tmp_path / "run" / "result.json").read_text())["n_frames"] == 1


def test_a_folder_is_styled_whole_and_what_cannot_be_read_is_told_of(network, folder, tmp_path, refused):
    words = ["--network", network, "--size", "24"]
    result = fast_style.main(fast_style.Config(content=str(folder), network=network, size=24, run_dir=tmp_path / "run"))
    assert [path.name for path in result.pictures] == ["01_a.png", "02_b.png", "03_c.png"]
    assert [read_image(path).shape for path in result.pictures] == [(30, 24, 3)] * 3
    assert result.frames_per_second > 0
    (mixed := tmp_path / "mixed").mkdir()
    for path in folder.iterdir():
        (mixed / path.name).write_bytes(path.read_bytes())
    (mixed / "b.png").write_text("no picture")
    *_, sentence = refused(fast_style, "--content", mixed, *words, "--run-dir", tmp_path / "again")
    assert "b.png" in sentence
    assert "the other 2 are in" in sentence
    assert len(list((tmp_path / "again" / "pictures").iterdir())) == 2


def test_a_video_keeps_frames_size_and_rate(film, make_video, network, tmp_path):
    source = make_video(tmp_path / "film.mp4", film(10, 48, 64))
    result = fast_style.main(fast_style.Config(content=str(source), network=network, run_dir=tmp_path / "run"))
    found = videos.open_clip(result.pictures[0])
    assert (found.size, found.rate, found.n_frames, result.n_frames) == ((48, 64), 24, 10, 10)
    assert result.frames_per_second > 0


def test_grain_on_a_still_film_flickers_less_than_frame_by_frame(film, make_video, network, tmp_path):
    rng = np.random.default_rng(0)
    grainy = np.clip(film(1, 48, 64) + rng.normal(0, 8, (10, 48, 64, 3)), 0, 255).astype(np.uint8)
    source = make_video(tmp_path / "film.mp4", grainy)
    found = {}
    for share in (0.1, 1.0):
        config = fast_style.Config(content=str(source), network=network, share=share, run_dir=tmp_path / f"run{share}")
        frames = np.stack(list(videos.frames(videos.open_clip(fast_style.main(config).pictures[0]))))
        found[share] = float(flicker(frames.astype(np.float32)))
    assert found[0.1] < 0.35 * found[1.0], found


def test_of_a_cut_video_what_was_read_is_kept(cut_video, network, tmp_path, refused):
    words = ["--content", cut_video, "--network", network, "--run-dir", tmp_path / "run"]
    *_, sentence = refused(fast_style, *words)
    assert "cut.mkv is damaged or cut short" in sentence
    kept = json.loads((tmp_path / "run" / "result.json").read_text())
    found = videos.open_clip(tmp_path / "run" / "pictures" / "stylised.mp4")
    assert 0 < kept["n_frames"] == len(list(videos.frames(found))) < 30


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--content", "nowhere.jpg"], "nowhere.jpg"),
        (["--content", "nowhere.mp4"], "nowhere.mp4"),
        (["--network", "nowhere.safetensors"], "nowhere.safetensors is not there"),
        (["--style", "some.jpg"], "leave --style out"),
        (["--size", "4"], "--size must be at least 8"),
        (["--alpha", "2"], "--alpha must be from 0 to 1"),
        (["--share", "0"], "--share must be above 0, up to 1"),
        (["--export", "a.safetensors"], "--export is of a training: add --mode train"),
        (["--mesh", "data=8"], "--mesh is of a training: add --mode train"),
        (["--resume"], "--resume is of a training: add --mode train"),
        (["--mode", "train", "--n-steps", "0"], "--n-steps must be at least 1"),
        (["--mode", "train", "--content", "a.jpg"], "--content is for --mode apply"),
        (["--mode", "train", "--photos", "nowhere"], "nowhere"),
        (["--mode", "train", "--style", "nowhere.jpg"], "nowhere.jpg"),
        (["--mode", "train", "--learning-rate", "nan"], "--learning-rate must be above 0"),
    ],
)
def test_bad_input_is_met_with_a_sentence(refused, photograph, untrained, network, tmp_path, words, part):
    own = [] if "--content" in words or "train" in words else ["--content", photograph]
    net = [] if "--network" in words or "train" in words else ["--network", network]
    judge = ["--weights", untrained] if "train" in words else []
    *_, sentence = refused(fast_style, *own, *net, *judge, *words, "--run-dir", tmp_path / "run")
    assert part in sentence
    assert not (tmp_path / "run").exists()


def test_a_network_of_another_kind_and_too_small_a_picture(refused, untrained, network, tmp_path):
    *_, sentence = refused(fast_style, "--network", untrained, "--run-dir", tmp_path / "run")
    assert "untrained.safetensors holds parameters of no stylizer" in sentence
    Image.fromarray(np.zeros((40, 7, 3), np.uint8)).save(tmp_path / "thin.png")
    words = ["--content", tmp_path / "thin.png", "--network", network, "--run-dir", tmp_path / "run"]
    *_, sentence = refused(fast_style, *words)
    assert "thin.png is 7 x 40 pixels" in sentence


@pytest.mark.slow
def test_any_style_is_trained_and_applied(settings, folder, photograph, tmp_path, refused, network):
    words = settings | {"method": "adain", "style": str(folder), "n_steps": 60, "checkpoint_every": 60}
    trained = fast_style.main(fast_style.Config(**words, run_dir=tmp_path / "train"))
    metrics = Run(trained.run_dir).metrics()
    assert np.mean([m["loss"] for m in metrics[-10:]]) < 0.8 * np.mean([m["loss"] for m in metrics[:10]])
    shared = {"content": str(folder / "b.png"), "network": trained.network, "style_size": 48}
    found = {}
    for alpha in (0.0, 1.0):
        config = fast_style.Config(**shared, style=str(photograph), alpha=alpha, run_dir=tmp_path / f"run{alpha}")
        found[alpha] = read_image(fast_style.main(config).pictures[0])
        assert found[alpha].shape == (41, 33, 3)
    assert (found[0.0] != found[1.0]).any()
    *_, sentence = refused(fast_style, "--network", trained.network, "--weights", "scenes", "--run-dir", tmp_path / "x")
    assert "decodes the features of another network" in sentence


@pytest.mark.parametrize("method", ["transformer", "adain"])
def test_every_term_of_a_training_is_a_number(untrained, method):
    """Shapes alone: nothing is compiled."""
    network, pictures = load_network(str(untrained)), np.zeros((3, 64, 64, 3), np.uint8)
    config = resolved(fast_style.Config(**SMALL, method=method))

    def step(pictures):
        if method == "adain":
            task = any_style(config, network, pictures, pictures)
        else:
            task = one_style(config, network, pictures, jnp.ones((1, 40, 50, 3)))
        return task.loss_fn(task.stylizer.model, task.batch_fn(jnp.int32(0)), jax.random.key(0))

    loss, terms = jax.eval_shape(step, pictures)
    assert loss.shape == ()
    layer = "features.4" if method == "adain" else "features.3"
    assert {f"content/{layer}", "style/features.1", "tv"} <= set(terms)
    assert {term.shape for term in terms.values()} == {()}


@pytest.mark.slow
def test_training_lowers_the_loss(settings, tmp_path):
    words = settings | {"n_steps": 80, "checkpoint_every": 80, "width": 4}
    metrics = Run(fast_style.main(fast_style.Config(**words, run_dir=tmp_path / "run")).run_dir).metrics()
    assert np.mean([m["loss"] for m in metrics[-10:]]) < 0.5 * np.mean([m["loss"] for m in metrics[:10]])


@pytest.mark.slow
def test_without_flags_the_embedded_network_paints_a_cat(tmp_path, monkeypatch):
    pytest.importorskip("skimage", reason="extra `demo`: scikit-image is not installed")
    assert EMBEDDED.stat().st_size <= 600_000
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    result = fast_style.main(fast_style.Config(run_dir=tmp_path / "run"))
    given, found = (Image.open(path).convert("L") for path in (fast_style.sample_file("cat"), result.pictures[0]))
    assert given.size == found.size
    alike = np.corrcoef(*(np.asarray(image, float).ravel() for image in (given, found)))[0, 1]
    assert alike > 0.3  # the cat is still there

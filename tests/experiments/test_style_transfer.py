"""The style transfer experiment, small: what it writes, how it goes on, what it refuses."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from experiments import film, style_transfer
from experiments.style_stages import PRESETS, growing, published
from jaxvision.data import read_image
from jaxvision.errors import InputError
from jaxvision.training import Run

SMALL = {"size": 48, "n_steps": 24, "n_scales": 2}


@pytest.fixture(scope="module")
def manner(tmp_path_factory):
    """A picture of stripes, with EXIF and a colour profile."""
    path = tmp_path_factory.mktemp("manner") / "stripes.png"
    rows, columns = np.mgrid[:70, :90]
    stripes = 128 + 100 * np.sin((rows + 2 * columns) / 4)
    Image.fromarray(np.stack([stripes, 255 - stripes, 0 * stripes + 90], axis=-1).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def settings(untrained, photograph, manner):
    return {"weights": str(untrained), "content": str(photograph), "styles": (str(manner),), **SMALL}


@pytest.fixture(scope="module")
def painted(tmp_path_factory, settings):
    run_dir = tmp_path_factory.mktemp("painting") / "run"
    return style_transfer.main(style_transfer.Config(**settings, run_dir=run_dir))


@pytest.fixture
def paint(settings, tmp_path):
    """`paint(**words)` runs the experiment with other settings than those of `painted`."""

    def run(**words):
        return style_transfer.main(style_transfer.Config(**settings | {"run_dir": tmp_path / "run"} | words))

    return run


def test_every_term_of_every_step_is_logged_and_the_loss_falls(painted):
    lines = Run(painted.run_dir).metrics()
    assert [line["step"] for line in lines] == list(range(1, 25))
    names = {"content/features.3", "tv", "style/features.1"}
    assert set(lines[0]) == {"step", "loss", *names}
    for line in lines:
        np.testing.assert_allclose(sum(line[name] for name in names), line["loss"], rtol=1e-4)
    assert painted.first == {name: value for name, value in lines[0].items() if name != "step"}
    assert set(painted.final) == {"loss", *names}
    assert painted.final["loss"] < painted.first["loss"]


def test_pictures_are_written(painted):
    assert read_image(painted.image).shape == (48, 60, 3) == (*painted.size, 3)
    assert {path.name for path in painted.pictures} == {"stylised.png", "sheet.png", "film_strip.png", "losses.png"}
    assert all(path.stat().st_size > 1000 for path in painted.pictures)
    steps = sorted(path.stem for path in (painted.run_dir / "pictures" / "progress").iterdir())
    assert steps == [f"step_{step:05d}" for step in range(2, 25, 2)]
    config = json.loads((painted.run_dir / "config.json").read_text())
    assert config["learning_rate"] == 0.06


def test_an_interrupted_run_goes_on_to_the_same_bits(painted, settings, tmp_path, monkeypatch):
    """Interrupted in the second size; the checkpoint says which size it is of."""
    config = style_transfer.Config(**settings, run_dir=tmp_path / "run")
    advance, calls = film.advance, []

    def interrupted(*args, **words):
        calls.append(1)
        if len(calls) in (4, 11):
            raise KeyboardInterrupt
        return advance(*args, **words)

    monkeypatch.setattr(film, "advance", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            style_transfer.main(config)
        assert not (tmp_path / "run" / "result.json").exists()
        config = dataclasses.replace(config, resume=True)
    resumed = style_transfer.main(config)
    assert len(calls) == 12 + 2
    for name in ("metrics.jsonl", "pictures/stylised.png", "pictures/film_strip.png", "pictures/losses.png"):
        assert (resumed.run_dir / name).read_bytes() == (painted.run_dir / name).read_bytes()


def test_a_run_goes_on_with_the_network_it_began_with(settings, tmp_path, monkeypatch):
    """Which one "auto" chooses may have changed since."""
    config = style_transfer.Config(**settings | {"n_steps": 2, "weights": "auto"}, run_dir=tmp_path / "run")
    load = style_transfer.load_network
    monkeypatch.setattr(style_transfer, "load_network", lambda weights: load("scenes"))
    style_transfer.main(config)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["weights"] == "scenes"
    monkeypatch.setattr(style_transfer, "load_network", lambda weights: load(settings["weights"]))
    with pytest.raises(InputError, match="was run with weights = 'scenes' and cannot go on with"):
        style_transfer.main(dataclasses.replace(config, resume=True))


def test_exif_and_colour_profile_of_the_content_are_kept(photograph, paint, tmp_path):
    path, profile = tmp_path / "camera.jpg", b"a profile, as opaque bytes"
    with Image.open(photograph) as image:
        exif = image.getexif()
        exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "me", 6
        image.save(path, exif=exif, icc_profile=profile)
    result = paint(content=str(path), n_steps=1, n_scales=1)
    with Image.open(result.image) as written:
        assert written.getexif()[ExifTags.Base.Artist] == "me"
        assert ExifTags.Base.Orientation not in written.getexif()  # the picture is upright already
        assert written.info["icc_profile"] == profile
        assert written.size == (48, 60)


def test_masks_confine_two_styles(paint, photograph, manner, tmp_path):
    left = np.zeros((80, 100), np.uint8)
    left[:, :50] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    Image.fromarray(255 - left).save(tmp_path / "right.png")
    words = {"styles": (str(manner), str(photograph)), "style_weights": (1.0, 2.0), "content_weight": 0.0}
    result = paint(**words, n_steps=12, masks=(str(tmp_path / "left.png"), str(tmp_path / "right.png")))
    assert result.final["content/features.3"] == 0
    assert result.final["loss"] < result.first["loss"]


def test_hues_of_the_content_are_kept(paint, photograph):
    result = paint(preserve_color=True, match_color=True, init="style")
    given = np.asarray(Image.open(photograph).convert("RGB").resize((60, 48)).convert("YCbCr"), float)
    found = np.asarray(Image.fromarray(read_image(result.image)).convert("YCbCr"), float)
    assert np.abs(given - found)[..., 1:].mean() < 6  # of 255
    assert np.abs(given - found)[..., 0].mean() > 6


@pytest.mark.slow
def test_rows_divided_among_devices_give_the_same_picture(painted, paint):
    result = paint(mesh="space=2")
    together, alone = (read_image(path).astype(int) for path in (result.image, painted.image))
    assert np.abs(together - alone).mean() < 0.5  # of 255: sums in another order, and Adam divides by small numbers
    assert result.final["loss"] == pytest.approx(painted.final["loss"], rel=1e-3)


@pytest.mark.parametrize("statistic", ["moments", "sliced"])
def test_other_statistics_and_lbfgs(paint, statistic):
    result = paint(n_steps=8, n_scales=1, optimizer="lbfgs", statistic=statistic)
    assert np.isfinite(result.final["loss"])
    assert result.final["loss"] < result.first["loss"]


def test_a_preset_has_the_courses_numbers(paint):
    assert paint(preset="starry_night", n_steps=20).size == (48, 60)
    stages = published(192, 200)
    assert [stage.end for stage in stages] == [180, 200]
    assert [stage.project.n_steps for stage in stages] == [180, 9]
    assert PRESETS["starry_night"].style_weights == (300_000, 1000, 15, 3)


def test_a_size_that_does_not_fit_is_refused_before_anything_is_made(paint, tmp_path, monkeypatch):
    monkeypatch.setattr(style_transfer, "ALWAYS_FITS", 0)
    monkeypatch.setattr(style_transfer, "memory_there", lambda n_devices: 50 * 2**20)
    with pytest.raises(InputError, match=r"of 320 pixels needs 0\.\d GiB .*: the largest --size that fits is"):
        paint(size=320)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_it_needs(settings, tmp_path, capsys):
    config = style_transfer.Config(**settings, run_dir=tmp_path / "run", dry_run=True)
    assert style_transfer.at_terminal(config) == style_transfer.estimate(config)
    assert "for features and their derivatives" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"from Python, estimate\(config\) says what a run needs"):
        style_transfer.main(config)
    assert not config.run_dir.exists()
    larger = dataclasses.replace(config, size=4 * SMALL["size"])
    small, large = (style_transfer.estimate(c).temporary for c in (config, larger))
    assert 10 < large / small < 20  # sixteen times the pixels


PEAK = """
import sys
from pathlib import Path
from experiments import style_transfer
from experiments.peak_memory import peak_memory

def config(size):
    run_dir = Path(sys.argv[2]) / str(size)
    return style_transfer.Config(weights=sys.argv[1], size=size, n_scales=1, n_steps=2, run_dir=run_dir)

style_transfer.main(config(96))
print(peak_memory(lambda: style_transfer.main(config(768))), style_transfer.estimate(config(768)).total)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of a process is read from Linux")
def test_the_estimate_is_close_to_the_peak(untrained, tmp_path):
    """Within a tenth where it was fitted; what a process holds beside its arrays varies a little from run to run."""
    command = [sys.executable, "-c", PEAK, str(untrained), str(tmp_path)]
    settings = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    settings |= {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # as every command has
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd(), env=settings)
    peak, estimate = map(float, done.stdout.split())
    assert abs(estimate / peak - 1) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ({"style_weights": (0.0,), "init": "noise", "tv_weight": 0.0}, "style/features.1"),
        ({"content_weight": 0.0, "init": "style"}, "content/features.3"),
    ],
    ids=["feature inversion", "texture synthesis"],
)
def test_the_two_corners(paint, words, gone):
    result = paint(**words, n_steps=60, n_scales=1)
    assert result.final[gone] == 0
    assert result.final["loss"] < 0.2 * result.first["loss"]


@pytest.mark.slow
def test_killed_and_resumed_gives_the_bits_of_the_unbroken_run(settings, tmp_path):
    flags = ["--weights", settings["weights"], "--content", settings["content"], "--styles", *settings["styles"]]
    flags += ["--size", "96", "--n-steps", "120"]
    command = [sys.executable, "-m", "experiments.style_transfer", *flags, "--run-dir"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True, cwd=Path.cwd())
    killed = subprocess.Popen([*command, str(tmp_path / "broken")], stderr=subprocess.DEVNULL, cwd=Path.cwd())
    deadline = time.monotonic() + 300
    while not list((tmp_path / "broken").glob("checkpoints/step-*")):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    subprocess.run([*command, str(tmp_path / "broken"), "--resume"], check=True, capture_output=True, cwd=Path.cwd())
    for name in ("metrics.jsonl", "pictures/stylised.png"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_sizes_double_in_area():
    stages = growing(400, 3, 100, "lbfgs", 1.0)
    assert [(stage.side, stage.end) for stage in stages] == [(200, 33), (283, 66), (400, 100)]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--styles", "nowhere.jpg"], "nowhere.jpg"),
        (["--style-weights", "1", "2"], "--style-weights must be one for each of 1 styles, got 2"),
        (["--style-weights", "-1"], "--style-weights must be at least 0"),
        (["--content-weight", "-1"], "--content-weight must be at least 0"),
        (["--size", "8"], "--size must be at least 32"),
        (["--n-steps", "0"], "--n-steps must be at least 1"),
        (["--n-scales", "9"], "--n-scales"),
        (["--style-scale", "inf"], "--style-scale must be above 0, got inf"),
        (["--seed", "-1"], "--seed must be at least 0 and below 2**32, got -1"),
        (["--preset", "the_scream", "--tv-weight", "3"], "--tv-weight is the preset's own"),
        (["--preset", "the_scream", "--optimizer", "lbfgs"], "--optimizer is the preset's own"),
        (["--mesh", "space=99"], "a mesh of space=99 is of 99 devices and there are 2"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--resume", "--run-dir", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_met_with_a_sentence(refused, photograph, untrained, words, part):
    *_, sentence = refused(style_transfer, "--content", photograph, "--weights", untrained, *words)
    assert part in sentence


def test_a_mask_of_another_size_is_refused(refused, photograph, untrained, manner):
    *_, sentence = refused(style_transfer, "--content", photograph, "--weights", untrained, "--masks", manner)
    assert "90 x 70 pixels and the content 100 x 80: a mask must have the content's size" in sentence

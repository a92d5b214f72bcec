"""Each bad input is met with one sentence that names it and says how to mend it, exit code 2, and no traceback."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import class_visualization, fooling, saliency
from jaxvision.weights import load, save

LOOKING = [saliency, fooling]
ALL = [saliency, fooling, class_visualization]
DRAW = ["--targets", "1", "12", "--n-steps", "20", "--tries", "2"]  # one program with test_looking.py
ROOT = Path(__file__).resolve().parents[2]


def name(module):
    return module.__name__.rpartition(".")[2]


def missing(folder):
    return folder / "nowhere.jpg", "nowhere.jpg"


def empty_folder(folder):
    (folder / "empty").mkdir()
    (folder / "empty" / "readme.txt").write_text("no pictures here")
    return folder / "empty", "empty"


def empty_glob(folder):
    return folder / "*.tiff", "*.tiff"


def text_named_jpg(folder):
    path = folder / "letter.jpg"
    path.write_text("Dear reader, this is not a picture.\n" * 20)
    return path, "letter.jpg"


def truncated_jpeg(folder):
    whole = folder / "whole.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    Image.fromarray(noise).save(whole)
    path = folder / "cut.jpg"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return path, "cut.jpg"


def one_pixel(folder):
    path = folder / "dot.png"
    Image.fromarray(np.zeros((1, 1, 3), np.uint8)).save(path)
    return path, "dot.png"


def enormous(folder):
    path = folder / "wall.png"
    Image.new("1", (20_000, 20_000)).save(path)
    return path, "wall.png"


@pytest.mark.parametrize("module", LOOKING, ids=name)
@pytest.mark.parametrize(
    "make",
    [missing, empty_folder, empty_glob, text_named_jpg, truncated_jpeg, one_pixel, enormous],
    ids=lambda f: f.__name__,
)
def test_a_picture_that_cannot_be_used(module, make, tmp_path, untrained, refused):
    path, named = make(tmp_path)
    (sentence,) = refused(module, "--images", path, "--weights", untrained, "--run-dir", tmp_path / "run")
    assert named in sentence
    assert not (tmp_path / "run").exists(), "nothing is written for a run that cannot begin"


@pytest.mark.parametrize("module", ALL, ids=name)
def test_an_unknown_class_suggests_the_nearest(module, tmp_path, untrained, photograph, refused):
    flag = "--target" if module is saliency else "--targets"
    images = [] if module is class_visualization else ["--images", photograph]
    (sentence,) = refused(module, flag, "red cirle", *images, "--weights", untrained, "--run-dir", tmp_path / "run")
    assert "red cirle" in sentence
    assert "red circle" in sentence
    (sentence,) = refused(module, flag, "64", *images, "--weights", untrained, "--run-dir", tmp_path / "run")
    assert "from 0 to 63" in sentence


def noise(path, tensors):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def cut(path, tensors):
    save(path, tensors)
    path.write_bytes(path.read_bytes()[:-1000])


def a_pickle(path, tensors):
    path.write_bytes(pickle.dumps(tensors))


def wrong_shape(path, tensors):
    save(path, tensors | {"features.3.squeeze.weight": tensors["features.3.squeeze.weight"][:, :-1]})


def missing_tensor(path, tensors):
    save(path, {name: value for name, value in tensors.items() if name != "features.7.squeeze.bias"})


def other_network(path, tensors):
    save(path, {"encoder.layer.0.weight": np.zeros((3, 3), np.float32)})


def not_finite(path, tensors):
    save(path, tensors | {"classifier.1.bias": np.full(64, np.nan, np.float32)})


@pytest.mark.parametrize("module", ALL, ids=name)
@pytest.mark.parametrize(
    "damage", [noise, cut, a_pickle, wrong_shape, missing_tensor, other_network, not_finite], ids=lambda f: f.__name__
)
def test_weights_that_cannot_be_used(module, damage, tmp_path, untrained, refused):
    path = tmp_path / "damaged.safetensors"
    damage(path, load(untrained))
    (sentence,) = refused(module, "--weights", path, "--run-dir", tmp_path / "run")
    assert "damaged.safetensors" in sentence


@pytest.mark.parametrize("module", ALL, ids=name)
def test_weights_that_are_not_there(module, tmp_path, refused):
    (sentence,) = refused(module, "--weights", "imagnet", "--run-dir", tmp_path / "run")
    assert "imagnet" in sentence
    assert "imagenet" in sentence


@pytest.mark.parametrize("module", ALL, ids=name)
def test_an_unwritable_run_directory(module, tmp_path, untrained, photograph, refused):
    """A file where a folder is wanted: permission bits would not stop the superuser."""
    (tmp_path / "taken").write_text("a file")
    images = ["--images", photograph] if module is not class_visualization else []
    for path in (tmp_path / "taken", tmp_path / "taken" / "below"):
        (sentence,) = refused(module, "--weights", untrained, *images, "--run-dir", path)
        assert str(path) in sentence


def test_a_run_directory_that_holds_a_run_is_not_overwritten(tmp_path, untrained, photograph, refused):
    (tmp_path / "config.json").write_text("{}")
    (sentence,) = refused(saliency, "--weights", untrained, "--images", photograph, "--run-dir", tmp_path)
    assert "--run-dir" in sentence
    assert (tmp_path / "config.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (saliency, ["--n-samples", "0"]),
        (fooling, ["--n-samples", "0"]),
        (fooling, ["--n-steps", "-1"]),
        (fooling, ["--learning-rate", "0"]),
        (class_visualization, ["--n-steps", "-1"]),
        (class_visualization, ["--blur-every", "-1"]),
    ],
)
def test_a_number_out_of_range_names_its_flag(module, words, tmp_path, untrained, refused):
    (sentence,) = refused(module, *words, "--weights", untrained, "--run-dir", tmp_path / "run")
    assert words[0] in sentence


def test_an_image_that_is_no_longer_finite(tmp_path, untrained, refused):
    """A penalty whose gradient is beyond float32."""
    words = [*DRAW, "--l2", "3e38", "--weights", untrained, "--run-dir", tmp_path / "run"]
    *notes, sentence = refused(class_visualization, *words)
    assert "not finite" in sentence
    assert len(notes) == 1
    assert "asked for by name" in notes[0]


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"} | environment,
    )


def test_a_process_of_its_own_says_one_sentence(tmp_path):
    """The same from outside: nothing a library prints comes between."""
    done = run("experiments.saliency", "--weights", tmp_path / "none.safetensors")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "none.safetensors" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
@pytest.mark.parametrize("module", ALL, ids=name)
def test_a_full_disk(module, tmp_path, untrained, photograph, refused):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", disk], capture_output=True, check=False)
    if mount.returncode != 0:
        pytest.skip("mounting a small disk takes the superuser; test_command has the error itself")
    words = DRAW if module is class_visualization else ["--images", photograph]
    try:
        *_, sentence = refused(module, *words, "--weights", untrained, "--run-dir", disk / "run")
        assert "disk is full" in sentence
        assert str(disk) in sentence
    finally:
        subprocess.run(["umount", "-l", disk], check=True)

"""Every command that the texts show, run: with the files it names, at a size that takes seconds."""

import dataclasses
import glob
import importlib
import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.__main__ import main as overview
from experiments.flags import parsed
from jaxvision.errors import InputError
from tests.test_commands import COMMANDS, as_id

ROOT = Path(__file__).parents[1]

# Settings that say how long, how many and how large, whatever the text says; the rest is as shown.
FEW = {
    "attack": {"n_steps": 2, "n_samples": 4, "attacks": ("fgsm", "pgd")},
    "attack_strength": {"n_samples": 4, "n_searched": 2, "n_steps": 2, "n_queries": 2},
    "attribution": {"n_steps": 2, "n_samples": 2, "methods": ("saliency", "grad_cam")},
    "benchmark": {"rounds": 1, "quick": True, "peers": False, "compile": False, "style_steps": 2},
    "benchmark_feeding": {"batch_size": 2, "n_batches": 2, "size": 64},
    "benchmark_growth": {"rounds": 1, "quick": True, "curves": ("length",)},
    "caption": {"steps": 2, "n_train": 200, "n_held_out": 4, "batch_size": 8},
    "caption_models": {"seeds": 2, "n_train": 16, "n_held_out": 4, "steps": 2, "batch_size": 8},
    "caption_rewards": {"seeds": 2, "n_train": 16, "n_held_out": 4, "steps": 2, "batch_size": 8},
    "class_visualization": {"n_steps": 2, "tries": 1},
    "fast_style": {"n_steps": 2, "size": 64, "style_size": 64, "width": 4, "n_blocks": 1},
    "faults": {"kills": 0, "quick": True},
    "fooling": {"n_steps": 2, "n_samples": 1},
    "gan": {"steps": 2, "n_samples": 100, "batch_size": 16},
    "saliency": {"n_samples": 2},
    "soak": {"minutes": 0.1, "every": 0.02},
    "style_quality": {"size": 64, "n_steps": 2, "rounds": 1, "content_weights": (0.5, 1.0)},
    "style_sheet": {"size": 64, "n_steps": 2},
    "style_transfer": {"size": 64, "n_steps": 2},
    "train_classifier": {"steps": 2, "batch_size": 8, "n_held_out": 100, "steps_per_dispatch": 1},
    "train_encoder": {"steps": 2, "batch_size": 8, "n_held_out": 100},
    "visualize": {"n_steps": 2, "n": 2, "size": 64},
}
ELSEWHERE = {"studio": "test_studio.py", "tour": "test_tour.py", "faults": "test_faults.py", "soak": "test_soak.py"}
PICTURES = ("cat.jpg", "photo.jpg", "painting.jpg", "a.jpg", "b.jpg", "tubingen.jpg", "FILE", "holiday/1.jpg")
PAINTINGS = ("starry_night.jpg", "the_scream.jpg", "composition_vii.jpg")
CHECKPOINTS = {
    "captioner.safetensors": "captioner_scenes",
    "generator.safetensors": "generator_mnist",
    "style.safetensors": "transformer_tissue",
    "digits.safetensors": "lenet_mnist",
    "net.safetensors": "squeezenet_scenes",
}


def runnable():
    for module, words in COMMANDS:
        name = module.removeprefix("experiments.")
        # Several processes are for test_hosts.py.
        if module != "pytest" and name not in ELSEWHERE and "--hosts" not in words:
            yield name, words


def draw(path: Path, seed: int) -> None:
    """A picture of some colours; in the form of its name, or a JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    few = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    Image.fromarray(few).resize((96, 80)).save(path, "png" if path.suffix == ".png" else "jpeg")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with all that the commands name."""
    folder = tmp_path_factory.mktemp("desk")
    names = (*PICTURES, *PAINTINGS, "archive/2024/1.png", "archive/2.png", "holiday/2.jpg")
    many = [f"{room}/{number}.jpg" for room in ("FOLDER", "PAINTINGS") for number in range(120)]
    for seed, name in enumerate((*names, *many)):
        draw(folder / name, seed)
    for name, checkpoint in CHECKPOINTS.items():
        for suffix in ("safetensors", "md"):
            shutil.copy(ROOT / "checkpoints" / f"{checkpoint}.{suffix}", (folder / name).with_suffix(f".{suffix}"))
    (folder / "checkpoints").mkdir()
    (folder / "home").mkdir()
    theirs = os.environ.get("JAXVISION_HOME")
    for path in Path(theirs).iterdir() if theirs else ():
        if path.name not in ("prepared", "features", "compiled"):  # what commands make, they make here
            (folder / "home" / path.name).symlink_to(path.resolve())
    return folder


@pytest.fixture
def at_the_desk(desk, monkeypatch):
    monkeypatch.chdir(desk)
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    monkeypatch.setenv("JAXVISION_HOME", str(desk / "home"))
    return desk


def run(name, words):
    """As the command, with few steps; files that another command exports are made by it first."""
    experiment = importlib.import_module(f"experiments.{name}")
    words = [found for word in words for found in (sorted(glob.glob(word)) or [word])]  # what a shell does
    for before, word in itertools.pairwise(words):
        if word.endswith(".safetensors") and before != "--export" and not Path(word).exists():
            made_by(word)
    settings, _ = parsed(experiment.Config, program=name, description="", words=words)
    few = dict(FEW.get(name, {}))
    if getattr(settings, "mesh", None):
        few["mesh"] = "space=2" if "space" in settings.mesh else "data=2"  # the tests have two devices
    if name == "benchmark":
        few["rows"] = settings.rows[-1:] or ("scenes rendered",)
    if name == "caption" and settings.n_samples:
        few["n_samples"] = 2
    if getattr(settings, "replicas", 1) > 2:
        few["replicas"] = 2
    if name == "fast_style" and settings.mode == "apply":
        few = {"size": 64}  # the others are of a training
    run_it = experiment.at_terminal if getattr(settings, "dry_run", False) else experiment.main
    return run_it(dataclasses.replace(settings, **few))


def made_by(file):
    """Runs the command of the texts that writes a file; the COCO captioner is learnt from the small set."""
    if file == "coco.safetensors":
        run("caption", ("--dataset", "coco_mini", "--export", file))
    else:
        run(*next(one for one in runnable() if ("--export", file) in itertools.pairwise(one[1])))


def make_film(path):
    videos = importlib.import_module("experiments.videos")
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), np.uint8)
    with videos.writer(path, (48, 64), videos.Clip(path, (48, 64), 24, 0, "")) as write:
        for frame in frames:
            write(frame)


@pytest.mark.commands
@pytest.mark.parametrize(("name", "words"), list(runnable()), ids=as_id)
def test_a_command_runs(name, words, at_the_desk, capsys):
    if name == "experiments":
        return overview(list(words))
    if "holiday.mp4" in words and not Path("holiday.mp4").exists():
        pytest.importorskip("imageio_ffmpeg", reason="extra `video`: imageio-ffmpeg is not installed")
        make_film(Path("holiday.mp4"))
    try:
        result = run(name, words)
    except InputError as error:
        if any(word in str(error) for word in ("JAXVISION_HOME", "JAXVISION_OFFLINE", "is not installed")):
            pytest.skip(str(error))
        raise
    assert result is not None
    for word in words:
        if word.endswith(".safetensors"):
            assert Path(word).is_file()
    folder = getattr(result, "run_dir", None)
    assert folder is None or all(Path(picture).is_file() for picture in getattr(result, "pictures", ()))

"""Small networks and pictures that the tests of the experiments share."""

from fractions import Fraction

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import videos
from experiments.command import command
from experiments.networks import SCENES, load_network
from jaxvision.backbones import squeezenet1_1, state_dict
from jaxvision.weights import save


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """A safetensors file of a SqueezeNet with 64 classes that has learnt nothing: no test here needs it to."""
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    model = jax.jit(lambda key: squeezenet1_1(num_classes=64, key=key))(jax.random.key(0))  # quicker than op by op
    save(path, state_dict(model))
    return path


@pytest.fixture(scope="session")
def embedded():
    """The network that comes with the project, where one that has learnt something is needed."""
    if not SCENES.exists():
        pytest.skip(f"{SCENES.name} is not in checkpoints: python -m experiments.train_classifier makes it")
    return load_network("scenes")


@pytest.fixture(scope="session")
def photograph(tmp_path_factory):
    """A picture file with more than noise on it."""
    path = tmp_path_factory.mktemp("pictures") / "my photograph.png"
    rows, columns = np.mgrid[:80, :100]
    Image.fromarray(np.stack([2 * rows, 2 * columns, rows + columns], axis=-1).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def refused(capsys):
    """`refused(module, *words)` runs a command that must be refused and gives its one sentence."""

    def run(module, *words):
        with pytest.raises(SystemExit) as stop:
            command(module.main, module.Config, args=list(map(str, words)))
        printed = capsys.readouterr()
        lines = [line for line in printed.err.splitlines() if line]
        assert stop.value.code == 2, printed.err
        assert printed.out == ""
        assert "Traceback" not in printed.err
        return lines

    return run


@pytest.fixture(scope="session")
def ffmpeg():
    """The package that videos need."""
    return pytest.importorskip("imageio_ffmpeg", reason="extra `video`: imageio-ffmpeg is not installed")


@pytest.fixture(scope="session")
def film():
    """`film(n, height, width)` gives n frames of a bright square that moves over a ramp."""

    def draw(n, height, width):
        rows, columns = np.mgrid[:height, :width]
        frames = np.broadcast_to((40 + rows + columns)[None, ..., None], (n, height, width, 3)).astype(np.uint8)
        for t, frame in enumerate(frames):
            frame[8:16, 2 + t : 10 + t] = [230, 60, 30]
        return frames

    return draw


@pytest.fixture(scope="session")
def make_video(ffmpeg):
    """`make_video(path, frames, rate)` writes a video and gives its path."""

    def make(path, frames, rate=Fraction(24)):
        size = frames.shape[1:3]
        with videos.writer(path, size, videos.Clip(path, size, rate, 0, "")) as write:
            for frame in frames:
                write(frame)
        return path

    return make


@pytest.fixture
def cut_video(make_video, tmp_path):
    """Half of a Matroska file of 30 frames, which can be read as far as it goes."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 48, 64, 3), np.uint8)
    whole, path = make_video(tmp_path / "whole.mkv", noise), tmp_path / "cut.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return path

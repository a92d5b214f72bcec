"""Small networks and pictures that the tests of the experiments share."""

import jax
import numpy as np
import pytest
from PIL import Image

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

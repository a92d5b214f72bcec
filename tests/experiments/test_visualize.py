"""A sheet of classes and one of channels, small: what is drawn, how it goes on, what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from experiments import film, visualize
from experiments.command import command
from experiments.inputs import probabilities
from experiments.networks import load_network
from jaxvision.errors import InputError

DRAW = visualize.Config(targets=("3", "blue star", "0"), n_steps=8, size=32, transform=False)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, untrained):
    run_dir = tmp_path_factory.mktemp("sheet") / "run"
    return visualize.main(dataclasses.replace(DRAW, weights=str(untrained), run_dir=run_dir))


def test_classes_are_drawn_in_order_and_the_numbers_are_those_of_the_pictures(drawn, untrained):
    network = load_network(str(untrained))
    blue_star = network.class_names.index("blue star")
    assert [d.target for d in drawn.drawings] == [network.class_names[k] for k in (3, blue_star, 0)]
    pictures = sorted(drawn.run_dir.glob("pictures/0*.png"))
    written = np.stack([np.asarray(Image.open(path), np.float32) / 255 for path in pictures])
    assert written.shape == (3, 32, 32, 3)
    answers = probabilities(network, written)
    seen = answers[np.arange(3), [3, blue_star, 0]]
    np.testing.assert_allclose(seen, [d.probability for d in drawn.drawings], rtol=0.02)  # 8 bits
    assert drawn.recognised == sum(d.target == d.predicted for d in drawn.drawings)
    lines = [json.loads(line) for line in (drawn.run_dir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert lines[-1]["objective"] > lines[0]["objective"]
    stored = json.loads((drawn.run_dir / "result.json").read_text())
    assert json.loads(json.dumps(dataclasses.asdict(drawn), default=str)) == stored


def test_an_interrupted_sheet_goes_on_to_the_same_bits(tmp_path, untrained, monkeypatch):
    """Nine channels are two batches; the second is broken off."""
    config = visualize.Config(
        layer="fire3", n=9, n_steps=2, size=32, weights=str(untrained), run_dir=tmp_path / "whole"
    )
    whole = visualize.main(config)
    assert [d.target for d in whole.drawings] == [f"fire3 {k}" for k in (0, 16, 32, 48, 64, 79, 95, 111, 127)]
    assert whole.recognised == 0
    advance, calls = film.advance, []

    def interrupted(*args, **words):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return advance(*args, **words)

    monkeypatch.setattr(film, "advance", interrupted)
    config = dataclasses.replace(config, run_dir=tmp_path / "part")
    with pytest.raises(KeyboardInterrupt):
        visualize.main(config)
    resumed = visualize.main(dataclasses.replace(config, resume=True))
    assert resumed.drawings == whole.drawings
    for name in ("metrics.jsonl", "pictures/contact_sheet.png"):
        assert (resumed.run_dir / name).read_bytes() == (whole.run_dir / name).read_bytes()


def test_bad_input_is_one_sentence(tmp_path, untrained, capsys):
    for words, sentence in (
        (["--layer", "fire77"], 'there is no layer "fire77": --layer takes one of'),
        (["--layer", "fire3", "--targets", "128"], "fire3 has channels 0 to 127: --targets cannot be 128"),
        (["--targets", "blue stare"], "the nearest are blue star"),
        (["--size", "8"], "--size must be at least 17, got 8"),
        (["--temperature", "0"], "--temperature must be above 0, got 0.0"),
    ):
        with pytest.raises(SystemExit) as stopped:
            command(visualize.main, visualize.Config, args=[*words, "--weights", str(untrained)])
        assert stopped.value.code == 2
        assert sentence in capsys.readouterr().err


def test_settings_depend_on_the_network():
    small, large = (visualize.resolved(visualize.Config(), size) for size in (64, 224))
    assert (small.size, large.size) == (64, 128)
    with pytest.raises(InputError, match="--n must be at least 1, got 0"):
        visualize.resolved(visualize.Config(n=0), 224)

"""The comparison of style statistics: its arithmetic, and one small run of it."""

import json

import numpy as np
import pytest

from experiments import style_quality
from experiments.style_quality_report import Curve, row_of, write_table


def curve(scale=1.0):
    """Two styles at three content weights: distance 0.04 / content, so a straight line of logarithms."""
    content = np.array([[0.4, 0.2, 0.1], [0.8, 0.4, 0.2]])
    return Curve(content, {"gram": scale * 0.04 / content, "sliced": np.full((2, 3), 0.5)})


def test_distances_are_compared_at_equal_content():
    found = curve().at(0.25)
    assert found["gram"] == pytest.approx(0.16, abs=1e-3)
    assert found["sliced"] == 0.5
    assert curve().at(0.15) == {"gram": None, "sliced": None}  # the second style never keeps so much


def test_a_row_and_its_tables(tmp_path):
    row = row_of("gram", curve(2.0), (0.5, 2.0, 8.0), 0.25, np.array([0.01, 0.02, 0.03]))
    assert row.content_weight == 2.0
    assert row.content_at_weight == pytest.approx(np.sqrt(0.2 * 0.4))
    assert row.held_out_at_weight["gram"] == pytest.approx(0.08 / np.sqrt(0.2 * 0.4))
    write_table(tmp_path / "table.md", [row], 0.25, "a network")
    text = (tmp_path / "table.md").read_text()
    assert "| gram | 0.320 | 0.500 | 20 |" in text
    assert "| gram | 0.283 | 0.500 | 0.283 | 20 |" in text


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--content-weights", "2", "1"], "--content-weights must be two or more, above 0 and ascending, got 2.0 1.0"),
        (["--size", "8"], "--size must be at least 64"),
        (["--content-loss", "0"], "--content-loss must be above 0"),
        (["--styles", "nowhere.jpg"], "nowhere.jpg"),
    ],
)
def test_bad_input_is_met_with_a_sentence(refused, photograph, untrained, words, part):
    *_, sentence = refused(style_quality, "--content", photograph, "--weights", untrained, *words)
    assert part in sentence


@pytest.mark.slow
def test_every_statistic_is_optimised_and_measured(photograph, untrained, tmp_path):
    settings = {"content": str(photograph), "styles": (str(photograph),), "weights": str(untrained), "size": 64}
    config = style_quality.Config(**settings, n_steps=3, rounds=1, run_dir=tmp_path / "run")
    result = style_quality.main(config)
    names = ["gram", "moments", "wasserstein", "sliced"]
    assert [row.statistic for row in result.rows] == names
    assert all(list(row.held_out_at_weight) == names and row.step.median > 0 for row in result.rows)
    assert len(json.loads((tmp_path / "run" / "result.json").read_text())["rows"]) == 4
    assert all(path.stat().st_size > 1000 for path in result.pictures)

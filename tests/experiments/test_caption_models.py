"""The comparison of captioners: its table by hand, what it refuses; all of it, small (slow)."""

import pytest

from experiments import caption_models
from experiments.caption_models import Trial, rows


def trial(model, seed, claims, points=None):
    return Trial(model, seed, 1234, 9.0, claims, 0.5, 1.0, *[points] * 6)


def test_the_table_has_means_and_students_intervals():
    trials = [trial("plain", seed, claims) for seed, claims in enumerate((0.5, 0.6, 0.7))]
    trials += [trial("attention", seed, claims, 0.9) for seed, claims in enumerate((0.7, 0.8, 0.9))]
    plain, attention = rows(trials, {"plain": 0.02, "attention": 0.05}).splitlines()[2:]
    # Of 50, 60 and 70 the deviation is 10: 4.303 * 10 / sqrt(3) = 24.8; all three are 20 more.
    assert plain == "| plain | 1,234 | 60.0 ± 24.8 |  | 50.0 ± 0.0 | 1.00 ± 0.00 |  |  |  |  | 1.00 |"
    shares = " | ".join(["90.0 ± 0.0"] * 4)
    expected = f"80.0 ± 24.8 | 20.0 ± 0.0 | 50.0 ± 0.0 | 1.00 ± 0.00 | {shares} | 2.50"
    assert attention == f"| attention | 1,234 | {expected} |"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--seeds", "1"), "--seeds must be 2 to 5, for an interval, got 1"),
        (("--steps", "0"), "--steps must be above 0, got 0"),
    ],
)
def test_bad_settings(refused, words, sentence):
    assert refused(caption_models, *words) == [sentence]


@pytest.mark.slow
def test_all_of_it(tmp_path):
    names = ("plain", "attention", "transformer, guided")
    few = {"n_train": 20, "n_held_out": 10, "steps": 4, "batch_size": 4, "hidden_size": 8, "embed_size": 4, "seeds": 2}
    result = caption_models.main(caption_models.Config(models=names, run_dir=tmp_path / "run", **few))
    assert [trial.model for trial in result.trials] == [*names] * 2
    assert (tmp_path / "run" / "pictures" / "models.md").read_text("utf-8") == result.table + "\n"

"""Whether reading holds the network up: the rates, and what is refused."""

import json

from experiments import benchmark_feeding
from experiments.benchmark_feeding import Config


def test_three_rates_of_files_of_ones_own(photograph, tmp_path, capsys):
    few = {"size": 32, "batch_size": 2, "n_batches": 2, "threads": 2}
    result = benchmark_feeding.main(Config(images=(photograph,), run_dir=tmp_path / "run", **few))
    assert min(result.decoded, result.needed, result.together) > 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["decoded"] == result.decoded
    assert "1 files, forward step at 32 px" in capsys.readouterr().out


def test_bad_settings(refused, tmp_path):
    assert refused(benchmark_feeding, "--threads", "0") == ["--threads must be at least 1, got 0"]
    (sentence,) = refused(benchmark_feeding, "--images", tmp_path / "none.jpg")
    assert "none.jpg" in sentence

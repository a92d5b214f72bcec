import subprocess
import sys

import numpy as np
import pytest

from jaxvision.weights import WEIGHTS, save
from jaxvision.weights.command_line import main


def failure(capsys, *args):
    """The one line on standard error of a command that ends with code 2."""
    with pytest.raises(SystemExit) as raised:
        main(args)
    out, err = capsys.readouterr()
    assert raised.value.code == 2
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def test_list_says_what_is_published_and_what_is_here(own_home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    save(own_home / "weights" / "vgg16.safetensors", {"w": np.ones(1, np.float32)})
    (own_home / WEIGHTS["vgg19"].file.path).write_bytes(b"")
    (own_home / (WEIGHTS["squeezenet1_1"].file.path + ".part")).write_bytes(bytes(2_479_420))
    main(["list"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert " yes " in lines["vgg16"]
    assert "71.592" in lines["vgg16"]
    assert "553 MB" in lines["vgg16"]
    assert "downloaded, not converted" in lines["vgg19"]
    assert "50 % downloaded" in lines["squeezenet1_1"]
    assert " no " in lines["class_names"]
    assert "96 MB" in lines["inception_v3_fid"]
    assert str(own_home) in lines["Home:"]


def test_list_urls_gives_addresses_and_digests(own_home, capsys):
    main(["list", "--urls"])
    out = capsys.readouterr().out
    for entry in WEIGHTS.values():
        assert f"{entry.file.url}\n  {entry.file.digest}" in out


def test_fetch_prints_where_it_is(own_home, capsys):
    target = own_home / "weights" / "vgg16.safetensors"
    save(target, {"w": np.ones(1, np.float32)})
    main(["fetch", "vgg16"])
    assert capsys.readouterr().out == f"{target}\n"


def test_failures_are_one_sentence_and_code_two(own_home, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    assert "'vgg61': expected one of" in failure(capsys, "fetch", "vgg61")
    assert "nothing to fetch" in failure(capsys, "fetch")
    assert "JAXVISION_OFFLINE forbids" in failure(capsys, "fetch", "squeezenet1_1")
    assert "none.pth is missing" in failure(capsys, "convert", str(tmp_path / "none.pth"))


def test_bad_flags_end_with_code_two(capsys):
    for args in ([], ["lisst"], ["convert"], ["list", "--no-such-flag"]):
        with pytest.raises(SystemExit) as raised:
            main(args)
        assert raised.value.code == 2


def test_ctrl_c_says_that_nothing_is_lost(own_home, capsys, monkeypatch):
    def interrupted(file):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxvision.files.fetch", interrupted)
    with pytest.raises(SystemExit) as raised:
        main(["fetch", "vgg16"])
    assert raised.value.code == 130
    assert "goes on from there" in capsys.readouterr().err


def test_the_module_runs_and_loads_neither_torch_nor_jax(own_home):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "jaxvision.weights", "--help"], capture_output=True, text=True, check=True
    )
    for word in ("list", "fetch", "convert", "JAXVISION_HOME"):
        assert word in done.stdout
    script = "import sys, jaxvision.weights.command_line; assert not {'torch', 'jax', 'flax'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.peers
def test_convert_and_refusal_from_the_terminal(own_home, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "good.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "bad.pth")

    def run(name):
        command = [sys.executable, "-m", "jaxvision.weights", "convert", tmp_path / name]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good, bad = run("good.pth"), run("bad.pth")
    assert (good.returncode, good.stdout) == (0, f"{tmp_path / 'good.safetensors'}\n")
    assert bad.returncode == 2
    assert bad.stderr.count("\n") == 1
    assert "it was refused" in bad.stderr

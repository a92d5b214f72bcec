"""The notebooks run as they are written, from a fresh checkout, and both halves of each pair say the same."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("notebooks/[0-9]*.py"))
every_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
MOST_BYTES = 200_000  # of a notebook, outputs included: the checkout stays small and a difference readable

OWN_HOME = os.environ.get("JAXVISION_HOME")

EXECUTE = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """What a command sees in a fresh checkout, without a network and without a screen; Jupyter writes to `tmp_path`."""
    for name in ("JAXVISION_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return {name: value for name, value in os.environ.items() if name != "DISPLAY"}


def cells_of(path):
    """Kind and text of each cell; `py` halves by jupytext, the others as the JSON that they are."""
    if path.suffix == ".py":
        jupytext = pytest.importorskip("jupytext")
        cells = jupytext.read(path).cells
    else:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]


def test_there_is_one_for_each_exercise():
    assert [path.stem[0] for path in SOURCES] == ["1", "2", "3", "4", "5"]
    assert [path.stem for path in SOURCES] == sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))


@every_notebook
def test_pairs_say_the_same(source):
    """After an edit: `jupytext --sync notebooks/*.ipynb`."""
    assert cells_of(source) == cells_of(source.with_suffix(".ipynb"))


@every_notebook
def test_what_is_stored_stays_small(source):
    notebook = json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))
    assert source.with_suffix(".ipynb").stat().st_size < MOST_BYTES
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"  # any machine's, not one's own environment


@every_notebook
def test_every_cell_parses_and_has_checks_and_pictures(source):
    code = [text for kind, text in cells_of(source.with_suffix(".ipynb")) if kind == "code"]
    for text in code:
        compile(text, source.name, "exec")
    assert sum(text.count("check(") for text in code) >= 4
    assert any("show(" in text for text in code)


@every_notebook
def test_the_text_leads_somewhere(source):
    text = "\n".join(text for kind, text in cells_of(source.with_suffix(".ipynb")) if kind == "markdown")
    assert not re.search(r"\b(simply|just|easy|easily)\b", text, flags=re.IGNORECASE)
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert links
    assert all((source.parent / link).exists() for link in links)


@pytest.mark.slow
@every_notebook
def test_it_runs(source, fresh, tmp_path):
    pytest.importorskip("skimage", reason="extra `demo`: scikit-image is not installed")
    pytest.importorskip("sklearn", reason="extra `demo`: scikit-learn is not installed")
    done = subprocess.run(
        [sys.executable, str(source)], env=fresh, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("relative error") >= 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_runs_in_jupyter(fresh, tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("skimage", reason="extra `demo`: scikit-image is not installed")
    del fresh["MPLBACKEND"]  # the kernel's own, which puts figures into the notebook
    if OWN_HOME:  # ImageNet's network and the published values, where the reader has them
        fresh["JAXVISION_HOME"] = OWN_HOME
    notebook, executed = ROOT / "notebooks" / "4_style_transfer.ipynb", tmp_path / "executed.ipynb"
    command = [sys.executable, "-c", EXECUTE, str(notebook), str(notebook.parent), str(executed)]
    done = subprocess.run(command, env=fresh, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outputs = [output for cell in json.loads(executed.read_text())["cells"] for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output["output_type"] == "error" for output in outputs)

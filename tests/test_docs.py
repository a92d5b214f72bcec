"""The documentation runs as it is written, and its site knows every public name."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jaxvision.attribution

ROOT = Path(__file__).parents[1]
SNIPPETS = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
PAGES = sorted(page for page in ROOT.glob("docs/**/*.md") if SNIPPETS.search(page.read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_run(page):
    pytest.importorskip("skimage", reason="extra `demo`: scikit-image is not installed")
    exec(compile("".join(SNIPPETS.findall(page.read_text(encoding="utf-8"))), str(page), "exec"), {})


def test_the_reference_has_every_room():
    rooms = {path.parent.name for path in ROOT.glob("jaxvision/*/__init__.py")} | {"signatures"}
    hidden = {"files", "forms", "onednn"}  # what users do not call
    assert {page.stem for page in ROOT.glob("docs/api/*.md")} == rooms - hidden


def defined(package: str):
    """Every public function and class of a package, where it is defined: its name and its definition."""
    tree = ast.parse((ROOT.joinpath(*package.split(".")) / "__init__.py").read_text(encoding="utf-8"))
    public = next(ast.literal_eval(node.value) for node in tree.body if ast.unparse(node).startswith("__all__ ="))
    modules = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    for name in public:
        module, own = modules[name]
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        nodes = ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else []
        yield from ((name, n) for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == own)


PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts)
    for path in ROOT.glob("jaxvision/*/**/__init__.py")
    if "__all__" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_documented_and_every_function_shown(package):
    found = dict(defined(package))
    assert (len(found) > 3) == (package != "jaxvision.metrics")  # which holds packages alone
    assert [name for name, node in found.items() if not ast.get_docstring(node)] == []
    functions = {name: ast.get_docstring(node) for name, node in found.items() if isinstance(node, ast.FunctionDef)}
    assert [name for name, text in functions.items() if text and ">>>" not in text] == []


def test_every_dependency_is_listed_with_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    always, extras = (dict(re.findall(r"^\| ([\w-]+) \| (\d[^|]*) \|", part, re.M)) for part in page.split("## Extras"))
    specifier = re.compile(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:,<([\d.]+))?")

    def ranges(requirements):
        found = [specifier.match(each).groups() for each in requirements]
        return {name: least + (f", below {end}" if end else "") for name, least, end in found}

    assert always == ranges(project["dependencies"])
    extra = project["optional-dependencies"]
    of_developers = {"peers", "test", "fuzz", "mutation"}
    wanted = [each for name, group in extra.items() if name not in of_developers for each in group]
    assert extras == ranges(wanted)
    rest = {re.match(r"[\w-]+", each)[0] for name in of_developers for each in extra[name]} - set(extras)
    assert [name for name in sorted(rest) if not re.search(rf"\b{name}\b", page)] == []


@pytest.mark.slow
def test_the_site_builds_and_names_everything(tmp_path):
    pytest.importorskip("mkdocstrings", reason="extra `docs`: mkdocstrings is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    attribution = (tmp_path / "api/attribution/index.html").read_text(encoding="utf-8")
    named = {anchor.rsplit(".", 1)[1] for anchor in re.findall(r'id="(jaxvision\.[\w.]+)"', attribution)}
    assert set(jaxvision.attribution.__all__) <= named
    assert "<math" in attribution
    assert "arithmatex" not in attribution
    assert "$$" not in re.sub(r"<[^>]+>", "", (tmp_path / "tutorials/lstm/index.html").read_text(encoding="utf-8"))

"""What no line of the project does with a file of somebody else's: unpickle it, run it, unpack it where it says."""

import ast
import importlib
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from jaxvision.files import PublishedFile
from jaxvision.files.transfer import _Secure

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for room in ("jaxvision", "experiments") for path in (ROOT / room).rglob("*.py"))
NEVER_IMPORTED = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code", "yaml", "xml"}
NEVER_CALLED = {"eval", "exec", "compile", "__import__"}
NEVER_NAMED = {"os.system", "os.popen", "os.execv", "subprocess.getoutput", "subprocess.getstatusoutput"}
NEVER_ASKED = {"extractall", "unpack_archive"}
# Where archives are opened, each by what bounds it.
ARCHIVES = {
    "zipfile": {
        "jaxvision/data/captions/coco_json.py",
        "jaxvision/data/captions/course.py",
        "jaxvision/data/captions/pictures.py",
        "jaxvision/data/captions/zips.py",
    },
    "tarfile": set(),
}
# One downloads; one asks only whether a server is there; the others find a free port here, or listen at one.
NETWORK = {
    "jaxvision/files/transfer.py",
    "experiments/networks.py",
    "jaxvision/training/hosts.py",
    "experiments/fault_pairs.py",
    "experiments/studio.py",
}


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def offences(path: Path) -> list[str]:
    tree, name = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT).as_posix()
    modules = imported(tree)
    found = sorted({module.partition(".")[0] for module in modules} & NEVER_IMPORTED)
    found += [module for module, places in ARCHIVES.items() if module in modules and name not in places]
    found += sorted(modules & {"urllib.request", "http.client", "requests", "socket"}) if name not in NETWORK else []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        arguments = {word.arg: ast.unparse(word.value) for word in node.keywords}
        never = function in NEVER_CALLED | NEVER_NAMED or function.rpartition(".")[2] in NEVER_ASKED
        unsafe = {arguments.get("shell", "False"), arguments.get("allow_pickle", "False")} != {"False"}
        pickled = function == "torch.load" and arguments.get("weights_only") != "True"
        found += [ast.unparse(node)] if never or unsafe or pickled else []
    return found


def test_nothing_is_unpickled_run_or_unpacked():
    assert len(SOURCES) > 300
    found = {path.relative_to(ROOT).as_posix(): wrong for path in SOURCES if (wrong := offences(path))}
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from tarfile import open",
        "eval(text)",
        "os.system(command)",
        "subprocess.run(command, shell=True)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "archive.extractall(folder)",
        "import urllib.request",
    ],
)
def test_each_of_it_would_be_seen(line, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(line)
    assert len(offences(tmp_path / "a.py")) == 1


def published() -> list[PublishedFile]:
    """All of them: a module that names none by itself is not imported."""
    sources = [path for path in SOURCES if "PublishedFile(" in path.read_text(encoding="utf-8")]
    names = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in sources]
    values = [value for name in names for value in vars(importlib.import_module(name)).values()]
    return list({file.path: file for value in values for file in files_in(value)}.values())


def files_in(value: object) -> list[PublishedFile]:
    if isinstance(value, PublishedFile):
        return [value]
    if isinstance(value, dict):
        return [file for item in value.values() for file in files_in(item)]
    if isinstance(value, tuple):
        return [file for item in value for file in files_in(item)]
    inner = getattr(value, "file", None)
    return [inner] if isinstance(inner, PublishedFile) else []


def test_every_download_is_https_with_a_digest():
    files = published()
    assert len(files) >= 20
    assert [file.url for file in files if not file.url.startswith("https://")] == []
    # The course publishes none: what came first is recorded, and later copies are compared with that.
    assert [file.path for file in files if not file.digest] == ["coco_captioning/coco_captioning.zip"]


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a", "file:///etc/passwd", "ftp://example.org/a", "http://127.0.0.1:80@example.org/a", ""],
)
def test_a_manifest_of_other_addresses_is_refused(url):
    with pytest.raises(ValueError, match="url must begin with https://"):
        PublishedFile("a", url, "md5:" + 32 * "0", None, "none")


@pytest.mark.parametrize(
    "to", ["http://example.org/a", "http://127.0.0.1:8000/a", "ftp://example.org/a", "/etc/passwd"]
)
def test_a_redirect_away_from_https_is_not_followed(to):
    with pytest.raises(HTTPError):
        _Secure().redirect_request(Request("https://example.org/a"), None, 302, "Found", {}, to)
    followed = _Secure().redirect_request(Request("https://example.org/a"), None, 302, "Found", {}, "https://b.org/a")
    assert followed is not None
    assert followed.full_url == "https://b.org/a"

"""Commands are begun with large pages where the system has them, and other programs are left alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import experiments
from experiments.large_pages import PAGES, VARIABLE, in_use, tunables

MADVISE = "always [madvise] never"


def test_what_is_said_already_stays():
    asked = tunables({VARIABLE: "glibc.cpu.x=1"}, "glibc 2.36", MADVISE)
    assert asked == "glibc.cpu.x=1:glibc.malloc.hugetlb=1"
    assert in_use({VARIABLE: asked})
    assert not in_use({})


@pytest.mark.parametrize(
    ("environment", "libc", "pages"),
    [
        ({VARIABLE: "glibc.malloc.hugetlb=0"}, "glibc 2.36", MADVISE),  # one's own choice
        ({}, "glibc 2.34", MADVISE),
        ({}, "", MADVISE),  # another C library
        ({}, "glibc 2.36", "always madvise [never]"),
    ],
)
def test_nothing_is_asked_for_in_vain(environment, libc, pages):
    assert tunables(environment, libc, pages) is None


def test_a_command_begins_anew_once_with_its_own_arguments(tmp_path):
    known = tunables({}, os.confstr("CS_GNU_LIBC_VERSION") or "", PAGES.read_text()) if PAGES.exists() else None
    if known is None:
        pytest.skip("this system has no large pages to ask for")
    package = tmp_path / "experiments"  # the real package's beginning, and a light module beside it
    package.mkdir()
    for name in ("__init__.py", "large_pages.py", "compiled_programs.py"):
        (package / name).write_text((Path(experiments.__file__).parent / name).read_text())
    report = "import json, os, sys; print(json.dumps([os.getppid(), os.environ.get('GLIBC_TUNABLES'), sys.argv[1:]]))"
    (package / "tell.py").write_text(report)
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}

    def told(*command):
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    assert told(sys.executable, "-m", "experiments.tell", "--a", "b c") == [os.getpid(), known, ["--a", "b c"]]
    assert told(sys.executable, "-c", "import experiments.tell") == [os.getpid(), None, []]
    (tmp_path / "other.py").write_text("import experiments.tell")
    assert told(sys.executable, "-m", "other") == [os.getpid(), None, []]

import errno
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from jaxvision.errors import InputError
from jaxvision.files import atomic_write, writing_error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bytes_and_text_arrive_and_folders_are_made(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "data") as stream:
        stream.write(b"\x00\r\n")
    with atomic_write(tmp_path / "a" / "b" / "words", text=True) as stream:
        stream.write("naïve\n")
    assert (tmp_path / "a" / "b" / "data").read_bytes() == b"\x00\r\n"
    assert (tmp_path / "a" / "b" / "words").read_bytes() == "naïve\n".encode()
    assert names(tmp_path / "a" / "b") == ["data", "words"]


def test_nothing_is_seen_before_the_end(tmp_path):
    (tmp_path / "f").write_text("old")
    with atomic_write(tmp_path / "f", text=True) as stream:
        stream.write("new")
        stream.flush()
        assert (tmp_path / "f").read_text() == "old"
    assert (tmp_path / "f").read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), OSError(errno.EIO, "elsewhere")])
def test_a_failure_leaves_the_old_file_and_no_litter_and_is_passed_on(error, tmp_path):
    (tmp_path / "f").write_text("old")

    def fail():
        with atomic_write(tmp_path / "f") as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)) as raised:
        fail()
    assert raised.value is error
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == ["f"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
def test_the_new_file_obeys_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "f") as stream:
            stream.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_is_replaced_and_its_target_left_alone(tmp_path):
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "f").symlink_to(tmp_path / "precious")
    with atomic_write(tmp_path / "f", text=True) as stream:
        stream.write("new")
    assert (tmp_path / "precious").read_text() == "keep"
    assert (tmp_path / "f").read_text() == "new"


def test_writers_at_once_leave_one_whole_file(tmp_path):
    def write(letter):
        for _ in range(5):
            with atomic_write(tmp_path / "f", text=True) as stream:
                stream.write(letter * 1000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = (tmp_path / "f").read_text()
    assert content in {letter * 1000 for letter in "abcd"}
    assert names(tmp_path) == ["f"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_kill_in_mid_write_leaves_the_old_file(tmp_path):
    (tmp_path / "f").write_text("old")
    script = (
        "import os, signal, sys\n"
        "from jaxvision.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "f"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "f").read_text() == "old"


def test_a_folder_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "f").write_text("old")
    with pytest.raises(InputError, match="a part of the path is a file"), atomic_write(tmp_path / "f" / "g"):
        pass


def test_a_target_that_is_a_folder_is_a_sentence(tmp_path):
    (tmp_path / "f" / "g").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot write"), atomic_write(tmp_path / "f") as stream:
        stream.write(b"x")
    assert names(tmp_path) == ["f"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="permission denied"), atomic_write(tmp_path / "f"):
        pass


def test_a_read_only_file_system_is_a_sentence(mount):
    folder = mount("size=64k,ro")
    with pytest.raises(InputError, match="the file system is read-only"), atomic_write(folder / "f"):
        pass


def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(mount):
    folder = mount("size=64k")
    (folder / "f").write_text("old")
    with pytest.raises(InputError, match="the disk is full; make room"), atomic_write(folder / "f") as stream:
        stream.write(bytes(200_000))
    assert (folder / "f").read_text() == "old"
    assert names(folder) == ["f"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fills_up_at_the_last_moment(call, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "f").write_text("old")

    def write():
        with atomic_write(tmp_path / "f") as stream:
            monkeypatch.setattr(os, call, full)
            stream.write(b"x")

    with pytest.raises(InputError, match="the disk is full"):
        write()
    monkeypatch.undo()
    assert (tmp_path / "f").read_text() == "old"
    assert names(tmp_path) == ["f"]


def test_an_unknown_failure_still_names_the_file():
    assert "cannot write f: Input/output error" in str(writing_error("f", OSError(errno.EIO, "Input/output error")))

"""Every way in which a server or a disk lets us down, against a local server that does so."""

import errno
import hashlib
import re
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, fetch

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
NOWHERE = "http://127.0.0.1:9/none"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def published(url, *, size: int | None = len(CONTENT), digest="sha256:" + DIGEST):
    return PublishedFile("sets/file.bin", url, digest, size, "none")


def get(file, *, attempts=3, timeout=5.0):
    return fetch(file, attempts=attempts, timeout=timeout, pause=0.0)


def send(request, code, headers, content=b""):
    request.send_response(code)
    for name, value in headers.items():
        request.send_header(name, str(value))
    request.end_headers()
    request.wfile.write(content)


def whole(request, content=CONTENT):
    """Ignores Range, as simple servers do."""
    send(request, 200, {"Content-Length": len(content)}, content)


def resumable(request):
    """Honours Range."""
    found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if not found:
        return whole(request)
    start = int(found[1])
    extent = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    send(request, 206, {"Content-Range": extent, "Content-Length": len(CONTENT) - start}, CONTENT[start:])


def truncated(request):
    """Promises everything, sends half, hangs up."""
    send(request, 200, {"Content-Length": len(CONTENT)}, CONTENT[: len(CONTENT) // 2])


def stalled(request):
    """Promises everything, sends half, falls silent."""
    truncated(request)
    request.wfile.flush()
    request.server.closing.wait(10)


def status(code, **headers):
    return lambda request: send(request, code, headers | {"Content-Length": 0})


def at_once(n, call):
    with ThreadPoolExecutor(n) as pool:
        return [future.result() for future in [pool.submit(call) for _ in range(n)]]


def put(home, name, content):
    (home / "sets").mkdir(parents=True)
    (home / "sets" / name).write_bytes(content)


def in_sets(home):
    return sorted(path.name for path in (home / "sets").iterdir())


# What goes well


def test_a_file_arrives_and_is_asked_for_once(serve, own_home):
    server = serve(whole)
    assert get(published(server.url)) == own_home / "sets" / "file.bin"
    assert get(published(server.url)).read_bytes() == CONTENT
    assert server.ranges == [None]
    assert in_sets(own_home) == ["file.bin"]


def test_the_users_own_file_is_used_without_a_look_at_the_network(own_home):
    put(own_home, "file.bin", b"recompressed, same content")
    assert get(published(NOWHERE)).read_bytes() == b"recompressed, same content"


def test_a_read_only_home_serves_what_it_has(mount, monkeypatch):
    folder = mount("size=64k")
    put(folder, "file.bin", b"here")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    monkeypatch.setenv("JAXVISION_HOME", str(folder))
    assert get(published(NOWHERE)).read_bytes() == b"here"


def test_without_known_size_or_content_length_the_digest_decides(serve, own_home):
    server = serve(lambda request: send(request, 200, {}, CONTENT))
    assert get(published(server.url, size=None)).read_bytes() == CONTENT


def test_md5_where_the_publisher_gives_only_that(serve, own_home):
    digest = "md5:" + hashlib.md5(CONTENT).hexdigest()
    assert get(published(serve(whole).url, digest=digest)).read_bytes() == CONTENT


def test_redirects_are_followed_with_the_range(serve, own_home):
    target = serve(resumable)
    server = serve(status(302, Location=target.url), status(301, Location=target.url))
    put(own_home, "file.bin.part", CONTENT[:1000])
    assert get(published(server.url)).read_bytes() == CONTENT
    assert target.ranges == ["bytes=1000-"]


def test_two_at_once_download_once(serve, own_home):
    def slow(request):
        time.sleep(0.2)
        whole(request)

    server = serve(slow)
    assert at_once(3, lambda: get(published(server.url)).read_bytes()) == [CONTENT] * 3
    assert len(server.ranges) == 1
    assert in_sets(own_home) == ["file.bin"]


def test_two_at_once_without_locks_do_not_disturb_each_other(serve, own_home, monkeypatch):
    monkeypatch.setattr("jaxvision.files.locking.fcntl", None)
    both = threading.Barrier(2, timeout=5)

    def together(request):
        both.wait()
        whole(request)

    server = serve(together)
    results = at_once(2, lambda: get(published(server.url)).read_bytes())
    assert results == [CONTENT] * 2
    assert len(server.ranges) == 2
    assert in_sets(own_home) == ["file.bin"]


def test_a_failure_without_locks_leaves_no_litter(serve, own_home, monkeypatch):
    monkeypatch.setattr("jaxvision.files.locking.fcntl", None)
    with pytest.raises(InputError, match="closed the connection") as raised:
        get(published(serve(truncated).url))
    assert "kept" not in str(raised.value)
    assert in_sets(own_home) == []


def test_a_lock_file_left_by_a_killed_process_holds_nobody_up(serve, own_home):
    (own_home / "sets").mkdir(parents=True)
    (own_home / "sets" / "file.bin.lock").touch()
    assert get(published(serve(whole).url)).read_bytes() == CONTENT
    assert in_sets(own_home) == ["file.bin"]


# Resuming


@pytest.mark.parametrize("breakage", [truncated, stalled])
def test_a_broken_transfer_goes_on_where_it_stopped(breakage, serve, own_home):
    server = serve(breakage, resumable)
    assert get(published(server.url), timeout=0.5).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]
    assert in_sets(own_home) == ["file.bin"]


def test_a_server_that_ignores_the_range_starts_over(serve, own_home):
    server = serve(truncated, whole)
    assert get(published(server.url)).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_later_run_resumes_what_an_earlier_one_left(serve, own_home):
    with pytest.raises(InputError, match=rf"{len(CONTENT) // 2} bytes are kept in .*file\.bin\.part"):
        get(published(serve(truncated).url), attempts=1)
    assert in_sets(own_home) == ["file.bin.part"]
    server = serve(resumable)
    assert get(published(server.url)).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) // 2}-"]


def test_a_complete_part_needs_no_connection(own_home):
    put(own_home, "file.bin.part", CONTENT)
    assert get(published(NOWHERE)).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_part_longer_than_the_file_starts_over(size, serve, own_home):
    put(own_home, "file.bin.part", CONTENT + b"more")
    server = serve(whole) if size else serve(status(416), whole)
    assert get(published(server.url, size=size)).read_bytes() == CONTENT
    assert server.ranges[-1] is None


def test_a_server_that_resumes_elsewhere_starts_over(serve, own_home):
    def elsewhere(request):
        send(request, 206, {"Content-Range": f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"}, CONTENT[5:])

    server = serve(truncated, elsewhere, whole)
    assert get(published(server.url)).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-", None]


def test_a_stale_part_costs_one_more_download(serve, own_home):
    put(own_home, "file.bin.part", b"an older edition")
    server = serve(resumable)
    assert get(published(server.url)).read_bytes() == CONTENT
    assert server.ranges == ["bytes=16-", None]
    assert in_sets(own_home) == ["file.bin", "file.bin.mismatch"]


# What goes wrong for good


def test_a_corrupted_download_is_kept_beside_and_both_digests_are_named(serve, own_home):
    wrong = b"X" + CONTENT[1:]
    server = serve(lambda request: whole(request, wrong))
    with pytest.raises(InputError) as raised:
        get(published(server.url))
    for expected in (server.url, DIGEST, hashlib.sha256(wrong).hexdigest(), "file.bin.mismatch"):
        assert expected in str(raised.value)
    assert in_sets(own_home) == ["file.bin.mismatch"]
    assert (own_home / "sets" / "file.bin.mismatch").read_bytes() == wrong
    assert len(server.ranges) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_a_login_page_in_its_place_is_recognised_by_its_size(announced, serve, own_home):
    page = b"<html>please log in</html>" * 5000
    server = serve(lambda request: send(request, 200, {"Content-Length": len(page)} if announced else {}, page))
    with pytest.raises(InputError, match="were published" if announced else "sends more than"):
        get(published(server.url))
    assert not (own_home / "sets" / "file.bin").exists()


@pytest.mark.parametrize(
    ("answer", "sentence", "requests"),
    [
        (truncated, "closed the connection after 51200 of 102400 bytes, 3 attempts", 3),
        (stalled, r"sent nothing for 0\.1 s, 3 attempts", 3),
        (lambda request: request.wfile.write(b"220 smtp ready\r\n"), "cannot download", 3),
        (status(500), "the server answered 500 Internal Server Error, 3 attempts", 3),
        (status(404), "the server answered 404 Not Found", 1),  # final
    ],
    ids=["truncated", "stalled", "not HTTP", "failing", "not found"],
)
def test_a_server_that_always_fails_is_given_up(answer, sentence, requests, serve, own_home):
    server = serve(answer)
    with pytest.raises(InputError, match=sentence):
        get(published(server.url), timeout=0.1 if answer is stalled else 5.0)
    assert len(server.ranges) == requests


def test_a_server_that_never_answers_is_given_up(own_home):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/file.bin"
        with pytest.raises(InputError, match="sent nothing"):
            get(published(url), attempts=1, timeout=0.1)


def test_a_refused_connection_names_the_address_and_where_to_put_the_file(own_home):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file.bin"
        with pytest.raises(InputError, match="no connection") as raised:
            get(published(url), attempts=2)
    assert url in str(raised.value)
    assert str(own_home / "sets" / "file.bin") in str(raised.value)


def test_a_server_error_is_tried_again(serve, own_home):
    server = serve(status(500), status(503), whole)
    assert get(published(server.url)).read_bytes() == CONTENT


@pytest.mark.parametrize("location", ["/file.bin", "file:///etc/hostname"])
def test_a_redirect_in_a_circle_or_to_this_machines_files_is_refused(location, serve, own_home):
    with pytest.raises(InputError, match="redirects in a circle or to a place that is not https"):
        get(published(serve(status(302, Location=location)).url))


def test_offline_touches_nothing_and_names_file_address_and_variable(serve, own_home, monkeypatch):
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    server = serve(whole)
    with pytest.raises(InputError) as raised:
        get(published(server.url))
    for expected in ("sets/file.bin", server.url, "JAXVISION_OFFLINE", "JAXVISION_HOME"):
        assert expected in str(raised.value)
    assert server.ranges == []
    assert not own_home.exists()


def test_a_folder_in_its_place_is_a_sentence(own_home):
    (own_home / "sets" / "file.bin").mkdir(parents=True)
    with pytest.raises(InputError, match="is a folder where a file was expected"):
        get(published(NOWHERE))


# The disk


def test_too_little_room_is_seen_before_the_download(serve, own_home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    server = serve(whole)
    with pytest.raises(InputError, match=r"it needs 102400 bytes and .* has 0 free; make room or point JAXVISION_HOME"):
        get(published(server.url))
    assert server.ranges == []


def test_a_disk_that_fills_up_is_a_sentence_and_leaves_no_file(serve, own_home, mount, monkeypatch):
    folder = mount("size=64k")
    monkeypatch.setenv("JAXVISION_HOME", str(folder))
    with pytest.raises(InputError, match="the disk is full; make room or point JAXVISION_HOME"):
        get(published(serve(whole).url, size=None))
    assert in_sets(folder) == ["file.bin.part"]


def test_a_full_disk_without_a_mount(serve, own_home, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jaxvision.files.download.receive", full)
    with pytest.raises(InputError, match="the disk is full"):
        get(published(NOWHERE))
    assert in_sets(own_home) == []


def test_a_home_that_cannot_be_written_names_the_variable(mount, own_home, monkeypatch):
    monkeypatch.setenv("JAXVISION_HOME", str(mount("size=64k,ro")))
    with pytest.raises(InputError, match=r"the file system is read-only.*JAXVISION_HOME"):
        get(published(NOWHERE))


def test_a_home_that_is_a_file_names_the_variable(own_home):
    own_home.write_text("not a folder")
    with pytest.raises(InputError, match=r"a part of the path is a file.*JAXVISION_HOME"):
        get(published(NOWHERE))


def test_the_bar_on_a_terminal(serve, own_home, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    get(published(serve(truncated, resumable).url))
    out, err = capfd.readouterr()
    assert "file.bin" in err
    assert "102.4/102.4 kB" in err
    assert out == ""


def test_one_line_where_there_is_no_terminal(serve, own_home, capfd):
    server = serve(whole)
    get(published(server.url))
    out, err = capfd.readouterr()
    assert err == f"Downloading {server.url} (0.1 MB)\n"
    assert out == ""

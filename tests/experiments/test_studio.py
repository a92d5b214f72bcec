"""The studio: its rooms without a page, what it refuses, and the page in a headless browser."""

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import studio, studio_rooms
from experiments.captioner_files import EMBEDDED, load_captioner
from experiments.command import command
from experiments.generator_files import EMBEDDED as GENERATOR
from experiments.generator_files import load_generator
from experiments.inputs import probabilities
from experiments.networks import load_network
from jaxvision.data import scene_batch, split_key
from jaxvision.errors import InputError
from tests.experiments import browser


@pytest.fixture(scope="module")
def network():
    return load_network("scenes")


@pytest.fixture(scope="module")
def scene():
    images, _ = scene_batch(split_key(0, "test"), 1)
    return np.round(255 * np.asarray(images[0])).astype(np.uint8)


def test_classes_are_the_five_likeliest(network, scene):
    found = studio_rooms.classes(network, scene)
    answer = probabilities(network, scene[None].astype(np.float32) / 255)[0]
    assert list(found.values()) == sorted(answer.tolist(), reverse=True)[:5]
    assert network.class_names[answer.argmax()] == next(iter(found))


def test_maps_come_one_after_the_other(network, scene):
    moments = list(studio_rooms.maps(network, scene, ["saliency", "grad_cam"]))
    assert [len(moment.pictures) for moment in moments] == [2, 3]
    pictures, titles = zip(*moments[-1].pictures, strict=True)
    assert titles == ("picture", "saliency", "grad cam")
    assert all(picture.shape == (256, 256, 3) and picture.dtype == np.uint8 for picture in pictures)
    np.testing.assert_array_equal(pictures[0][::4, ::4], scene)
    assert (pictures[1] != pictures[2]).any()


def test_fooling_is_seen_as_it_goes_and_ends_when_it_has_fooled(network, scene):
    moments = list(studio_rooms.fooling(network, scene, ""))
    (fooled, said), (_, change) = moments[-1].pictures
    wanted = list(studio_rooms.classes(network, scene))[1]
    assert len(moments) > 1
    assert moments[-1].words.endswith("now")
    assert said.startswith(wanted)
    assert change.startswith("change, ")
    answer = probabilities(network, fooled[None, ::4, ::4].astype(np.float32) / 255)[0]
    assert network.class_names[answer.argmax()] == wanted


def test_a_class_that_is_not_there_is_a_sentence(network, scene):
    with pytest.raises(InputError, match='no class is called "zebra"'):
        next(studio_rooms.fooling(network, scene, "zebra"))


@pytest.mark.slow
def test_a_class_is_drawn(network):
    moments = list(studio_rooms.drawing(network, "0", n_steps=20))
    assert [moment.words for moment in moments] == ["Step 10 of 20", "Step 20 of 20"]
    assert (moments[0].pictures[0][0] != moments[1].pictures[0][0]).any()


def test_a_painting_is_seen_as_it_goes(network, scene):
    moments = list(studio_rooms.painting(network, scene, scene[::-1].copy(), size=32, n_steps=10))
    assert [moment.words for moment in moments] == ["Step 5 of 10", "Step 10 of 10"]
    assert (moments[0].pictures[0][0] != moments[1].pictures[0][0]).any()


@pytest.mark.slow
def test_a_caption_has_a_map_for_each_word(scene):
    captioner = load_captioner(EMBEDDED)
    moment = studio_rooms.caption(captioner, scene)
    words = moment.words.split(". ")[0].split()
    assert words
    assert set(words) <= set(captioner.vocabulary.words)
    assert [title for _, title in moment.pictures] == ["picture", *words]


def test_sliders_move_a_generators_images():
    generator = load_generator(GENERATOR)
    still, moved, other = (studio_rooms.samples(generator, seed, along) for seed, along in ((0, []), (0, [3]), (1, [])))
    assert still.shape == moved.shape == (224, 224, 3)
    np.testing.assert_array_equal(still, studio_rooms.samples(generator, 0, [0, 0]))
    assert (still != moved).any()
    assert (still != other).any()


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"Dear reader", "^letter.jpg"), (None, "no file letter.jpg")]
)
def test_a_bad_upload_is_a_sentence(tmp_path, content, words):
    path = tmp_path / "letter.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        studio_rooms.opened(str(path))


def test_a_large_upload_is_brought_down(tmp_path):
    Image.new("RGB", (2100, 1100)).save(tmp_path / "large.png")
    assert studio_rooms.opened(str(tmp_path / "large.png")).shape[0] == studio_rooms.LARGEST


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SystemExit) as stop:
        command(studio.main, studio.Config, args=[])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        'the studio needs Gradio, which is not installed: pip install "jaxvision[studio]"\n'
    )


@pytest.fixture(scope="module")
def address():
    """Of a studio that is served while the tests of a page run; Ctrl-C closes it."""
    pytest.importorskip("gradio", reason="extra `studio`: Gradio is not installed")
    if browser.binary() is None:
        pytest.skip("no Chromium on this machine")
    words = [sys.executable, "-m", "experiments.studio", "--weights", "scenes", "--port", "0"]
    environment = os.environ | {"XLA_FLAGS": ""}  # one device, as a reader has
    server = subprocess.Popen(
        words, cwd=Path(__file__).parents[2], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        lines = iter(server.stdout.readline, "")
        yield next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        server.send_signal(signal.SIGINT)
        said, errors = server.communicate(timeout=60)
        assert server.returncode == 0, errors
        assert said.strip() == "The studio is closed."
        assert "Traceback" not in errors
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def tab(address, tmp_path_factory):
    with browser.browsing(tmp_path_factory.mktemp("chromium")) as tab:
        tab.resize(1200)
        tab("Page.navigate", url=address)
        tab.wait("document.querySelector('#maps-run')")
        yield tab


def open_tab(tab, name):
    tab.ask(f"[...document.querySelectorAll('button[role=tab]')].find(one => one.innerText == {name!r}).click()")


def text(tab, name):
    return tab.ask(f"document.querySelector('#{name}').innerText")


@pytest.mark.slow
def test_page_upload_and_run(tab, scene, tmp_path):
    (tmp_path / "letter.jpg").write_text("Dear reader")
    Image.fromarray(scene).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "scene.png")
    tab.upload("#upload input[type=file]", tmp_path / "letter.jpg")
    tab.wait("document.querySelector('#upload-status').innerText.startsWith('letter.jpg')")
    assert "The picture before is kept" in text(tab, "upload-status")
    before = tab.ask("document.querySelector('#picture img').src")
    tab.wait("document.querySelector('#upload input[type=file]')")
    tab.upload("#upload input[type=file]", tmp_path / "scene.png")
    tab.wait(f"document.querySelector('#picture img').src != {before!r}")
    tab.ask("document.querySelector('#maps-run').click()")
    tab.wait("document.querySelectorAll('#maps-pictures img').length >= 7")
    assert "6 of 6 methods" in text(tab, "maps-status")


@pytest.mark.slow
def test_page_cancel_ends_a_run_within_seconds(tab):
    open_tab(tab, "Style")
    tab.wait("document.querySelector('#style-run')")
    tab.ask("document.querySelector('#style-run').click()")
    tab.wait("document.querySelector('#style-status').innerText.startsWith('Step ')")
    assert tab.ask("document.querySelectorAll('#style-pictures img').length") >= 1
    tab.ask("document.querySelector('#style-cancel').click()")
    tab.wait("document.querySelector('#style-status').innerText == 'Cancelled.'", seconds=10)
    open_tab(tab, "Generate")  # which has to wait for its turn, had the run gone on
    tab.wait("document.querySelector('#generator-run')")
    tab.ask("document.querySelector('#generator-run').click()")
    tab.wait("document.querySelector('#generator-pictures img')")
    time.sleep(2)
    assert tab.ask("document.querySelector('#style-status').textContent").strip() == "Cancelled."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("room", "name", "n_pictures", "words"),
    [
        ("Fool", "fooling", 2, r"now$"),
        ("Caption", "caption", 3, r"\w"),
        ("Draw a class", "drawing", 1, r"^Step \d+ of"),
    ],
)
def test_page_every_other_room_runs(tab, room, name, n_pictures, words):
    open_tab(tab, room)
    tab.wait(f"document.querySelector('#{name}-run')")
    tab.ask(f"document.querySelector('#{name}-run').click()")
    tab.wait(f"/{words}/.test(document.querySelector('#{name}-status').innerText.trim())")
    tab.wait(f"document.querySelectorAll('#{name}-pictures img').length >= {n_pictures}")
    if name == "drawing":  # it would go on for a minute
        tab.ask("document.querySelector('#drawing-cancel').click()")
        tab.wait("document.querySelector('#drawing-status').innerText == 'Cancelled.'", seconds=30)
        time.sleep(2)
        assert text(tab, "drawing-status") == "Cancelled."


@pytest.mark.slow
def test_page_by_keyboard_and_on_a_narrow_screen(tab, address):
    tab.resize(400)
    tab("Page.navigate", url=address)
    tab.wait("document.querySelector('#fooling-run, #maps-run')")
    reached = set()
    for _ in range(60):
        tab.press("Tab")
        reached.add(tab.ask("document.activeElement.id || document.activeElement.innerText"))
        if "maps-run" in reached:
            break
    assert {"Which pixels", "maps-run"} <= reached
    tab.press("Enter")
    tab.wait("document.querySelectorAll('#maps-pictures img').length >= 7")
    assert tab.ask("document.documentElement.scrollWidth") <= 400
    foreign = [e["params"]["request"]["url"] for e in tab.events if e.get("method") == "Network.requestWillBeSent"]
    assert {url for url in foreign if not url.startswith((address, "data:", "blob:"))} == set()

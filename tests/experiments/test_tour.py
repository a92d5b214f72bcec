"""The tour: rooms in order, a page from the first on, earlier exhibits replaced and nothing else."""

import re
from html import unescape
from urllib.parse import unquote

import numpy as np
import pytest

from experiments import exhibits_learnt, tour
from experiments.gallery import Exhibit, Picture
from jaxvision.data import write_image
from jaxvision.errors import InputError


def room(name, *, config="{}"):
    """A room that shows one small picture and leaves what a run leaves."""

    def show(visit):
        write_image(visit.run_dir / "picture.png", np.full((8, 8, 3), 0.5))
        (visit.run_dir / "config.json").write_text(config)
        picture = Picture(visit.run_dir / "picture.png", f"what {name} shows")
        return Exhibit(name, f"Title of {name}", (picture,), (visit.network.weights,), f"make {name}", (("n", "1"),))

    return show


def closed(visit):
    raise InputError("this room is closed")


def sources(page):
    return [unquote(unescape(source)) for source in re.findall(r'<img src="([^"]+)"', page.read_text("utf-8"))]


def test_rooms_are_visited_in_order_and_the_page_says_which_network(tmp_path, monkeypatch, untrained):
    monkeypatch.setattr(tour, "ROOMS", {"one": room("one"), "two": room("two")})
    result = tour.main(tour.Config(weights=str(untrained), run_dir=tmp_path / "gallery"))
    assert result.page == tmp_path / "gallery" / "index.html"
    assert [e.name for e in result.exhibits] == ["one", "two"]
    assert [name for name, _ in result.exhibits[0].numbers] == ["n", "time, with compiling"]
    text = result.page.read_text("utf-8")
    assert text.index("Title of one") < text.index("Title of two")
    assert "SqueezeNet 1.1 with 64 classes" in text
    assert str(untrained) in text
    assert sources(result.page) == ["one/picture.png", "two/picture.png"]


def test_a_second_tour_replaces_the_exhibits_and_nothing_else(tmp_path, monkeypatch, untrained):
    config = tour.Config(weights=str(untrained), run_dir=tmp_path)
    monkeypatch.setattr(tour, "ROOMS", {"one": room("one")})
    tour.main(config)
    (tmp_path / "one" / "leftover.png").write_text("of the first tour")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("not the tour's")
    tour.main(config)
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["config.json", "picture.png"]
    assert (tmp_path / "mine" / "letter.txt").exists()


def test_a_folder_that_no_run_made_is_not_removed(tmp_path, monkeypatch, untrained):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "letter.txt").write_text("mine")
    monkeypatch.setattr(tour, "ROOMS", {"one": room("one")})
    tour.main(tour.Config(weights=str(untrained), run_dir=tmp_path))
    assert (tmp_path / "one" / "letter.txt").read_text() == "mine"


def test_a_room_that_fails_leaves_the_page_of_those_before(tmp_path, monkeypatch, untrained):
    monkeypatch.setattr(tour, "ROOMS", {"one": room("one"), "two": closed})
    with pytest.raises(InputError, match="closed"):
        tour.main(tour.Config(weights=str(untrained), run_dir=tmp_path))
    assert sources(tmp_path / "index.html") == ["one/picture.png"]


def test_cards_are_read(tmp_path):
    (tmp_path / "b.md").write_text("# LeNet on mnist\n\n| accuracy | **99.40 %** (9940 of 10000) |\n")
    (tmp_path / "a.md").write_text("# SqueezeNet on scenes\n\n| accuracy | 97 % |\n")
    (tmp_path / "notes.md").write_text("# Notes\n\nnothing measured\n")
    assert exhibits_learnt.card_scores(tmp_path) == [("SqueezeNet on scenes", "97 %"), ("LeNet on mnist", "99.40 %")]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # ten minutes on a busy core
def test_the_whole_tour_with_the_embedded_network(embedded, tmp_path, monkeypatch):
    """Every room, as after a fresh installation: no home, no network."""
    monkeypatch.setenv("JAXVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JAXVISION_OFFLINE", "1")
    result = tour.main(tour.Config(run_dir=tmp_path / "gallery"))
    assert [e.name for e in result.exhibits] == list(tour.ROOMS)
    shown = sources(result.page)
    assert len(shown) == sum(len(e.pictures) + 2 * len(e.comparisons) for e in result.exhibits) >= 6
    assert all((tmp_path / "gallery" / source).is_file() for source in shown)
    text = result.page.read_text("utf-8")
    assert "JAXVISION_OFFLINE" in text  # why this network
    assert not re.search(r"""(src|href)=["'](/|file:)""", text)
    numbers = {name: dict(e.numbers) for name, e in zip(tour.ROOMS, result.exhibits, strict=True)}
    reached, tried = map(int, numbers["fooling"]["targets reached"].split(" of "))
    assert reached > tried / 2
    assert numbers["class_visualization"]["probability over 90 %"] in ("7 of 8 classes", "8 of 8 classes")


def test_lines_of_a_card_are_read(tmp_path):
    (tmp_path / "a.md").write_text("# A generator\n\n| frechet | 23.9 (real images: 6.16) |\n| kid | 0.1 |\n")
    rows = {"frechet": "distance", "recall": "recall"}
    assert exhibits_learnt.card_rows("a.md", rows, tmp_path) == [("distance", "23.9 (real images: 6.16)")]
    assert exhibits_learnt.card_rows("none.md", rows, tmp_path) == []

"""The page stands alone: its pictures lie beside it, nothing comes from elsewhere, every picture says what it shows."""

from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from experiments.gallery import Comparison, Exhibit, Picture, write_page


class Page(HTMLParser):
    """Collects what the tests ask for."""

    def __init__(self, path):
        super().__init__()
        self.images, self.links, self.ids, self.tags, self.text, self.sliders, self.attributes = (
            [],
            [],
            [],
            [],
            [],
            [],
            set(),
        )
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(attributes)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "img":
            self.images.append(attributes)
        if tag == "input":
            self.sliders.append(attributes)
        if tag == "a":
            self.links.append(attributes["href"])

    def handle_data(self, data):
        self.text.append(data)


def exhibit(picture, name="maps"):
    return Exhibit(
        name=name,
        title="Which pixels <matter>",
        pictures=(Picture(picture, 'A cat & its "map"', "above, below"),),
        text=("One & two.",),
        command="python -m experiments.saliency --target 'tabby cat'",
        numbers=(("images", "3"), ("probability", "<1 %")),
        paper=("Simonyan et al., 2013", "https://arxiv.org/abs/1312.6034"),
    )


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "gallery" / "saliency" / "a sheet.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.zeros((10, 20, 3), np.uint8)).save(path)
    return path


def test_the_page_stands_alone(picture):
    folder = picture.parents[1]
    path = write_page(folder / "index.html", "jaxvision", ["What & why"], [exhibit(picture)], "made in 3 s")
    page = Page(path)
    (image,) = page.images
    assert (folder / unquote(image["src"])).samefile(picture)
    assert image["alt"] == 'A cat & its "map"'
    assert (image["width"], image["height"]) == ("20", "10")
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "url(" not in path.read_text()
    assert [link for link in page.links if link.startswith("http")] == ["https://arxiv.org/abs/1312.6034"]
    assert "maps" in page.ids
    assert "#maps" in page.links
    text = "".join(page.text)
    for words in ("Which pixels <matter>", "One & two.", "--target 'tabby cat'", "<1 %", "made in 3 s", "What & why"):
        assert words in text


def test_the_picture_comes_before_its_heading(picture):
    page = Page(write_page(picture.parents[1] / "index.html", "t", [], [exhibit(picture)], ""))
    assert page.tags.index("img") < page.tags.index("h2") < page.tags.index("pre") < page.tags.index("dl")


def test_two_pictures_are_compared_by_a_slider_that_says_what_it_does(picture):
    beside = picture.with_name("before.png")
    beside.write_bytes(picture.read_bytes())
    pair = Comparison(Picture(beside, "a cat"), Picture(picture, 'a "dog"'), "Move it.")
    shown = replace(exhibit(picture), comparisons=(pair,))
    page = Page(write_page(picture.parents[1] / "index.html", "t", [], [shown], ""))
    assert [image["alt"] for image in page.images[1:]] == ["a cat", 'a "dog"']
    (slider,) = page.sliders
    assert slider["aria-label"] == 'How much is shown of: a "dog"'
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "100", "50")
    assert "script" not in page.tags


def test_a_picture_from_elsewhere_is_refused(picture, tmp_path):
    with pytest.raises(ValueError, match="not in the subpath"):
        write_page(tmp_path / "elsewhere" / "index.html", "t", [], [exhibit(picture)], "")


HOSTILE = """"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\u202e"""


def test_names_and_captions_of_others_are_text_and_nothing_else(picture):
    """A photograph's name and a caption file's words reach the page as they are."""
    hostile = HOSTILE.replace("/", "")  # of a file's name
    named = picture.with_name(f"{hostile}.png")
    named.write_bytes(picture.read_bytes())
    pair = Comparison(Picture(picture, "a"), Picture(picture, "b"), "c")
    plain = Page(
        write_page(picture.parents[1] / "plain.html", "t", [], [replace(exhibit(picture), comparisons=(pair,))], "")
    )
    shown = Exhibit(
        name=HOSTILE,
        title=HOSTILE,
        pictures=(Picture(named, HOSTILE, HOSTILE),),
        text=(HOSTILE,),
        command=f"python -m experiments.saliency --images {HOSTILE}",
        numbers=((HOSTILE, HOSTILE), (HOSTILE, HOSTILE)),
        paper=(HOSTILE, f"https://example.org/{HOSTILE}"),
        comparisons=(Comparison(Picture(named, HOSTILE), Picture(named, HOSTILE), HOSTILE),),
    )
    path = write_page(picture.parents[1] / "index.html", HOSTILE, [HOSTILE], [shown], HOSTILE)
    page = Page(path)
    assert set(page.tags) == set(plain.tags) | {"p"}
    assert page.attributes == plain.attributes
    for image in page.images:
        assert image["alt"] == HOSTILE
        assert (path.parent / unquote(image["src"])).samefile(named)
    assert page.sliders[0]["oninput"] == plain.sliders[0]["oninput"]
    assert all(link.startswith(("#", "saliency/", "https://example.org/")) for link in page.links)
    assert "".join(page.text).count("<script>alert(1)") >= 10

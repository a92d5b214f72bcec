"""The gallery's page as Chromium shows it: from disk, asking nobody, in light and dark, narrow, by keyboard."""

import numpy as np
import pytest
from PIL import Image

from experiments.gallery import Comparison, Exhibit, Picture, write_page
from tests.experiments import browser

HOSTILE = """"><script>document.title = "taken"</script><img src=x onerror="document.title = 'taken'">"""

# The contrast of every text with what is behind it, by WCAG 2.2: the lowest, and which text has it.
CONTRAST = """(() => {
  const light = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number)
      .map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const color = getComputedStyle(element).backgroundColor;
    return color != 'rgba(0, 0, 0, 0)' || !element.parentElement ? color : behind(element.parentElement);
  };
  const ratios = [...document.body.querySelectorAll('*')]
    .filter(one => [...one.childNodes].some(node => node.nodeType == 3 && node.data.trim()))
    .map(one => {
      const [a, b] = [light(getComputedStyle(one).color), light(behind(one))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), one.innerText.slice(0, 40)];
    });
  ratios.sort((a, b) => a[0] - b[0]);
  return [ratios.length, ...ratios[0]];
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    noise = np.random.default_rng(0).integers(0, 256, (60, 900, 3), np.uint8)
    for name in ("sheet", "before", "after"):
        Image.fromarray(noise).save(folder / f"{name}.png")
    pair = Comparison(Picture(folder / "before.png", "a cat"), Picture(folder / "after.png", "a dog"), "Move it.")
    exhibit = Exhibit(
        name="maps",
        title="Which pixels matter",
        pictures=(Picture(folder / "sheet.png", HOSTILE, HOSTILE),),
        text=("One thing.", HOSTILE),
        command="python -m experiments.class_visualization --weights imagenet --targets tarantula --n-steps 1000",
        numbers=(("images", "3"), ("probability", "<1 %")),
        paper=("Simonyan et al., 2013", "https://arxiv.org/abs/1312.6034"),
        comparisons=(pair,),
    )
    return write_page(folder / "index.html", "jaxvision", ["What it is."], [exhibit], "made in 3 s")


@pytest.fixture(scope="module")
def tab(page, tmp_path_factory):
    if browser.binary() is None:
        pytest.skip("no Chromium on this machine")
    with browser.browsing(tmp_path_factory.mktemp("chromium")) as tab:
        tab.resize(1200)
        tab("Page.navigate", url=page.as_uri())
        tab.wait("document.readyState == 'complete' && document.querySelector('footer')")
        yield tab


@pytest.mark.slow
def test_it_opens_from_disk_and_asks_nobody(tab):
    asked = [e["params"]["request"]["url"] for e in tab.events if e.get("method") == "Network.requestWillBeSent"]
    assert len(asked) >= 4  # the page and its pictures
    assert {url for url in asked if not url.startswith("file:")} == set()
    assert tab.ask("[...document.images].every(one => one.complete && one.naturalWidth == 900)")
    assert tab.ask("document.images.length") == 3
    assert tab.ask("document.title") == "jaxvision"  # what a name held was not run


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(tab, scheme):
    tab("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    paper = tab.ask("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(251, 250, 247)", "dark": "rgb(22, 24, 27)"}[scheme]
    n_texts, least, words = tab.ask(CONTRAST)
    assert n_texts >= 12
    assert least >= 4.5, words


@pytest.mark.slow
def test_a_slider_is_reached_and_moved_by_keyboard(tab):
    for _ in range(20):
        tab.press("Tab")
        if tab.ask("document.activeElement.type") == "range":
            break
    assert tab.ask("document.activeElement.getAttribute('aria-label')") == "How much is shown of: a dog"
    for _ in range(10):
        tab.press("ArrowRight")
    assert tab.ask("document.activeElement.value") == "60"
    clipped = "getComputedStyle(document.querySelector('.comparison img + img')).clipPath"
    shown = tab.ask(clipped)
    tab.press("ArrowRight")
    assert tab.ask(clipped) != shown


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 400, 800])
def test_a_narrow_screen_is_moved_down_alone(tab, width):
    tab.resize(width)
    assert tab.ask("document.documentElement.scrollWidth") <= width
    assert tab.ask("document.querySelector('figure img').getBoundingClientRect().width") >= 300

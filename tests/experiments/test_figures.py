"""Figures hold what they were given: the right pictures in the right cells, and files that are whole or absent."""

import numpy as np
import pytest
from PIL import Image

from experiments import colours, figures

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(7, 12, 12, 3)).astype(np.float32)
MAPS = RNG.uniform(size=(7, 12, 12)).astype(np.float32)


def pictures(figure):
    """What each cell with a picture shows, in reading order."""
    return [axis.images[0].get_array() for axis in figure.axes if axis.images]


def words(figure):
    texts = [
        t.get_text() for axis in figure.axes for t in (axis.title, axis.xaxis.label, axis.yaxis.label, *axis.texts)
    ]
    return [text for text in texts if text]


def test_heat_is_black_where_nothing_matters_and_brightest_at_the_percentile():
    values = np.zeros((10, 10), np.float32)
    values[0, :5] = [1, 2, 3, 4, 5]
    shades = colours.heat(values, clip=99.0)
    brightness = shades.sum(-1)
    assert np.allclose(brightness[1:], brightness[1, 0])
    assert brightness[1, 0] < 0.05
    assert np.all(np.diff(brightness[0, :5]) > -1e-6)
    assert shades.shape == (10, 10, 3)


def test_a_map_of_zeros_is_drawn_black_not_divided_by_zero():
    assert colours.heat(np.zeros((4, 4), np.float32)).max() < 0.05


def test_overlay_of_an_empty_map_is_the_grey_photograph():
    plain = colours.overlay(IMAGES[0], np.zeros((12, 12), np.float32))
    np.testing.assert_allclose(plain[..., 0], plain[..., 2])
    order = np.argsort(IMAGES[0].mean(-1), axis=None)
    assert np.all(np.diff(plain[..., 0].ravel()[order]) >= -1e-6)


def test_saliency_sheet_puts_photograph_map_and_overlay_under_each_other():
    figure = figures.saliency_sheet(IMAGES, MAPS, MAPS[::-1], [f"image {i}" for i in range(7)])
    shown = pictures(figure)
    assert len(shown) == 3 * 7
    np.testing.assert_array_equal(shown[0], IMAGES[0])
    np.testing.assert_array_equal(shown[6], colours.heat(MAPS[0]))  # six columns: the second row begins
    np.testing.assert_array_equal(shown[12], colours.overlay(IMAGES[0], MAPS[6]))
    np.testing.assert_array_equal(shown[18], IMAGES[6])  # the second block
    assert {"image", "saliency", "smoothed, overlaid", "image 6"} <= set(words(figure))


def test_fooling_sheet_magnifies_the_change_around_mid_grey():
    fooled = np.stack([IMAGES[0] + 0.02, IMAGES[0] - 0.01]).astype(np.float32)
    figure = figures.fooling_sheet(
        IMAGES[0],
        fooled,
        guesses=[[("tabby, cat", 0.9), ("lynx", 0.1)]] * 3,
        targets=["lynx", "a long-haired pointer"],
        steps=[7, 100],
        successes=[True, False],
    )
    shown = pictures(figure)
    assert len(shown) == 5
    np.testing.assert_allclose(shown[3], 0.5 + 20 * 0.02, atol=1e-5)
    np.testing.assert_allclose(shown[4], 0.5 - 20 * 0.01, atol=1e-5)
    assert any("20 times" in text for text in words(figure))
    assert words(figure).count("tabby") == 3
    assert "lynx\nafter 7 steps" in words(figure)
    assert "a long-haired pointer\nnot reached in 100 steps" in words(figure)


@pytest.mark.parametrize(
    ("largest", "factor"), [(0.0, 1), (0.9, 1), (0.25, 2), (0.024, 20), (0.001, 500), (1e-9, 1000)]
)
def test_magnification_is_round_and_does_not_saturate(largest, factor):
    assert colours.magnification(np.full((1, 3, 3, 3), -largest)) == factor


def test_class_sheet_names_and_scores_every_class():
    figure = figures.class_sheet(IMAGES, [f"class {i}, x" for i in range(7)], np.linspace(0, 1, 7))
    assert len(pictures(figure)) == 7
    assert words(figure)[0] == "class 0  <1 %"
    assert words(figure)[6] == "class 6  >99 %"


def test_film_strip_is_one_row_a_class():
    frames = np.stack([IMAGES[:2], IMAGES[2:4], IMAGES[4:6]])
    figure = figures.film_strip(frames, [0, 5, 9], ["crane", "goose"], np.full((3, 2), 0.25))
    shown = pictures(figure)
    np.testing.assert_array_equal(shown[1], frames[1, 0])
    np.testing.assert_array_equal(shown[5], frames[2, 1])
    assert [text for text in words(figure) if text.startswith("step")] == ["step 0", "step 5", "step 9"]
    assert words(figure).count("25 %") == 6


def test_grey_images_are_drawn_too():
    grey = IMAGES[..., :1]
    assert pictures(figures.class_sheet(grey, list("abcdefg"), [0.5] * 7))[0].shape == (12, 12, 3)
    assert colours.overlay(grey[0], MAPS[0]).shape == (12, 12, 3)


def test_save_writes_a_white_paged_png_of_paper_resolution(tmp_path):
    figure = figures.class_sheet(IMAGES, list("abcdefg"), [0.5] * 7)
    path = figures.save(figure, tmp_path / "new" / "sheet.png")
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert round(image.info["dpi"][0]) == figures.DPI
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert [p.name for p in path.parent.iterdir()] == ["sheet.png"]


def test_a_figure_that_cannot_be_drawn_leaves_no_file(tmp_path, monkeypatch):
    figure = figures.class_sheet(IMAGES, list("abcdefg"), [0.5] * 7)
    monkeypatch.setattr(figure, "savefig", lambda file, **_: (file.write(b"half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        figures.save(figure, tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []

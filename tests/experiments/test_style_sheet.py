"""The contact sheet: what goes into one program, and one small run of it."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import style_sheet
from jaxvision.data import read_image


def test_rows_are_styles_and_seeds_and_columns_are_weights():
    content, styles = jnp.zeros((1, 2, 2, 3)), jnp.stack([jnp.full((2, 2, 3), value) for value in (1.0, 2.0)])
    contents, manners, weights, begin = style_sheet.laid_out(content, styles, jnp.array([1.0, 4.0, 9.0]), (5, 6))
    assert contents.shape == manners.shape == begin.shape == (12, 2, 2, 3)
    np.testing.assert_array_equal(manners[:, 0, 0, 0], [1] * 6 + [2] * 6)
    np.testing.assert_array_equal(weights, [1, 4, 9] * 4)
    first, second = begin[0], begin[3]
    assert (first != second).all()
    np.testing.assert_array_equal(begin, np.tile(np.stack([first] * 3 + [second] * 3), (2, 1, 1, 1)))


def test_a_sheet_and_its_images(photograph, untrained, tmp_path):
    settings = {"content": str(photograph), "styles": (str(photograph),), "weights": str(untrained), "size": 32}
    config = style_sheet.Config(**settings, content_weights=(1.0, 9.0), n_steps=2, run_dir=tmp_path / "run")
    result = style_sheet.main(config)
    assert result.n_images == len(result.final) == 2
    assert result.sheet.stat().st_size > 1000
    names = sorted(path.name for path in (tmp_path / "run" / "pictures" / "images").iterdir())
    assert names == ["1_1.png", "1_2.png"]
    assert read_image(tmp_path / "run" / "pictures" / "images" / "1_1.png").shape == (32, 40, 3)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--content-weights", "-1"], "--content-weights must be one or more of at least 0, got -1.0"),
        (["--size", "8"], "--size must be at least 32"),
    ],
)
def test_bad_input_is_met_with_a_sentence(refused, photograph, untrained, words, part):
    *_, sentence = refused(style_sheet, "--content", photograph, "--weights", untrained, *words)
    assert part in sentence

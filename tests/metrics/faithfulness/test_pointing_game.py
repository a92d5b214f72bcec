"""The pointing game: by hand, and chance for random maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness import pointing_game


def test_random_maps_score_at_chance():
    n, share = 4000, 12 / 80
    masks = jnp.zeros((n, 8, 10), bool).at[:, 2:5, 3:7].set(True)
    game = pointing_game(jax.random.uniform(jax.random.key(0), (n, 8, 10)), masks)
    np.testing.assert_allclose(game.share, share, rtol=1e-6)
    assert abs(float(game.hit.mean()) - share) < 4.5 * (share * (1 - share) / n) ** 0.5
    assert abs(float(game.energy.mean()) - share) < 4.5 * 0.06 / n**0.5  # 0.06: more than one map's deviation


def test_a_map_that_is_its_mask_wins_and_one_beside_it_loses():
    masks = np.zeros((2, 6, 6), bool)
    masks[0, 1:3, 1:3] = masks[1, 4:, 4:] = True
    won, lost = pointing_game(masks.astype(np.float32), masks), pointing_game((~masks).astype(np.float32), masks)
    np.testing.assert_array_equal(won.hit, True)
    np.testing.assert_array_equal(won.energy, 1)
    np.testing.assert_array_equal(lost.hit, False)
    np.testing.assert_array_equal(lost.energy, 0)


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3])
def test_a_hit_is_a_distance(tolerance):
    rng = np.random.default_rng(0)
    masks = rng.uniform(size=(60, 9, 11)) < 0.04
    masks = masks[masks.any(axis=(1, 2))]
    maps = rng.normal(size=masks.shape).astype(np.float32)
    peaks = np.stack([np.unravel_index(m.argmax(), m.shape) for m in maps])
    far = [
        distance_transform_edt(~mask)[tuple(p)] if mask.any() else np.inf for mask, p in zip(masks, peaks, strict=True)
    ]
    expected = np.array(far) <= tolerance
    np.testing.assert_array_equal(pointing_game(maps, masks, tolerance=tolerance).hit, expected)
    assert 0 < expected.mean() < 1


def test_negative_values_have_no_energy():
    maps, masks = np.array([[[1.0, -5.0, 3.0]], [[-1.0, -2.0, -3.0]]]), np.array([[[True, True, False]]] * 2)
    game = pointing_game(maps.astype(np.float32), masks)
    np.testing.assert_allclose(game.energy, [0.25, 0])
    np.testing.assert_array_equal(game.hit, [False, True])
    np.testing.assert_allclose(game.share, 2 / 3, rtol=1e-6)


def test_bad_input_is_one_sentence():
    maps, masks = jnp.zeros((2, 3, 3)), jnp.zeros((2, 3, 3), bool)
    with pytest.raises(InputError, match=r"share a shape \(N, H, W\), got \(2, 3, 3\) and \(1, 3, 3\)"):
        pointing_game(maps, masks[:1])
    with pytest.raises(InputError, match="tolerance must be zero or more pixels, got -1"):
        pointing_game(maps, masks, tolerance=-1)

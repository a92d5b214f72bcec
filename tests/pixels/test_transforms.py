import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import ndimage

from jaxvision.errors import InputError
from jaxvision.pixels import FrameCrop, Jitter, Pad, RandomRotation, RandomScale, chain

KEY = jax.random.key(0)
IMAGE = jax.random.normal(jax.random.key(1), (9, 12, 3))


def test_pad_and_crop_are_inverse():
    padded = Pad(2)(IMAGE, KEY)
    np.testing.assert_array_equal(padded, np.pad(IMAGE, [(2, 2), (2, 2), (0, 0)]))
    np.testing.assert_array_equal(FrameCrop(2)(padded, KEY), IMAGE)
    with pytest.raises(InputError, match="a frame of 5 pixels leaves nothing of an image of 9 x 12 pixels"):
        FrameCrop(5)(IMAGE, KEY)
    with pytest.raises(InputError, match="leaves nothing"):
        FrameCrop(4)(IMAGE[:8], KEY)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_scale_is_scipys_bilinear_zoom_about_the_centre(factor):
    scaled = RandomScale(factor, factor)(IMAGE, KEY)
    inner = (slice(2, -2), slice(2, -2))  # at the border scipy fades to zero within a pixel, JAX repeats the edge
    places = [(np.arange(n) - (n - 1) / 2) / factor + (n - 1) / 2 for n in IMAGE.shape[:2]]
    coordinates = np.meshgrid(*places, indexing="ij")
    for channel in range(3):
        expected = ndimage.map_coordinates(np.asarray(IMAGE)[..., channel], coordinates, order=1)
        np.testing.assert_allclose(scaled[..., channel][inner], expected[inner], atol=1e-5)


def test_scale_stays_within_its_limits_and_varies():
    ramp = jnp.linspace(-1, 1, 41)[:, None, None] * jnp.ones((41, 41, 1))
    keys = jax.random.split(KEY, 50)
    middles = jax.vmap(RandomScale(0.8, 1.25), in_axes=(None, 0))(ramp, keys)[:, 15:26, 20, 0]
    factors = np.ptp(ramp[15:26, 20, 0]) / np.ptp(middles, axis=1)
    assert factors.min() > 0.799
    assert factors.max() < 1.251
    assert np.ptp(factors) > 0.3


def test_rotation_is_scipys():
    angle = np.asarray(jax.random.uniform(KEY, (), jnp.float32, -np.pi / 6, np.pi / 6))
    turned = RandomRotation(30.0)(IMAGE, KEY)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]])
    center = (np.array(IMAGE.shape[:2]) - 1) / 2
    for channel in range(3):
        plane = np.asarray(IMAGE)[..., channel]
        expected = ndimage.affine_transform(plane, matrix, center - matrix @ center, order=1, mode="grid-constant")
        np.testing.assert_allclose(turned[1:-1, 1:-1, channel], expected[1:-1, 1:-1], atol=1e-5)


def test_a_quarter_turn_is_rot90():
    square = IMAGE[:, :9]
    angles = np.array([jax.random.uniform(k, (), jnp.float32, -1, 1) for k in jax.random.split(KEY, 40)])
    nearest = int(np.abs(np.abs(angles) - 0.5).argmin())  # scaled to a quarter turn exactly
    key, degrees = jax.random.split(KEY, 40)[nearest], 90 / abs(angles[nearest])
    expected = np.rot90(square, -1 if angles[nearest] > 0 else 1)
    np.testing.assert_allclose(RandomRotation(float(degrees))(square, key)[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-4)


def test_chain_applies_in_order_with_a_key_each():
    transforms = (Pad(3), Jitter(5), RandomScale(0.9, 1.1), Jitter(5))
    expected = IMAGE
    for k, transform in enumerate(transforms):
        expected = transform(expected, jax.random.fold_in(KEY, k))
    np.testing.assert_array_equal(chain(*transforms)(IMAGE, KEY), expected)
    np.testing.assert_array_equal(chain()(IMAGE, KEY), IMAGE)
    assert chain(*transforms) == chain(*transforms)
    assert hash(chain(*transforms)) == hash(chain(*transforms))


def test_gradients_are_finite_differences():
    with jax.enable_x64(True):
        transform = chain(Pad(1), Jitter(2), RandomScale(0.9, 1.1), RandomRotation(10.0))
        image = jnp.asarray(IMAGE, jnp.float64)
        check_grads(jax.jit(lambda x: transform(x, KEY)), (image,), order=1, modes=["rev"], atol=1e-6, rtol=1e-6)

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import square
from jaxvision.errors import InputError

IMAGES = jax.random.uniform(jax.random.key(0), (4, 10, 8, 2))
LABELS = jnp.array([0, 1, 2, 3])
KEYS = jax.random.split(jax.random.key(1), 4)
WEIGHTS = jax.random.normal(jax.random.key(2), (10, 8, 2, 4))


def bent(images):
    return jnp.sin(jnp.einsum("nhwc,hwck->nk", images, WEIGHTS))


def sure(images):
    """The first class always leads, the less the darker the image."""
    darkness = -jnp.mean(images, axis=(1, 2, 3))
    return jnp.stack([jnp.ones_like(darkness), darkness], axis=1)


def test_begins_with_stripes_and_tries_squares_that_shrink():
    """On a loss that rises with every image it is shown, so that all squares are kept: what differs is a square."""
    n_steps, eps, shape, seen = 200, 0.25, (10, 12, 2), []
    image = jnp.full((1, *shape), 0.5)

    def logits_fn(images):
        jax.debug.callback(lambda x: seen.append(np.array(x[0])), images, ordered=True)
        return jnp.stack([1 + jnp.mean(images, axis=(1, 2, 3)), jnp.zeros(len(images))], axis=1)

    clock = iter(range(10_000))

    def loss(logits, labels):
        tick = jax.pure_callback(lambda _: np.float32(next(clock)), jax.ShapeDtypeStruct((), jnp.float32), logits)
        return jnp.full(len(labels), tick)

    square(logits_fn, image, jnp.array([0]), eps=eps, key=KEYS[:1], n_steps=n_steps, loss=loss)
    jax.effects_barrier()
    stripes, *others = (x for x in seen if not np.all(x == 0.5))
    np.testing.assert_array_equal(np.unique(stripes), [0.25, 0.75])
    np.testing.assert_array_equal(stripes, np.broadcast_to(stripes[:1], shape))
    assert len(others) == n_steps
    sides = []
    for before, after in itertools.pairwise([stripes, *others]):
        np.testing.assert_array_equal(np.unique(after), [0.25, 0.75])
        where = np.argwhere(before != after)
        first, beyond = (where.min(axis=0), where.max(axis=0) + 1) if len(where) else (np.zeros(3, int),) * 2
        for c in np.unique(where[:, 2]):  # what a channel had within the square is one value now
            assert len(np.unique(after[first[0] : beyond[0], first[1] : beyond[1], c])) == 1
        sides.append(max((beyond - first)[:2]))
    # The root of 0.8 of 120 pixels, but less than the image; halved after 0.2, 1, 4, 10, 20, 40, 80, ... of 200 steps.
    assert 5 < sides[0] <= 9
    assert sides[1] <= 7
    assert max(sides[2:5]) <= 5
    assert max(sides[5:11]) == 3
    assert max(sides[100:]) == 1


def test_keeps_what_raises_the_loss_within_eps_and_bounds():
    labels = np.zeros(4, int)
    losses = []
    for n_steps in (0, 20, 200, 2000):
        result = square(sure, IMAGES, labels, eps=0.1, key=KEYS, n_steps=n_steps)
        assert (result.size <= 0.1 + 1e-6).all()
        assert ((result.images >= 0) & (result.images <= 1)).all()
        np.testing.assert_allclose(result.loss, sure(result.images)[:, 1] - 1, rtol=1e-5)
        assert not result.success.any()
        losses.append(result.loss)
    assert (losses[0] < losses[1]).all()
    best = -jnp.mean(jnp.maximum(IMAGES - 0.1, 0), axis=(1, 2, 3)) - 1
    np.testing.assert_allclose(losses[-1], best, atol=2e-3)


def test_a_fooled_image_stops_and_a_wrong_one_is_returned():
    """A number of steps that would take days, on a classifier without a derivative."""

    def steps(images):
        return jnp.round(5 * bent(images)) + 0.01 * jnp.arange(4.0)[None]

    labels = steps(IMAGES).argmax(axis=1).at[0].add(1) % 4
    result = square(steps, IMAGES, labels, eps=0.3, key=KEYS, n_steps=10**9)
    assert result.success.all()
    np.testing.assert_array_equal(result.images[0], IMAGES[0])
    np.testing.assert_array_equal(result.size == 0, [True, False, False, False])
    np.testing.assert_array_equal(steps(result.images).argmax(axis=1) != labels, result.success)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"eps": -0.1}, "eps must be zero or more, got -0.1"),
        ({"n_steps": -1}, "n_steps of at least 0, got -1"),
        ({"bounds": (0.0, 0.5)}, r"images must lie within bounds, got values up to 0\.9"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        square(bent, IMAGES, LABELS, **{"eps": 0.1, "key": KEYS} | arguments)

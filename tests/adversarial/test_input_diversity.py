"""Input diversity: small images among zeros, whole images where nothing changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import ResizeAndPad, pgd, resize_and_pad
from jaxvision.errors import InputError
from jaxvision.pixels import resize

IMAGE = jax.random.uniform(jax.random.key(0), (12, 10, 2), minval=0.1)


def changed(seed):
    return np.asarray(resize_and_pad(IMAGE, jax.random.key(seed), smallest=0.5, probability=1.0))


def test_it_is_the_resized_image_somewhere_among_zeros():
    sizes, corners = set(), set()
    for seed in range(12):
        image = changed(seed)
        rows, columns = (np.flatnonzero(image.sum(axis=axes)) for axes in ((1, 2), (0, 2)))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        small = resize(IMAGE[None], (int(height), int(width)), antialias=False)[0]
        inner = image[rows[0] : rows[0] + height, columns[0] : columns[0] + width]
        np.testing.assert_allclose(inner, small, atol=1e-5)
        assert 6 <= height <= 12
        assert width == height * 10 // 12
        sizes.add(height)
        corners.add((rows[0], columns[0]))
    assert len(sizes) > 3
    assert len(corners) > 3


def test_the_probability_is_kept():
    keys = jax.random.split(jax.random.key(1), 400)
    images = jax.vmap(ResizeAndPad(0.5, 0.3), (None, 0))(IMAGE, keys)
    same = np.asarray((images == IMAGE[None]).all(axis=(1, 2, 3)))
    # A seventh of the changes is to the full size, and changes nothing.
    assert abs(same.mean() - (0.7 + 0.3 / 7)) < 4 * np.sqrt(0.2 / 400)


def test_bad_input_is_one_sentence():
    with pytest.raises(
        InputError, match=r"smallest above 0 and at most 1, and probability between 0 and 1, got 0\.0 and 0\.5"
    ):
        resize_and_pad(IMAGE, jax.random.key(0), smallest=0.0)
    with pytest.raises(InputError, match="a random transform needs a key"):
        pgd(lambda x: x[:, 0, 0], IMAGE[None], [0], eps=0.1, random_start=False, transform=ResizeAndPad())
    with pytest.raises(InputError, match="nesterov looks ahead along a momentum"):
        pgd(lambda x: x[:, 0, 0], IMAGE[None], [0], eps=0.1, random_start=False, nesterov=True)


def bent(images):
    rows = images.reshape(len(images), -1)
    weights = jax.random.normal(jax.random.key(3), (rows.shape[1], 3))
    return 0.1 * jnp.sin(3 * rows) @ weights  # small, so that float32 holds the usual form of the loss


def test_an_image_never_vanishes():
    keys = jax.random.split(jax.random.key(5), 200)
    image = jnp.ones((4, 4, 1))
    changed = jax.vmap(lambda key: resize_and_pad(image, key, smallest=0.1, probability=1.0))(keys)
    sums = changed.sum(axis=(1, 2, 3))
    assert set(np.asarray(sums).round().tolist()) == {1.0, 4.0, 9.0, 16.0}


def test_nesterov_takes_its_gradient_ahead():
    """Three steps in NumPy, with the gradient of one image."""
    images, label, eps, rate, mu = IMAGE[None], jnp.array([1]), 0.1, 0.04, 0.9
    settings = {"n_steps": 3, "random_start": False, "momentum": mu, "nesterov": True, "keep_best": False}
    ours = pgd(bent, images, label, eps=eps, step_size=rate, **settings)
    gradient = jax.grad(lambda x: -jax.nn.log_softmax(bent(x))[0, 1])
    x, velocity = np.asarray(images), np.zeros_like(images)
    for _ in range(3):
        g = np.asarray(gradient(jnp.asarray(x + rate * mu * velocity)))
        velocity = mu * velocity + g / np.abs(g).mean()
        x = np.clip(np.clip(x + rate * np.sign(velocity), images - eps, images + eps), 0, 1)
    assert np.mean(np.abs(ours.images - x) > 1e-5) < 0.01
    plain = pgd(bent, images, label, eps=eps, step_size=rate, **(settings | {"nesterov": False}))
    assert np.abs(ours.images - plain.images).max() > 0.01


@pytest.mark.parametrize("settings", [{"momentum": 1.0, "nesterov": True}, {"transform": ResizeAndPad(0.5, 1.0)}])
def test_what_is_kept_is_judged_by_itself(settings):
    """Not by what the classifier was shown for the gradient."""
    images = jnp.stack([IMAGE, IMAGE[::-1]])
    labels = bent(images).argmax(axis=1)
    result = pgd(bent, images, labels, eps=0.05, n_steps=6, key=jax.random.key(0), n_restarts=2, **settings)
    np.testing.assert_array_equal(result.success, bent(result.images).argmax(axis=1) != labels)
    loss = -jax.nn.log_softmax(bent(result.images))[jnp.arange(2), labels]
    np.testing.assert_allclose(result.loss, loss, rtol=1e-4)

"""A batch in chunks is the batch, with whatever belongs to each image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.attribution import saliency_map
from jaxvision.forms import chunk_size
from jaxvision.pixels import in_chunks

SHAPE = (6, 160, 160, 3)


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch):
    """With oneDNN more images go through at once, and these all."""
    monkeypatch.setenv("JAXVISION_ONEDNN", "off")


def brightest(images, others):
    return {"sum": jnp.max(images, axis=(1, 2, 3)) + others["shift"], "name": others["names"][:, 0]}


def test_chunks_are_the_whole_batch():
    assert 1 < chunk_size(*SHAPE[:3]) < SHAPE[0]  # so that chunks are what is tested here
    images = jax.random.normal(jax.random.key(0), SHAPE)
    others = {"shift": jnp.arange(6.0), "names": jnp.arange(12).reshape(6, 2)}
    found, expected = in_chunks(brightest, images, others), brightest(images, others)
    np.testing.assert_array_equal(found["sum"], expected["sum"])
    np.testing.assert_array_equal(found["name"], expected["name"])


def test_saliency_in_chunks_keeps_each_label_with_its_image():
    """Logit k is k + 1 times the sum of the images' squares, so that the map is 2 (k + 1) max |I|."""
    images = jax.random.normal(jax.random.key(1), SHAPE)
    labels = np.array([3, 1, 4, 1, 5, 0])

    def logits_fn(images):
        return jnp.sum(images**2, axis=(1, 2, 3))[:, None] * jnp.arange(1.0, 7.0)[None]

    expected = 2 * (labels[:, None, None] + 1) * np.abs(images).max(axis=-1)
    np.testing.assert_allclose(saliency_map(logits_fn, images, labels), expected, rtol=1e-6)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.pixels import clip_normalized, jitter, resize
from jaxvision.visualization import deep_dream, energy, likeness

KEY = jax.random.key(0)
IMAGES = jax.random.uniform(jax.random.key(1), (2, 12, 16, 3), minval=-1.0, maxval=1.0)
KERNEL = jax.random.normal(jax.random.key(2), (3, 3, 3, 4)) / 3


def features_fn(images):
    mixed = jax.lax.conv_general_dilated(images, KERNEL, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return {"conv": jax.nn.relu(mixed)}


@jax.jit
def gradient(images):
    return jax.grad(lambda x: jnp.sum(jnp.mean(features_fn(x)["conv"] ** 2, axis=(1, 2, 3)) / 2))(images)


def test_octaves_are_the_written_out_algorithm():
    """Small copy first, steps of fixed length on the jittered image, and only what was dreamt is carried on."""
    dream = deep_dream(
        features_fn, IMAGES, energy("conv"), key=KEY, n_octaves=3, octave_scale=1.5, n_steps=2, learning_rate=0.1,
        max_jitter=3,
    )  # fmt: skip
    for i in range(2):
        image, dreamt, key = IMAGES[i : i + 1], jnp.zeros_like(IMAGES[:1]), jax.random.fold_in(KEY, i)
        for octave, size in enumerate([(5, 7), (8, 11), (12, 16)]):
            base = resize(image, size)
            x = base + resize(dreamt, size)
            for step in range(2):
                shift = jax.random.fold_in(jax.random.fold_in(key, octave), step)
                g = jitter(gradient(jitter(x[0], shift, max_shift=3)[None])[0], shift, max_shift=3, inverse=True)
                x = clip_normalized(x + 0.1 * g[None] / jnp.sqrt(jnp.mean(g**2)))
            dreamt = x - base
        np.testing.assert_allclose(dream[i], x[0], rtol=1e-3, atol=1e-4)


def test_what_is_there_grows_and_the_rest_stays():
    dream = deep_dream(features_fn, IMAGES, energy("conv"), key=KEY, n_octaves=2)
    before, after = (energy("conv")(features_fn(images)) for images in (IMAGES, dream))
    assert (after > 1.5 * before).all()
    still = deep_dream(features_fn, IMAGES, energy("conv"), key=KEY, n_octaves=1, n_steps=0)
    np.testing.assert_array_equal(still, IMAGES)


def test_a_guide_leads_the_dream_its_way():
    guide = features_fn(jnp.flip(IMAGES, axis=-1))["conv"]
    dream = deep_dream(features_fn, IMAGES, likeness("conv", guide, power=4.0), key=KEY, n_octaves=1, max_jitter=0)

    def cosines(images):
        mine = features_fn(images)["conv"]
        norms = jnp.sqrt(jnp.sum(mine**2, axis=(1, 2, 3)) * jnp.sum(guide**2, axis=(1, 2, 3)))
        return jnp.sum(mine * guide, axis=(1, 2, 3)) / norms

    assert (cosines(dream) > cosines(IMAGES) + 0.05).all()


def test_bad_input_is_one_sentence():
    for settings, sentence in (
        ({"n_octaves": 0}, "n_octaves must be 1 or more, got 0"),
        ({"n_steps": -1}, "n_steps must be 0 or more, got -1"),
        ({"octave_scale": 1.0}, "octave_scale must be above 1, got 1.0"),
        ({"n_octaves": 30}, "the smallest octave of images of 12 x 16 pixels has no pixel: take fewer than 30"),
        ({"std": [1.0]}, "one number per channel"),
    ):
        with pytest.raises(InputError, match=sentence):
            deep_dream(features_fn, IMAGES, energy("conv"), key=KEY, **settings)

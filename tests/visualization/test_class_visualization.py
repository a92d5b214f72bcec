import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.errors import InputError
from jaxvision.pixels import clip_normalized, gaussian_blur, jitter, start_from_noise
from jaxvision.visualization import ClipAndBlur, class_visualization, class_visualization_problem

KEY, SHAPE = jax.random.key(0), (8, 6, 3)
TARGETS = jnp.array([2, 0])
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.2)


def channels(images):
    return images.mean(axis=(1, 2))


def test_loop_is_the_written_out_algorithm():
    """Step by step in plain code: jitter, gradient, step, jitter back, clip, blur at 0, 2, 4."""
    weights = jax.random.normal(jax.random.key(7), (*SHAPE, 4))  # depends on place, so that the jitter matters

    def logits_fn(images):
        return jnp.einsum("nhwc,hwck->nk", jnp.tanh(images), weights)

    result = class_visualization(
        logits_fn, TARGETS, key=KEY, image_shape=SHAPE, l2=0.1, learning_rate=2.0, n_steps=5, blur_every=2,
        max_jitter=4, mean=MEAN, std=STD,
    )  # fmt: skip
    state = start_from_noise(class_visualization_problem(logits_fn, TARGETS), 2, key=KEY, image_shape=SHAPE)

    def score(image, target):
        return logits_fn(image[None])[0, target] - 0.1 * jnp.sum(image**2)

    @jax.jit
    def step(image, target, key):
        image = jitter(image, key, max_shift=4)
        value, gradient = jax.value_and_grad(score)(image, target)
        image = image + 2.0 * gradient / jnp.linalg.norm(gradient.ravel())
        return clip_normalized(jitter(image, key, max_shift=4, inverse=True), MEAN, STD), value

    for i, target in enumerate(TARGETS):
        image = state.images[i]
        for t in range(5):
            image, value = step(image, target, jax.random.fold_in(state.keys[i], t))
            image = gaussian_blur(image[None], 0.5)[0] if t % 2 == 0 else image
            np.testing.assert_allclose(result.trace["loss"][t, i], -value, rtol=1e-4)
        np.testing.assert_allclose(result.images[i], image, atol=1e-4)
        np.testing.assert_allclose(result.probability[i], jax.nn.softmax(logits_fn(image[None]))[0, target], rtol=1e-4)


def test_ascent_reaches_the_optimum_of_a_concave_score():
    """Mean of a channel less the penalty: the target's channel ends at 1 / (2 l2 pixels), the others at zero."""
    n_pixels, optimum = 48, 1.25
    result = class_visualization(
        channels, TARGETS, key=KEY, image_shape=SHAPE, l2=1 / (2 * n_pixels * optimum), learning_rate=0.1, n_steps=250,
        blur_every=0, max_jitter=0,
    )  # fmt: skip
    expected = np.zeros((2, *SHAPE), np.float32)
    expected[0, ..., 2] = expected[1, ..., 0] = optimum
    assert np.linalg.norm((result.images - expected).reshape(2, -1), axis=1).max() <= 0.1  # a step's length
    assert (result.trace["loss"][-1] < result.trace["loss"][0]).all()


def test_trace_adds_up():
    trace = class_visualization(channels, TARGETS, key=KEY, image_shape=SHAPE, n_steps=3).trace
    np.testing.assert_allclose(trace["loss"], trace["l2_penalty"] - trace["target_logit"], rtol=1e-5)
    assert all(value.shape == (3, 2) for value in trace.values())
    assert ((trace["target_probability"] > 0) & (trace["target_probability"] < 1)).all()


def test_images_stay_displayable_and_classes_differ():
    result = class_visualization(channels, TARGETS, key=KEY, image_shape=SHAPE, n_steps=12)
    np.testing.assert_allclose(result.images, clip_normalized(result.images), atol=1e-6)
    assert (result.images[0, ..., 2].mean() > result.images[0, ..., 0].mean()).all()
    assert (result.images[1, ..., 0].mean() > result.images[1, ..., 2].mean()).all()


def test_projection_blurs_in_turn():
    images = jax.random.normal(KEY, (1, *SHAPE))
    project = ClipAndBlur(blur_every=10, blur_sigma=1.0)
    clipped = clip_normalized(images)
    for step in (0, 10, 90):
        np.testing.assert_allclose(project(images, step), gaussian_blur(clipped, 1.0), atol=1e-6)
    for step in (1, 9, 99):
        np.testing.assert_array_equal(project(images, step), clipped)
    np.testing.assert_array_equal(ClipAndBlur(blur_every=0)(images, 0), clipped)


def test_grey_images_with_their_own_normalisation():
    def grey(images):
        return jnp.concatenate([images.mean((1, 2)), -images.mean((1, 2))], axis=1)

    result = class_visualization(
        grey, [1], key=KEY, image_shape=(5, 5, 1), n_steps=9, learning_rate=5.0, l2=0.0, mean=[0.5], std=[0.5]
    )
    np.testing.assert_allclose(result.images, -1.0, atol=1e-6)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match=r"targets must lie in \[0, 3\)"):
        class_visualization(channels, [3], key=KEY, image_shape=SHAPE)
    with pytest.raises(InputError, match=r"got shape \(\)"):
        class_visualization(channels, jnp.array(1), key=KEY, image_shape=SHAPE)
    with pytest.raises(InputError, match="one number per channel"):
        class_visualization(channels, [0], key=KEY, image_shape=(4, 4, 1))

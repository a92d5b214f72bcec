"""Losses and Gram matrices: closed forms, then gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxvision.style import GRAM, content_loss, gram_distance, gram_matrix, style_loss, total_variation_loss

FEATURES = jax.random.normal(jax.random.key(0), (2, 5, 4, 3))
OTHER = jax.random.normal(jax.random.key(1), (2, 5, 4, 3))


def test_gram_of_a_constant_map():
    """Every pixel is v: the mean of v v^T, over C."""
    v = np.array([1.0, 2.0, -1.0], np.float32)
    features = jnp.broadcast_to(jnp.asarray(v), (1, 6, 7, 3))
    np.testing.assert_allclose(gram_matrix(features)[0], np.outer(v, v) / 3, rtol=1e-6)
    np.testing.assert_allclose(gram_matrix(features, normalize=False)[0], 42 * np.outer(v, v), rtol=1e-6)


def test_gram_of_a_one_hot_map_counts_pixels():
    """Each pixel shows one channel: channels never occur together, and the diagonal counts."""
    labels = np.array([[0, 0, 2], [2, 2, 1]])
    features = jax.nn.one_hot(labels, 3)[None]
    np.testing.assert_array_equal(gram_matrix(features, normalize=False)[0], np.diag([2.0, 1.0, 3.0]))


@pytest.mark.parametrize("normalize", [True, False])
def test_gram_forgets_where_pixels_are(normalize):
    pixels = FEATURES.reshape(2, 20, 3)[:, np.random.default_rng(0).permutation(20)]
    shuffled = gram_matrix(pixels.reshape(2, 4, 5, 3), normalize=normalize)
    np.testing.assert_allclose(shuffled, gram_matrix(FEATURES, normalize=normalize), rtol=1e-5, atol=1e-6)


def test_gram_of_a_region_is_that_of_the_cropped_pixels():
    left = jnp.zeros((2, 5, 4)).at[:, :, :2].set(0.5)
    np.testing.assert_allclose(gram_matrix(FEATURES, left), gram_matrix(FEATURES[:, :, :2]), rtol=1e-5, atol=1e-6)
    sums = gram_matrix(FEATURES, left, normalize=False)
    np.testing.assert_allclose(sums, 0.5 * gram_matrix(FEATURES[:, :, :2], normalize=False), rtol=1e-5, atol=1e-6)


def test_an_empty_region_has_no_gram_matrix_to_speak_of():
    assert (gram_matrix(FEATURES, jnp.zeros((2, 5, 4))) == 0).all()


def test_gradient_of_the_style_term_is_gatys_equation_6():
    """dE/dF = 4 / (H W C) F (G - A)."""
    target = gram_matrix(OTHER)
    gradient = jax.grad(lambda f: jnp.sum(gram_distance(gram_matrix(f), target)))(FEATURES)
    difference = np.asarray(gram_matrix(FEATURES) - target)
    expected = 4 / 60 * np.einsum("nhwc,ncd->nhwd", np.asarray(FEATURES), difference)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_gram_has_derivatives_of_every_kind():
    """Forwards and backwards, first and second: the rule for the derivative is written by hand."""
    with jax.enable_x64(True):
        features = jnp.asarray(FEATURES[:1, :2, :2], jnp.float64)
        check_grads(lambda f: jnp.sin(gram_matrix(jnp.asarray(f))), (features,), order=2, modes=("fwd", "rev"))


def test_content_loss_of_a_shift():
    np.testing.assert_allclose(content_loss(FEATURES + 3.0, FEATURES), [9, 9], rtol=1e-5)
    np.testing.assert_allclose(content_loss(FEATURES + 3.0, FEATURES, normalize=False), [540, 540], rtol=1e-5)


def test_total_variation_of_a_ramp_and_a_checkerboard():
    ramp = jnp.broadcast_to(2.0 * jnp.arange(5.0)[None, None, :, None], (1, 3, 5, 2))  # 3 x 4 edges of 2, 2 channels
    np.testing.assert_allclose(total_variation_loss(ramp, normalize=False), [4 * 3 * 4 * 2])
    board = (jnp.indices((4, 6)).sum(0) % 2).astype(jnp.float32)[None, :, :, None]
    np.testing.assert_allclose(total_variation_loss(board, normalize=False), [3 * 6 + 4 * 5])
    np.testing.assert_allclose(total_variation_loss(board), [(3 * 6 + 4 * 5) / 24])


def test_style_loss_adds_weighted_layers():
    features, others = {"a": FEATURES, "b": OTHER, "unused": OTHER}, {"a": OTHER, "b": FEATURES}
    targets = {layer: gram_matrix(value) for layer, value in others.items()}
    distance = gram_distance(gram_matrix(FEATURES), gram_matrix(OTHER))
    np.testing.assert_allclose(style_loss(features, targets, {"a": 2.0, "b": 5.0}), 7 * distance, rtol=1e-5)
    assert style_loss(features, {"a": targets["b"]}, {"a": 1.0}, statistic=GRAM).max() == 0


LOSSES = {
    "content": lambda x, y: content_loss(x, y),
    "content sum": lambda x, y: content_loss(x, y, normalize=False),
    "gram": lambda x, y: gram_distance(gram_matrix(x), gram_matrix(y)),
    "tv": lambda x, y: total_variation_loss(x),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_gradient_is_the_finite_difference(loss):
    with jax.enable_x64(True):
        x, y = (jnp.asarray(np.asarray(v, np.float64)) for v in (FEATURES, OTHER))
        check_grads(lambda x: loss(jnp.asarray(x), y), (x,), order=1, modes=["rev"], atol=1e-6, rtol=1e-6, eps=1e-5)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_batch_is_a_loop_of_singles(loss):
    singles = jnp.concatenate([loss(FEATURES[i : i + 1], OTHER[i : i + 1]) for i in range(2)])
    np.testing.assert_allclose(jax.jit(loss)(FEATURES, OTHER), singles, rtol=1e-5)


# Factors between the conventions of the field and ours, each as its source writes it: a table of the docs.
def test_conventions_of_the_field():
    f, p = (np.asarray(v[:1], np.float64)[0].reshape(-1, 3).T for v in (FEATURES, OTHER))  # (C, HW), as papers write
    c, hw = f.shape
    gram, gram_p = f @ f.T, p @ p.T
    ours_content = float(content_loss(FEATURES[:1], OTHER[:1])[0])
    ours_style = float(gram_distance(gram_matrix(FEATURES[:1]), gram_matrix(OTHER[:1]))[0])
    gatys_content = ((f - p) ** 2).sum() / 2
    gatys_style = ((gram - gram_p) ** 2).sum() / (4 * c**2 * hw**2)
    johnson_content = ((f - p) ** 2).sum() / (c * hw)
    johnson_style = ((gram / (c * hw) - gram_p / (c * hw)) ** 2).sum()
    tutorial_style = ((gram / (c * hw) - gram_p / (c * hw)) ** 2).mean()  # PyTorch's tutorial and neural-style
    np.testing.assert_allclose(gatys_content, ours_content * c * hw / 2, rtol=1e-5)
    np.testing.assert_allclose(gatys_style, ours_style / 4, rtol=1e-4)
    np.testing.assert_allclose(johnson_content, ours_content, rtol=1e-5)
    np.testing.assert_allclose(johnson_style, ours_style, rtol=1e-4)
    np.testing.assert_allclose(tutorial_style, ours_style / c**2, rtol=1e-4)

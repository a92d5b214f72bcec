"""Adaptive instance normalisation, and the losses of networks that style in one pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import style
from jaxvision.style import adain_loss, adaptive_instance_norm, channel_moments, perceptual_loss, style_targets


def features_fn(images):
    return {"pixels": images, "edges": images[:, 1:] - images[:, :-1]}


@pytest.fixture(scope="module")
def maps():
    keys = jax.random.split(jax.random.key(0))
    return 2 * jax.random.normal(keys[0], (2, 6, 5, 3)) + 1, 5 * jax.random.uniform(keys[1], (2, 7, 4, 3))


def test_moments_become_the_styles(maps):
    found, wanted = (channel_moments(x) for x in (adaptive_instance_norm(*maps), maps[1]))
    np.testing.assert_allclose(found.mean, wanted.mean, atol=1e-5)
    np.testing.assert_allclose(found.std, wanted.std, atol=1e-5)


def test_it_is_the_equation(maps):
    content, picture = (np.asarray(x, np.float64) for x in maps)
    mean, new_mean = (x.mean(axis=(1, 2), keepdims=True) for x in (content, picture))
    std, new_std = (np.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-5) for x in (content, picture))
    expected = new_std * (content - mean) / std + new_mean
    np.testing.assert_allclose(adaptive_instance_norm(*maps), expected, atol=1e-5)
    mixed = adaptive_instance_norm(*maps, jnp.array([0.25, 1.0]))
    np.testing.assert_allclose(mixed[0], 0.75 * content[0] + 0.25 * expected[0], atol=1e-5)
    np.testing.assert_allclose(mixed[1], expected[1], atol=1e-5)


def test_alpha_zero_leaves_the_features_and_one_style_serves_all(maps):
    np.testing.assert_array_equal(adaptive_instance_norm(*maps, 0.0), maps[0])
    for_all = adaptive_instance_norm(maps[0], maps[1][:1])
    np.testing.assert_allclose(for_all, adaptive_instance_norm(maps[0], maps[1][jnp.array([0, 0])]), atol=1e-6)


def test_gradient_is_the_finite_difference():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        content, picture, weight, way = (jnp.asarray(rng.normal(size=(1, 3, 4, 2))) for _ in range(4))

        @jax.jit
        def value(t):
            return jnp.sum(weight * adaptive_instance_norm(content + t * way, picture - t * way, 0.7))

        step = 1e-5
        expected = (value(jnp.float64(step)) - value(jnp.float64(-step))) / (2 * step)
        np.testing.assert_allclose(jax.grad(value)(jnp.float64(0)), expected, rtol=1e-7)


def test_the_perceptual_loss_is_the_transfers_objective(maps):
    """Of each image alone, style_problem's objective with its own content."""
    images, content = maps[0], maps[0] + 0.3
    layers = {"content_layers": {"pixels": 2.0}, "style_layers": {"edges": 3.0}, "content_weight": 0.5}
    targets = style_targets(features_fn, content[:1], [maps[1][:1]], **layers, tv_weight=0.1, relative=True)
    loss, terms = perceptual_loss(
        features_fn, targets, content, images, content_layers={"pixels": 2.0}, content_weight=0.5, relative=True
    )
    for i in range(2):
        own = style_targets(features_fn, content[i : i + 1], [maps[1][:1]], **layers, tv_weight=0.1, relative=True)
        expected, expected_terms = style.StyleObjective()(features_fn, own, images[i : i + 1])
        np.testing.assert_allclose(loss[i], expected[0], rtol=1e-5)
        assert terms.keys() == expected_terms.keys()


def test_the_content_term_is_against_the_target(maps):
    content, picture = maps[0], jnp.pad(maps[1], ((0, 0), (0, 0), (0, 1), (0, 0)), mode="edge")[:, :6]
    target = adaptive_instance_norm(content, picture)
    words = {"layer": "pixels", "style_layers": {"pixels": 1.0}, "style_weight": 10.0}
    loss, terms = adain_loss(features_fn, target, target, features_fn(picture), **words)
    np.testing.assert_allclose(loss, 0, atol=1e-5)
    _, nothing = adain_loss(features_fn, 0 * target, target, features_fn(picture), **words)
    np.testing.assert_allclose(nothing["content/pixels"], 1, rtol=1e-5)  # in units of the target's size
    np.testing.assert_allclose(nothing["style/pixels"], 10, rtol=1e-4)
    assert set(terms) == {"content/pixels", "style/pixels", "tv"}

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from jaxvision.adversarial import L1, L2, LINF, fab
from jaxvision.adversarial.planes import onto_plane
from jaxvision.errors import InputError

IMAGES = jax.random.uniform(jax.random.key(0), (4, 5, 4, 2))
LABELS = jnp.array([0, 1, 2, 3])
WEIGHTS = jax.random.normal(jax.random.key(2), (5, 4, 2, 4))

every_norm = pytest.mark.parametrize("norm", [LINF, L2], ids=["linf", "l2"])


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images - 0.5, WEIGHTS)


def bent(images):
    return jnp.sin(linear(images))


def by_scipy(norm, normal, gap, low, high):
    """The least norm by general optimisers: a linear program, and a quadratic one."""
    w, low, high = (np.asarray(x, np.float64).ravel() for x in (normal, low, high))
    d = len(w)
    if norm is LINF:
        each = np.hstack([np.vstack([np.eye(d), -np.eye(d)]), -np.ones((2 * d, 1))])
        limits = [*zip(low, high, strict=True), (0, None)]
        return linprog(np.eye(d + 1)[-1], each, np.zeros(2 * d), np.append(w, 0)[None], [gap], limits).fun
    plane = {"type": "eq", "fun": lambda x: w @ x - gap, "jac": lambda x: w}
    start, limits = np.clip(gap * w / (w @ w), low, high), list(zip(low, high, strict=True))
    found = minimize(lambda x: x @ x, start, jac=lambda x: 2 * x, bounds=limits, constraints=[plane], tol=1e-12)
    return np.sqrt(found.fun)


@every_norm
def test_plane_is_reached_by_the_least_perturbation_within_bounds(norm):
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        normals, images = rng.normal(size=(6, 3, 2, 2)), rng.uniform(size=(6, 3, 2, 2))
        low, high = -images, 1 - images
        most = np.sum(np.maximum(normals * high, normals * low), axis=(1, 2, 3))
        gaps = np.array([0.05, 0.3, 0.9, 0.99, 0.5, 0.7]) * most
        found = onto_plane(norm, *(jnp.asarray(x) for x in (normals, gaps, low, high)))
        np.testing.assert_allclose(np.sum(normals * found, axis=(1, 2, 3)), gaps, rtol=1e-12)
        assert ((found >= low) & (found <= high)).all()
        for i, size in enumerate(np.asarray(norm.size(found))):
            assert size == pytest.approx(by_scipy(norm, normals[i], gaps[i], low[i], high[i]), rel=1e-5)
        opposite = onto_plane(norm, *(jnp.asarray(x) for x in (-normals, -gaps, low, high)))
        np.testing.assert_array_equal(opposite, found)
        beyond = onto_plane(norm, *(jnp.asarray(x) for x in (normals, 2 * most, low, high)))
        np.testing.assert_allclose(np.sum(normals * beyond, axis=(1, 2, 3)), most, rtol=1e-12)
        nothing = onto_plane(norm, *(jnp.asarray(x) for x in (0 * normals, gaps, low, high)))
        np.testing.assert_array_equal(nothing, 0)


@every_norm
def test_on_planes_the_perturbation_is_the_least(norm):
    """To the nearest of three planes, but for the overshoot."""
    labels = linear(IMAGES).argmax(axis=1)
    result = fab(linear, IMAGES, labels, norm=norm, n_steps=20)
    assert result.success.all()
    for i, label in enumerate(np.asarray(labels)):
        sizes = []
        for k in {0, 1, 2, 3} - {int(label)}:
            normal = WEIGHTS[..., k] - WEIGHTS[..., label]
            gap = float(linear(IMAGES[i : i + 1])[0, label] - linear(IMAGES[i : i + 1])[0, k])
            sizes.append(by_scipy(norm, normal, gap, -IMAGES[i], 1 - IMAGES[i]))
        assert min(sizes) <= result.size[i] * (1 + 1e-5)
        assert result.size[i] <= 1.06 * min(sizes)


@every_norm
def test_the_nearest_is_kept_and_small_enough_is_enough(norm):
    labels = bent(IMAGES).argmax(axis=1).at[0].add(1) % 4
    short, long = (fab(bent, IMAGES, labels, norm=norm, n_steps=n) for n in (5, 40))
    assert (long.size <= short.size).all()
    assert (long.size < short.size).any()
    assert long.success.all()
    np.testing.assert_array_equal(bent(long.images).argmax(axis=1) != labels, long.success)
    np.testing.assert_array_equal(long.images[0], IMAGES[0])
    assert ((long.images >= 0) & (long.images <= 1)).all()
    np.testing.assert_allclose(long.size, norm.size(long.images - IMAGES))
    assert (long.loss > 0).all()
    quick = fab(bent, IMAGES, labels, norm=norm, eps=1.5 * long.size, n_steps=10**9)  # it would take days
    assert (quick.size <= 1.5 * long.size).all()
    assert (quick.size > long.size).any()


def test_targets_are_tried_in_turn_and_what_cannot_be_fooled_is_returned():
    def logits_fn(images):
        x, y = images[:, 0, 0, 0], images[:, 0, 1, 0]
        return jnp.stack([1 + 0 * x, -0.5 + x, 1.1 * y - 0.5], axis=1) * jnp.array([[1.0, 1.0, 2.0]])

    image, label = jnp.array([0.9, 0.1]).reshape(1, 1, 2, 1), np.zeros(1, int)
    one, two = (fab(logits_fn, image, label, n_target_classes=n, n_steps=20) for n in (1, 2))
    assert not one.success.any()
    np.testing.assert_array_equal(one.images, image)
    assert one.size == 0
    assert two.success.all()
    assert two.size == pytest.approx(10 / 11 - 0.1, rel=0.06)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"eps": -0.1}, "eps must be zero or more, got -0.1"),
        ({"n_steps": -1}, "n_steps of at least 0, got 9 and -1"),
        ({"n_target_classes": 0}, "n_target_classes of at least 1"),
        ({"norm": L1}, "norm must be LINF or L2"),
        ({"bounds": (0.0, 0.5)}, r"images must lie within bounds, got values up to 0\.9"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        fab(bent, IMAGES, LABELS, **arguments)

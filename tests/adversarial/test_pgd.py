"""PGD and FGSM on classifiers whose best attack is known, and what holds on any."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import L1, L2, LINF, dlr_loss, fgsm, l1_ascent, margin_loss, pgd
from jaxvision.errors import InputError
from jaxvision.pixels import margin

SHAPE = (4, 3, 2)
WEIGHTS = jax.random.normal(jax.random.key(1), (*SHAPE, 5))
IMAGES = jax.random.uniform(jax.random.key(0), (6, *SHAPE))
KEYS = jax.random.split(jax.random.key(2), 6)
EVERYWHERE = (-1e3, 1e3)
NORMS = {"linf": (LINF, 0.2), "l2": (L2, 0.5), "l1": (L1, 1.0)}

every_norm = pytest.mark.parametrize(("norm", "eps"), NORMS.values(), ids=NORMS)


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


def two_classes(images):
    """Logits (0, w x): the loss's gradient is along w everywhere."""
    score = linear(images)[:, 0]
    return jnp.stack([jnp.zeros_like(score), score], axis=1)


def bent(images):
    """A smooth classifier that no straight line describes."""
    return jnp.tanh(linear(jnp.sin(5 * images)))


LABELS, BENT_LABELS = linear(IMAGES).argmax(axis=1), bent(IMAGES).argmax(axis=1)
ZEROS = np.zeros(6, int)  # of two classes the first: the attack makes w x as large as it gets


def test_linf_reaches_the_corner_of_a_linear_classifier():
    w = WEIGHTS[..., 0]
    for start in ({"random_start": False}, {"key": KEYS}):
        result = pgd(two_classes, IMAGES, ZEROS, eps=0.1, bounds=EVERYWHERE, **start)
        np.testing.assert_allclose(result.images - IMAGES, np.broadcast_to(0.1 * np.sign(w), IMAGES.shape), atol=1e-6)
        np.testing.assert_allclose(result.size, np.full(6, 0.1), rtol=1e-5)
        within = pgd(two_classes, IMAGES, ZEROS, eps=0.1, **start)
        np.testing.assert_allclose(within.images, np.clip(IMAGES + 0.1 * np.sign(w)[None], 0, 1), atol=1e-6)
    once = fgsm(two_classes, IMAGES, ZEROS, eps=0.1, bounds=EVERYWHERE)
    np.testing.assert_allclose(once.images, result.images, atol=1e-6)


def test_l2_reaches_the_end_of_the_normal_of_a_linear_classifier():
    w = WEIGHTS[..., 0] / jnp.linalg.norm(WEIGHTS[..., 0])
    for start in ({"random_start": False}, {"key": KEYS}):
        result = pgd(
            two_classes, IMAGES, ZEROS, eps=0.5, norm=L2, n_steps=200, step_size=0.05, bounds=EVERYWHERE, **start
        )
        np.testing.assert_allclose(result.images - IMAGES, np.broadcast_to(0.5 * w, IMAGES.shape), atol=1e-3)
    once = fgsm(two_classes, IMAGES, ZEROS, eps=0.5, norm=L2, bounds=EVERYWHERE)
    np.testing.assert_allclose(once.images - IMAGES, np.broadcast_to(0.5 * w, IMAGES.shape), atol=1e-6)


def test_l2_within_bounds_is_the_solution_of_the_bounded_problem():
    """Largest w x over ball and box: each value goes along w as far as it may, all by one factor."""
    w = np.asarray(WEIGHTS[..., 0], np.float64)
    result = pgd(two_classes, IMAGES, ZEROS, eps=1.0, norm=L2, n_steps=400, step_size=0.05, random_start=False)
    for image, found in zip(np.asarray(IMAGES, np.float64), np.asarray(result.images), strict=True):
        low, high = 0.0, 1e4
        for _ in range(100):
            factor = (low + high) / 2
            short = np.linalg.norm(np.clip(factor * w, -image, 1 - image)) <= 1
            low, high = (factor, high) if short else (low, factor)
        best = np.clip(low * w, -image, 1 - image)
        gap = np.sum(w * best) - np.sum(w * (found - image))
        assert 0 <= gap + 1e-5 <= 2e-3 * np.sum(w * best)


def test_l1_spends_its_budget_on_the_strongest_pixel_of_a_linear_classifier():
    w = np.asarray(WEIGHTS[..., 0]).ravel()
    sparsest = L1._replace(ascend=lambda g, low, high: l1_ascent(g, low, high, share=1e-9))
    result = pgd(two_classes, IMAGES, ZEROS, eps=2.0, norm=sparsest, random_start=False, bounds=EVERYWHERE)
    expected = np.zeros(24)
    expected[np.abs(w).argmax()] = 2 * np.sign(w[np.abs(w).argmax()])
    for found in np.asarray(result.images - IMAGES).reshape(6, -1):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("loss", [margin_loss, dlr_loss])
def test_other_losses_find_the_best_corner_too(loss):
    """Beside class 0 a third and a fourth that no image ever reaches: margin and ratio climb the same way."""

    def four(images):
        score = two_classes(images)
        return jnp.concatenate([score, jnp.full_like(score, -100.0)], axis=1)

    result = pgd(four, IMAGES, ZEROS, eps=0.1, loss=loss, random_start=False, bounds=EVERYWHERE)
    w = np.broadcast_to(np.sign(WEIGHTS[..., 0]), IMAGES.shape)
    np.testing.assert_allclose(result.images - IMAGES, 0.1 * w, atol=1e-6)


def test_targets_are_approached():
    targets = (LABELS + 1) % 5
    result = pgd(linear, IMAGES, targets, eps=0.5, key=KEYS, targeted=True)
    assert result.success.all()
    assert (linear(result.images).argmax(axis=1) == targets).all()
    assert not pgd(linear, IMAGES, targets, eps=0.0, key=KEYS, targeted=True).success.any()
    assert (result.loss < pgd(linear, IMAGES, targets, eps=0.0, key=KEYS, targeted=True).loss).all()


@every_norm
def test_budget_and_bounds_hold_and_success_is_that_of_the_returned_image(norm, eps):
    budgets = jnp.linspace(0, 2, 6) * eps
    bounds = (-0.1, np.array([1.0, 1.2]))
    result = pgd(bent, IMAGES, BENT_LABELS, eps=budgets, norm=norm, key=KEYS, n_restarts=2, bounds=bounds)
    assert (result.images >= bounds[0]).all()
    assert (np.asarray(result.images) <= bounds[1]).all()
    assert (norm.size(result.images - IMAGES) <= budgets * (1 + 1e-5) + 1e-6).all()
    np.testing.assert_allclose(result.size, norm.size(result.images - IMAGES), rtol=1e-6)
    np.testing.assert_array_equal(result.success, margin(bent(result.images), BENT_LABELS) < 0)


@every_norm
def test_values_stay_within_bounds_to_the_bit(norm, eps):
    images = jnp.round(IMAGES)  # all at a bound
    result = pgd(bent, images, LABELS, eps=3 * eps, norm=norm, key=KEYS)
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert (result.images != images).any()


@every_norm
def test_no_budget_changes_nothing(norm, eps):
    result = pgd(bent, IMAGES, BENT_LABELS, eps=0.0, norm=norm, key=KEYS, n_restarts=2)
    np.testing.assert_array_equal(result.images, IMAGES)
    np.testing.assert_array_equal(result.success, bent(IMAGES).argmax(axis=1) != BENT_LABELS)


def losses_on_the_way(n_steps, **settings):
    """The last image's loss and success after 0, 1, ... steps."""
    runs = [pgd(bent, IMAGES, BENT_LABELS, n_steps=t, keep_best=False, **settings) for t in range(n_steps + 1)]
    return np.stack([run.loss for run in runs]), np.stack([run.success for run in runs]), runs


def test_the_best_on_the_way_is_kept():
    settings = {"eps": 0.1, "step_size": 0.08, "random_start": False}
    losses, success, runs = losses_on_the_way(7, **settings)
    assert (losses.argmax(axis=0) < 7).any()  # steps this long overshoot
    assert (success.any(axis=0) & ~success[-1]).any()
    assert not success.any(axis=0).all()
    best = pgd(bent, IMAGES, BENT_LABELS, n_steps=7, **settings)
    for i in range(6):
        allowed = success[:, i] if success[:, i].any() else np.ones(8, bool)
        winner = int(np.where(allowed, losses[:, i], -np.inf).argmax())
        np.testing.assert_allclose(best.images[i], runs[winner].images[i], atol=1e-6)
        assert best.success[i] == success[:, i].any()


def test_a_restart_counts_only_where_it_is_better():
    settings = {"eps": 0.3, "n_steps": 3, "norm": L2}
    results = [pgd(bent, IMAGES, BENT_LABELS, key=KEYS, n_restarts=n, **settings) for n in range(1, 7)]
    score = np.stack([result.loss + np.where(result.success, 1e3, 0) for result in results])
    assert (np.diff(score, axis=0) >= 0).all()
    assert (score[-1] > score[0]).any()
    stays = score[1] == score[0]
    np.testing.assert_array_equal(np.asarray(results[0].images)[stays], np.asarray(results[1].images)[stays])
    last = [pgd(bent, IMAGES, BENT_LABELS, key=KEYS, n_restarts=n, keep_best=False, **settings) for n in (1, 4)]
    score = np.stack([result.loss + np.where(result.success, 1e3, 0) for result in last])
    assert (score[1] >= score[0]).all()
    assert (score[1] > score[0]).any()


def test_momentum_is_the_published_recursion():
    """In NumPy, on a classifier whose gradient is known and turns: logits (0, -|a| (x - 1/2)^2) summed over pixels."""
    a = -np.abs(np.asarray(WEIGHTS[..., 0], np.float64))

    def squares(images):
        score = jnp.einsum("nhwc,hwc->n", (images - 0.5) ** 2, -jnp.abs(WEIGHTS[..., 0]))
        return jnp.stack([jnp.zeros_like(score), score], axis=1)

    eps, n_steps = 0.3, 6
    settings = {"eps": eps, "step_size": eps / n_steps, "n_steps": n_steps, "random_start": False, "keep_best": False}
    found = pgd(squares, IMAGES, ZEROS, momentum=1.0, **settings).images
    x = np.asarray(IMAGES, np.float64)
    clean, velocity = x, np.zeros_like(x)
    for _ in range(n_steps):
        gradient = a * (x - 0.5)  # but for a factor that its norm takes out
        velocity = velocity + gradient / np.abs(gradient).sum(axis=(1, 2, 3), keepdims=True)
        x = np.clip(np.clip(x + eps / n_steps * np.sign(velocity), clean - eps, clean + eps), 0, 1)
    np.testing.assert_allclose(found, x, atol=1e-5)
    without = pgd(squares, IMAGES, ZEROS, momentum=0.0, **settings).images
    np.testing.assert_array_equal(without, pgd(squares, IMAGES, ZEROS, **settings).images)
    assert (found != without).any()


@every_norm
def test_a_sweep_of_budgets_is_a_run_for_each(norm, eps):
    budgets = eps * jnp.array([0.0, 0.5, 1.0])
    sweep = jax.vmap(lambda e: pgd(bent, IMAGES, BENT_LABELS, eps=e, norm=norm, key=KEYS, n_steps=5))(budgets)
    for i, budget in enumerate(budgets):
        single = pgd(bent, IMAGES, BENT_LABELS, eps=budget, norm=norm, key=KEYS, n_steps=5)
        np.testing.assert_allclose(sweep.images[i], single.images, atol=1e-3)
        np.testing.assert_array_equal(sweep.success[i], single.success)
    assert (sweep.size[1:] > 0.4 * eps).all()


def test_a_batch_of_224_pixels_goes_in_chunks_with_the_same_result(monkeypatch):
    monkeypatch.setenv("JAXVISION_ONEDNN", "off")  # with it more images go at once
    images = jax.random.uniform(jax.random.key(0), (4, 224, 224, 1))

    def logits_fn(images):
        return jnp.sin(3 * images[:, :5, 0, 0])

    arguments = {"eps": jnp.linspace(0, 0.2, 4), "n_steps": 2}
    labels, keys = np.arange(4), KEYS[:4]
    batch = pgd(logits_fn, images, labels, key=keys, **arguments)
    for i in range(4):
        row = slice(i, i + 1)
        single = pgd(logits_fn, images[row], labels[row], eps=arguments["eps"][row], n_steps=2, key=keys[row])
        np.testing.assert_allclose(batch.images[row], single.images, atol=1e-6)


def test_memory_does_not_grow_with_steps_and_restarts():
    def bytes_for(n_steps, n_restarts):
        run = jax.jit(lambda x: pgd(bent, x, BENT_LABELS, eps=0.1, key=KEYS, n_steps=n_steps, n_restarts=n_restarts))
        return run.lower(IMAGES).compile().memory_analysis().temp_size_in_bytes

    assert bytes_for(100, 20) == bytes_for(5, 2) > 0


def test_one_program_for_all_budgets_steps_and_restarts():
    traces = []

    def counted(images):
        traces.append(images.shape)
        return linear(images)

    pgd(counted, IMAGES, LABELS, eps=0.1, n_steps=2, key=KEYS, n_restarts=2)
    first = len(traces)
    pgd(counted, IMAGES, LABELS, eps=np.linspace(0, 1, 6), step_size=0.1, n_steps=3, key=KEYS, n_restarts=3)
    assert len(traces) == first


def test_no_derivative_passes():
    def loss(weights, scale):
        result = pgd(lambda x: linear(x) * weights[None], scale * IMAGES, LABELS, eps=0.1 * scale, random_start=False)
        return jnp.sum(result.images) + jnp.sum(result.loss)

    gradients = jax.grad(loss, argnums=(0, 1))(jnp.ones(5), jnp.ones(()))
    assert all((gradient == 0).all() for gradient in gradients)


def test_logits_that_are_not_numbers_return_the_image():
    result = pgd(lambda images: linear(images) * jnp.nan, IMAGES, LABELS, eps=0.1, key=KEYS, n_steps=3)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert not result.success.any()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "a random start needs a key"),
        ({"key": KEYS, "eps": -0.1}, "eps must be zero or more, got -0.1"),
        (
            {"key": KEYS, "eps": np.ones(3)},
            r"eps must be one number or one for each image, shape \(6,\), got shape \(3,\)",
        ),
        ({"key": KEYS, "step_size": np.nan}, "step_size must be zero or more, got nan"),
        ({"key": KEYS, "n_restarts": 0}, "n_restarts of at least 1"),
        ({"n_restarts": 2, "random_start": False}, "restarts are all the same without a random start"),
        ({"key": KEYS, "bounds": (0.0, 0.5)}, r"images must lie within bounds, got values up to 0\.9"),
        ({"key": KEYS, "bounds": (0.5, 1.0)}, r"images must lie within bounds, got values down to 0\.0"),
        ({"key": KEYS, "bounds": (0.0, np.ones(3))}, r"bounds must be numbers or of shape \(2,\), got shape \(3,\)"),
        ({"key": jax.random.split(jax.random.key(0), 3)}, "key must be one key or one for each of the 6 images"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        pgd(linear, IMAGES, LABELS, **{"eps": 0.1} | arguments)

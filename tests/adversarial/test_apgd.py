import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.adversarial import L1, L2, LINF, apgd, apgd_targeted, l2_size, linf_size, margin_loss, pgd
from jaxvision.errors import InputError

IMAGES = jax.random.uniform(jax.random.key(0), (4, 5, 4, 2))
LABELS = jnp.array([0, 1, 2, 3])
KEYS = jax.random.split(jax.random.key(1), 4)
WEIGHTS = jax.random.normal(jax.random.key(2), (5, 4, 2, 4))

every_norm = pytest.mark.parametrize(("norm", "eps"), [(LINF, 0.1), (L2, 0.5)], ids=["linf", "l2"])


def bent(images):
    return jnp.sin(jnp.einsum("nhwc,hwck->nk", images, 3 * WEIGHTS))


def sure(labels):
    """As `bent`, but the label always leads."""
    return lambda images: bent(images) + 10 * jax.nn.one_hot(labels, 4)


def by_hand(x, start, weights, eps, n_steps):
    """Algorithm 1 in NumPy for one image, the loss -w (x - 1/2)^2 summed, all losses kept."""

    def loss(z):
        return -np.sum(weights * (z - 0.5) ** 2)

    def project(z):
        return np.clip(np.clip(z, x - eps, x + eps), 0, 1)

    window, checkpoints = max(int(0.22 * n_steps), 1), [0]
    while checkpoints[-1] < n_steps:
        checkpoints.append(checkpoints[-1] + window)
        window = max(window - max(int(0.03 * n_steps), 1), int(0.06 * n_steps), 1)
    step, iterates, losses, best, sizes, halvings = 2 * eps, [start], [loss(start)], [start], [2 * eps], 0
    now, before = start, start
    for k in range(n_steps):
        if k in checkpoints[1:]:
            last = checkpoints[checkpoints.index(k) - 1]
            rises = sum(losses[i + 1] > losses[i] for i in range(last, k))
            first = rises <= 0.75 * (k - last)
            second = last > 0 and sizes[last] == sizes[k] and max(losses[: last + 1]) == max(losses[: k + 1])
            if first or second:
                step, now, halvings = step / 2, best[-1], halvings + 1
        sizes.append(step)
        share = 1 if k == 0 else 0.75
        climbed = project(now + step * np.sign(-2 * weights * (now - 0.5)))
        now, before = project(now + share * (climbed - now) + (1 - share) * (now - before)), now
        iterates.append(now)
        losses.append(loss(now))
        best.append(iterates[int(np.argmax(losses))])
    return best[-1], halvings


@pytest.mark.parametrize("n_steps", [0, 1, 60, 100])
def test_steps_are_the_published_ones(n_steps):
    with jax.enable_x64(True):
        images = 0.3 + 0.4 * jnp.asarray(np.random.default_rng(0).random((4, 5, 4, 2)))  # the best is near
        size = jnp.asarray(np.random.default_rng(1).random((5, 4, 2)))
        settings = {"eps": 0.25, "key": KEYS, "loss": margin_loss}

        def logits_fn(images):
            return jnp.stack([jnp.zeros(len(images)), -100 - jnp.sum((images - 0.5) ** 2 * size[None], (1, 2, 3))], 1)

        labels = np.zeros(4, int)
        starts = apgd(logits_fn, images, labels, n_steps=0, **settings).images
        found = apgd(logits_fn, images, labels, n_steps=n_steps, **settings)
    counts = []
    for i in range(4):
        expected, halvings = by_hand(*(np.asarray(x) for x in (images[i], starts[i], size)), 0.25, n_steps)
        np.testing.assert_allclose(found.images[i], expected, atol=1e-12)
        counts.append(halvings)
    assert not found.success.any()
    assert min(counts) >= {60: 4, 100: 4}.get(n_steps, 0)


@every_norm
def test_images_are_within_eps_and_bounds_and_the_start_is_that_of_pgd(norm, eps):
    settings = {"eps": eps, "norm": norm, "key": KEYS}
    logits_fn = sure(LABELS)
    start = apgd(logits_fn, IMAGES, LABELS, n_steps=0, **settings)
    expected = pgd(logits_fn, IMAGES, LABELS, n_steps=0, **settings).images
    np.testing.assert_allclose(start.images, expected, atol=1e-6)
    result = apgd(logits_fn, IMAGES, LABELS, n_steps=20, **settings)
    size = {LINF: linf_size, L2: l2_size}[norm](result.images - IMAGES)
    np.testing.assert_allclose(result.size, size)
    assert ((size <= eps * (1 + 1e-5)) & (size > 0.5 * eps)).all()
    assert ((result.images >= 0) & (result.images <= 1)).all()
    assert (result.loss > start.loss).all()
    assert not result.success.any()


@every_norm
def test_a_fooled_image_stops_and_a_wrong_one_is_returned(norm, eps):
    """A number of steps that would take hours."""
    labels = bent(IMAGES).argmax(axis=1).at[0].add(1) % 4
    result = apgd(bent, IMAGES, labels, eps=eps, norm=norm, key=KEYS, n_steps=10**7, n_restarts=1000)
    assert result.success.all()
    np.testing.assert_array_equal(result.images[0], IMAGES[0])
    np.testing.assert_array_equal(result.size == 0, [True, False, False, False])
    np.testing.assert_array_equal(result.success, bent(result.images).argmax(axis=1) != labels)
    np.testing.assert_array_equal(result.images, apgd(bent, IMAGES, labels, eps=eps, norm=norm, key=KEYS).images)


def test_restarts_find_what_one_start_does_not():
    """A loss whose slope leads into a pit from most starts: success is where one pixel is near 1."""

    def logits_fn(images):
        x = images[:, 0, 0, 0]
        return jnp.stack([jnp.zeros_like(x), jnp.where(x > 0.97, 1.0, -1 - x)], axis=1)

    images, labels = jnp.full((64, 1, 1, 1), 0.5), np.zeros(64, int)
    rates = [
        apgd(logits_fn, images, labels, eps=0.5, n_steps=0, n_restarts=n, key=jax.random.key(0)).success.mean()
        for n in (1, 10, 100)
    ]
    np.testing.assert_allclose(rates, [1 - 0.97**n for n in (1, 10, 100)], atol=0.13)


def two_ways_out(images):
    """Class 1 looks near and is out of reach; class 3 looks far and is reached."""
    x, y = images[:, 0, 0, 0], images[:, 0, 1, 0]
    near = -0.5 + 0.4 * jnp.tanh(5 * (x - 0.5))
    return jnp.stack([jnp.zeros_like(x), near, -2.0 + 0 * x, -1 + 3 * (y - 0.5), -3.0 + 0 * x], axis=1)


def test_targets_are_tried_by_falling_likelihood():
    image, label = jnp.full((1, 1, 2, 1), 0.5), np.zeros(1, int)
    settings = {"eps": 0.4, "key": KEYS[:1], "n_steps": 30}
    one, two = (apgd_targeted(two_ways_out, image, label, n_target_classes=n, **settings) for n in (1, 2))
    assert not one.success.any()
    np.testing.assert_allclose(one.images[0, 0, 0, 0], 0.9, atol=1e-6)
    assert two.success.all()
    assert two_ways_out(two.images).argmax() == 3
    every = apgd_targeted(two_ways_out, image, label, n_target_classes=100, **settings)
    np.testing.assert_array_equal(every.images, two.images)


def test_each_target_has_its_restarts():
    seen = []

    def loss(logits, labels, targets):
        jax.debug.callback(lambda t: seen.append(int(t[0])), targets, ordered=True)
        return logits[:, 0]

    apgd_targeted(sure(LABELS[:1]), IMAGES[:1], LABELS[:1], eps=0.1, key=KEYS[:1], n_steps=0, n_restarts=2, loss=loss)
    jax.effects_barrier()
    order = np.argsort(-bent(IMAGES[:1])[0])
    assert seen[1:] == [int(k) for k in order if k != 0 for _ in range(2)]


def test_memory_does_not_grow_with_steps_and_restarts():
    def bytes_for(n_steps, n_restarts):
        run = jax.jit(lambda x: apgd(bent, x, LABELS, eps=0.1, key=KEYS, n_steps=n_steps, n_restarts=n_restarts))
        return run.lower(IMAGES).compile().memory_analysis().temp_size_in_bytes

    assert bytes_for(100, 20) == bytes_for(5, 2) > 0


def test_one_program_for_all_budgets_steps_and_restarts():
    traces = []

    def counted(images):
        traces.append(images.shape)
        return bent(images)

    apgd(counted, IMAGES, LABELS, eps=0.1, n_steps=2, key=KEYS)
    first = len(traces)
    apgd(counted, IMAGES, LABELS, eps=np.linspace(0, 1, 4), n_steps=3, key=KEYS, n_restarts=3)
    assert len(traces) == first


def test_no_derivative_passes_and_logits_that_are_not_numbers_return_the_image():
    found = jax.grad(lambda s: jnp.sum(apgd(bent, s * IMAGES, LABELS, eps=0.1 * s, key=KEYS, n_steps=3).images))(1.0)
    assert found == 0
    result = apgd(lambda images: bent(images) * jnp.nan, IMAGES, LABELS, eps=0.1, key=KEYS, n_steps=3)
    np.testing.assert_array_equal(result.images, IMAGES)
    assert not result.success.any()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"eps": -0.1}, "eps must be zero or more, got -0.1"),
        ({"n_restarts": 0}, "n_restarts of at least 1"),
        ({"n_steps": -1}, "n_steps of at least 0, got 1 and -1"),
        ({"norm": L1}, "norm must be LINF or L2"),
        ({"bounds": (0.0, 0.5)}, r"images must lie within bounds, got values up to 0\.9"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence):
    for attack in (apgd, apgd_targeted):
        with pytest.raises(InputError, match=sentence):
            attack(bent, IMAGES, LABELS, **{"eps": 0.1, "key": KEYS} | arguments)


def test_targets_need_classes():
    with pytest.raises(InputError, match="n_target_classes of at least 1, got 0"):
        apgd_targeted(bent, IMAGES, LABELS, eps=0.1, key=KEYS, n_target_classes=0)
    with pytest.raises(InputError, match="at least 4 classes, got 3"):
        apgd_targeted(lambda x: bent(x)[:, :3], IMAGES[:3], LABELS[:3], eps=0.1, key=KEYS[:3])
    with pytest.raises(InputError, match="at least 2 classes apart, got 1"):
        apgd(lambda x: bent(x)[:, :1], IMAGES[:1], LABELS[:1], eps=0.1, key=KEYS[:1])

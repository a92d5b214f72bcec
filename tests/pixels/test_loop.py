"""The pixel loop against closed forms: a quadratic bowl per image, whose every iterate is known."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.errors import InputError
from jaxvision.pixels import (
    ClipNormalized,
    Jitter,
    PixelProblem,
    advance,
    evaluate,
    example_keys,
    normalized_gradient,
    optimize,
    start,
    start_from_noise,
)

IMAGES = jax.random.normal(jax.random.key(0), (4, 3, 2, 2))
KEY = jax.random.key(1)


def bowl(center, images):
    loss = jnp.sum((images - center) ** 2, axis=(1, 2, 3)) / 2
    return loss, {"distance": jnp.sqrt(2 * loss)}


def near(terms):
    return terms["distance"] < 0.5


def noisy(image, key):
    return image + jax.random.normal(key, image.shape)


class Shrink:
    def __call__(self, images, step):
        return images * jnp.where(step == 1, 0.5, 1.0)


BOWL = jax.tree_util.Partial(bowl, jnp.float32(1.0))
SGD, ADAM = optax.sgd(0.25), optax.adam(0.1)


def test_gradient_descent_follows_its_closed_form():
    result = optimize(PixelProblem(BOWL, SGD), IMAGES, n_steps=5)
    np.testing.assert_allclose(result.images, 1 + 0.75**5 * (IMAGES - 1), rtol=1e-5)
    losses = np.sum((np.asarray(IMAGES) - 1) ** 2, axis=(1, 2, 3)) / 2
    np.testing.assert_allclose(result.trace["loss"], [losses * 0.75 ** (2 * t) for t in range(5)], rtol=1e-5)
    np.testing.assert_allclose(result.final["loss"], losses * 0.75**10, rtol=1e-5)
    assert (result.steps == 5).all()
    assert not result.stopped.any()


def test_each_image_stops_on_its_own_and_is_frozen():
    images = jnp.full((4, 1, 1, 1), 1.0) + jnp.array([0.25, 0.75, 4.0, 1000.0])[:, None, None, None]
    result = optimize(PixelProblem(BOWL, SGD, stop=near), images, n_steps=12)
    expected = np.ceil(np.log(0.5 / np.array([0.25, 0.75, 4.0, 1000.0])) / np.log(0.75)).clip(0, 12)
    np.testing.assert_array_equal(result.steps, expected)
    np.testing.assert_array_equal(result.stopped, [True, True, True, False])
    np.testing.assert_array_equal(result.images[0], images[0])
    rows = np.isfinite(result.trace["distance"]).sum(axis=0)
    np.testing.assert_array_equal(rows, [1, 3, 9, 12])  # the row that finds an image done is traced, none after it
    for i, last in enumerate(rows[:3] - 1):
        assert result.trace["distance"][last, i] < 0.5 <= np.min(result.trace["distance"][:last, i], initial=np.inf)
        np.testing.assert_allclose(result.trace["distance"][last, i], result.final["distance"][i], rtol=1e-6)


def test_a_stop_reached_by_the_last_update_counts():
    images = jnp.full((1, 1, 1, 1), 1.75)
    result = optimize(PixelProblem(BOWL, SGD, stop=near), images, n_steps=2)  # 0.75 -> 0.5625 -> 0.4219
    assert result.stopped.item()
    assert result.steps.item() == 2
    assert np.isfinite(result.trace["loss"]).all()


def test_stopped_images_keep_their_optimizer_state():
    problem = PixelProblem(BOWL, ADAM, stop=lambda terms: terms["distance"] < 2.0)
    images = 1 + jnp.array([1.0, 9.0])[:, None, None, None] * jnp.ones((2, 1, 1, 1))
    state, _ = advance(problem, start(problem, images), n_steps=3)
    fresh, moved = (jax.tree.map(lambda leaf, i=i: leaf[i], state.optimizer_state[0]) for i in (0, 1))
    assert fresh.count == 0
    assert (fresh.mu == 0).all()
    assert moved.count == 3
    assert (moved.mu != 0).all()


def test_loop_leaves_as_soon_as_all_have_stopped():
    calls = []

    def counted(images):
        jax.debug.callback(lambda: calls.append(1))
        return bowl(1.0, images)

    result = optimize(PixelProblem(counted, SGD, stop=near), jnp.full((1, 1, 1, 1), 1.75), n_steps=1000)
    jax.effects_barrier()
    assert result.steps.item() == 2
    assert len(calls) == 2 + 1 + 1  # two updates, the row that finds it done, the final terms


@pytest.mark.parametrize("n_steps", [0, 1])
def test_few_steps(n_steps):
    result = optimize(PixelProblem(BOWL, SGD), IMAGES, n_steps=n_steps)
    assert result.trace["loss"].shape == (n_steps, 4)
    np.testing.assert_allclose(result.images, 1 + 0.75**n_steps * (IMAGES - 1), rtol=1e-5)


def test_empty_batch():
    assert optimize(PixelProblem(BOWL, SGD), IMAGES[:0], n_steps=3).images.shape == (0, 3, 2, 2)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.normalize_by_update_norm(scale_factor=-0.3),
        optax.adam(0.1),
        optax.lbfgs(learning_rate=0.5, memory_size=3, linesearch=None),
    ],
    ids=["normalized", "adam", "lbfgs"],
)
def test_one_optimizer_per_image(optimizer):
    problem = PixelProblem(BOWL, optimizer, transform=noisy, stop=near)
    batch = optimize(problem, IMAGES, n_steps=6, key=KEY)
    for i in range(len(IMAGES)):
        single = optimize(problem, IMAGES[i : i + 1], n_steps=6, key=jax.random.fold_in(KEY, i)[None])
        np.testing.assert_allclose(batch.images[i], single.images[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(batch.trace["loss"][:, i], single.trace["loss"][:, 0], rtol=1e-5)


def test_lbfgs_finds_the_floor_of_each_bowl():
    optimizer = optax.lbfgs(learning_rate=1.0, linesearch=None)
    result = optimize(PixelProblem(BOWL, optimizer), 100 * IMAGES, n_steps=10)
    np.testing.assert_allclose(result.images, 1.0, atol=1e-3)


def test_chunks_are_one_long_run_bit_for_bit():
    problem = PixelProblem(BOWL, ADAM, transform=noisy, project=Shrink(), stop=near)
    whole = optimize(problem, IMAGES, n_steps=6, key=KEY)
    state, traces = start(problem, IMAGES, key=KEY), []
    for _ in range(3):
        state, trace = advance(problem, state, n_steps=2)
        traces.append(trace["loss"])
    np.testing.assert_array_equal(state.images, whole.images)
    np.testing.assert_array_equal(np.concatenate(traces), whole.trace["loss"])


def test_many_chunks_and_rebuilt_problems_are_traced_once():
    traces = []

    def counted(center, images):
        traces.append(images.shape)
        return bowl(center, images)

    step = jax.jit(advance, static_argnames="n_steps")
    state = None
    for center in (0.0, 1.0, 2.0):  # built anew: same functions, equal dataclasses, cached optimiser, other data
        objective = jax.tree_util.Partial(counted, jnp.float32(center))
        problem = PixelProblem(objective, normalized_gradient(0.5), Jitter(2), ClipNormalized((0.5,) * 2, (0.1,) * 2))
        state = start(problem, IMAGES, key=KEY) if state is None else state
        for _ in range(5):
            state, _ = step(problem, state, n_steps=3)
        if center == 0.0:
            first = len(traces)
    assert len(traces) == first
    assert first <= 2  # once for the names of the terms, once for the loop
    assert state is not None
    assert state.step == 45


def test_projection_sees_the_step_and_the_update():
    result = optimize(PixelProblem(BOWL, SGD, project=Shrink()), IMAGES, n_steps=2)
    np.testing.assert_allclose(result.images, 0.5 * (1 + 0.75**2 * (IMAGES - 1)), rtol=1e-5)


def test_transform_has_a_new_key_for_each_image_and_step():
    seen = jax.tree_util.Partial(lambda images: (images.sum((1, 2, 3)), {"value": images[:, 0, 0, 0]}))
    problem = PixelProblem(seen, optax.sgd(0.0), transform=noisy)
    values = optimize(problem, jnp.zeros((5, 1, 1, 1)), n_steps=4, key=KEY).trace["value"]
    assert len(np.unique(values)) == 20
    expected = noisy(jnp.zeros((1, 1, 1)), jax.random.fold_in(jax.random.fold_in(KEY, 3), 2))
    np.testing.assert_allclose(values[2, 3], expected[0, 0, 0], rtol=1e-6)


def test_gradient_goes_through_the_transform():
    problem = PixelProblem(BOWL, SGD, transform=lambda image, key: 3 * image)
    result = optimize(problem, IMAGES, n_steps=1, key=KEY)
    np.testing.assert_allclose(result.images, IMAGES - 0.25 * 3 * (3 * IMAGES - 1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.final["loss"], evaluate(problem, result.images)["loss"], rtol=1e-6)


def test_float64_stays_float64():
    with jax.enable_x64(True):
        result = optimize(PixelProblem(bowl64, ADAM), jnp.ones((1, 1, 1, 1), jnp.float64), n_steps=1)
        assert result.images.dtype == result.trace["loss"].dtype == jnp.float64


def bowl64(images):
    return bowl(2.0, images)


def test_example_keys():
    np.testing.assert_array_equal(
        jax.random.key_data(example_keys(KEY, 2)),
        jax.random.key_data(jnp.stack([jax.random.fold_in(KEY, i) for i in (0, 1)])),
    )
    keys = jax.random.split(KEY, 3)
    assert (example_keys(keys, 3) == keys).all()
    assert (example_keys(jax.random.key_data(KEY), 2) == example_keys(KEY, 2)).all()  # an old-style key
    with pytest.raises(InputError, match="one for each of the 2 images"):
        example_keys(keys, 2)


def test_noise_is_standard_normal_and_one_per_image():
    problem = PixelProblem(BOWL, SGD)
    images = np.asarray(start_from_noise(problem, 3, key=KEY, image_shape=(64, 48, 3)).images)
    assert images.shape == (3, 64, 48, 3)
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), 0, atol=4 / np.sqrt(64 * 48 * 3))
    np.testing.assert_allclose(images.std(axis=(1, 2, 3)), 1, atol=4 / np.sqrt(2 * 64 * 48 * 3))
    assert abs(np.corrcoef(images.reshape(3, -1)) - np.eye(3)).max() < 4 / np.sqrt(64 * 48 * 3)
    fewer = start_from_noise(problem, 2, key=KEY, image_shape=(64, 48, 3)).images
    np.testing.assert_array_equal(fewer, images[:2])


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="needs a key"):
        start(PixelProblem(BOWL, SGD, transform=noisy), IMAGES)
    with pytest.raises(InputError, match=r"one float per image, shape \(4,\), got float32 of shape \(\)"):
        optimize(PixelProblem(lambda images: (images.sum(), {}), SGD), IMAGES, n_steps=1)
    with pytest.raises(InputError, match=r'got int32 of shape .* for "count"'):
        optimize(PixelProblem(lambda x: (x.sum((1, 2, 3)), {"count": jnp.arange(4)}), SGD), IMAGES, n_steps=1)


def test_variables_of_any_structure_are_optimised_through_their_images():
    """Images a * b of two leaves: plain gradient descent on both, by hand."""

    def decode(variables):
        return variables["gain"][:, None, None, None] * variables["shape"]

    variables = {"gain": jnp.array([2.0, -1.0]), "shape": IMAGES[:2]}
    problem = PixelProblem(BOWL, optax.sgd(0.01), decode=decode)
    result = optimize(problem, variables, n_steps=3)
    gains, shapes = np.array([2.0, -1.0]), np.asarray(IMAGES[:2], np.float64)
    for _ in range(3):
        error = gains[:, None, None, None] * shapes - 1
        slopes = (error * shapes).sum(axis=(1, 2, 3))
        gains, shapes = gains - 0.01 * slopes, shapes - 0.01 * error * gains[:, None, None, None]
    np.testing.assert_allclose(result.images, gains[:, None, None, None] * shapes, rtol=1e-4)
    state, _ = advance(problem, start(problem, variables), n_steps=3)
    np.testing.assert_allclose(state.images["gain"], gains, rtol=1e-4)
    np.testing.assert_allclose(evaluate(problem, state.images)["loss"], result.final["loss"], rtol=1e-5)


def test_variables_stop_and_freeze_one_by_one():
    problem = PixelProblem(BOWL, SGD, stop=near, decode=lambda variables: 2.0 * variables["half"])
    images = jnp.full((2, 1, 1, 1), 1.0) + jnp.array([0.25, 4.0])[:, None, None, None]
    result = optimize(problem, {"half": images / 2}, n_steps=12)
    np.testing.assert_array_equal(result.images[0], images[0])
    assert result.steps[0] == 0 < result.steps[1] < 12
    assert result.stopped.all()

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvision.errors import InputError
from jaxvision.pixels import PixelProblem, advance, denormalize, evaluate, example_keys, normalize, optimize
from jaxvision.visualization import (
    add,
    channel,
    class_logit,
    diversity,
    feature_visualization,
    feature_visualization_problem,
    fourier,
    maco,
    pixel,
    scale,
    start_from,
)

KEY, SHAPE = jax.random.key(0), (8, 6, 3)
WEIGHTS = jax.random.normal(jax.random.key(1), (*SHAPE, 4))


def network(weights, images):
    return jnp.einsum("nhwc,hwck->nk", jnp.tanh(images), weights)


LOGITS_FN = jax.tree_util.Partial(network, WEIGHTS)


def test_pixels_are_the_pixel_loop_on_their_sigmoid():
    """The same with the loop's own hands: variables are images to it, the sigmoid a part of the objective."""
    targets = jnp.array([3, 1])
    result = feature_visualization(
        LOGITS_FN, class_logit(targets), 2, key=KEY, parametrization=pixel(SHAPE), transform=None, n_steps=7
    )

    def objective(variables):
        images = normalize(jax.nn.sigmoid(variables))
        return -network(WEIGHTS, images)[jnp.arange(2), targets], {}

    noise_keys = jax.vmap(jax.random.split, out_axes=1)(example_keys(KEY, 2))[0]
    begin = jnp.stack([0.01 * jax.random.normal(k, SHAPE) for k in noise_keys])
    direct = optimize(PixelProblem(objective, optax.adam(0.05)), begin, n_steps=7)
    np.testing.assert_allclose(denormalize(result.images), jax.nn.sigmoid(direct.images), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.trace["loss"], direct.trace["loss"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.value, -direct.final["loss"], rtol=1e-4)


@pytest.mark.parametrize("parametrization", [pixel, fourier, maco])
def test_the_objective_rises_and_colours_can_be_shown(parametrization):
    settings = {"parametrization": parametrization(SHAPE), "transform": None, "n_steps": 40}
    result = feature_visualization(LOGITS_FN, class_logit([0, 2]), 2, key=KEY, **settings)
    assert (result.value > result.trace["objective"][0] + 10).all()
    images = denormalize(result.images)
    assert images.min() >= -1e-5
    assert images.max() <= 1 + 1e-5
    np.testing.assert_array_equal(result.trace["loss"], -result.trace["objective"])


def test_adam_in_the_spectrum_is_written_out():
    """Three steps by hand in the Fourier variables of one image, with the chain rule left to JAX."""
    images = fourier(SHAPE)
    result = feature_visualization(
        LOGITS_FN, class_logit([1]), 1, key=KEY, image_shape=SHAPE, transform=None, n_steps=3
    )
    problem = feature_visualization_problem(LOGITS_FN, class_logit([1]), images, transform=None)
    theta = start_from(images, problem, 1, key=KEY).images
    gradient = jax.jit(jax.grad(lambda theta: -network(WEIGHTS, normalize(images.image(theta)))[0, 1]))
    first, second = jnp.zeros_like(theta), jnp.zeros_like(theta)
    for t in range(1, 4):
        g = gradient(theta)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        theta = theta - 0.05 * (first / (1 - 0.9**t)) / (jnp.sqrt(second / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(result.images, normalize(images.image(theta)), rtol=1e-4, atol=1e-4)


def test_chunks_equal_one_run_and_give_what_the_method_gives():
    images, objective = fourier(SHAPE), class_logit([0, 2])
    problem = feature_visualization_problem(LOGITS_FN, objective, images)
    state = start_from(images, problem, 2, key=KEY)
    for _ in range(3):
        state, _ = advance(problem, state, n_steps=2)
    whole = feature_visualization(LOGITS_FN, objective, 2, key=KEY, image_shape=SHAPE, n_steps=6)
    np.testing.assert_allclose(problem.decode(state.images), whole.images, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(evaluate(problem, state.images)["objective"], whole.value, rtol=1e-5)


def test_diversity_makes_a_group_differ_and_leaves_other_groups_alone():
    kernel = jax.random.normal(jax.random.key(2), (3, 5))

    def features_fn(images):
        return {"mix": jax.nn.relu(images @ kernel)}

    settings = {"image_shape": SHAPE, "transform": None, "n_steps": 30}
    keys = jax.random.split(KEY, 4)
    alone = channel("mix", [0, 0, 1, 1])
    varied = add(alone, scale(diversity("mix", 2), 5.0))

    def run(objective, n, keys):
        images = feature_visualization(features_fn, objective, n, key=keys, **settings).images
        return diversity("mix", 2)(features_fn(images)), images

    same, _ = run(alone, 4, keys)
    different, images = run(varied, 4, keys)
    assert (different > same + 0.05).all()
    _, first = run(add(channel("mix", [0, 0]), scale(diversity("mix", 2), 5.0)), 2, keys[:2])
    np.testing.assert_allclose(images[:2], first, rtol=1e-3, atol=1e-4)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="n, the number of images, must be 1 or more, got 0"):
        feature_visualization(LOGITS_FN, class_logit(np.zeros(0, int)), 0, key=KEY, image_shape=SHAPE)
    with pytest.raises(InputError, match=r"one class or channel for each of the 2 images, got shape \(1,\)"):
        feature_visualization(LOGITS_FN, class_logit([1]), 2, key=KEY, image_shape=SHAPE)
    with pytest.raises(InputError, match="one number per channel"):
        feature_visualization(LOGITS_FN, class_logit([1]), 1, key=KEY, image_shape=(8, 6, 1))


def test_a_channel_that_is_not_there_is_one_sentence():
    settings = {"key": jax.random.key(0), "image_shape": (8, 8, 3), "transform": None, "n_steps": 1}
    for channels, wrong in (([0, 3], 3), ([-1, 0], -1)):
        with pytest.raises(InputError, match=rf"must lie in \[0, 3\), got {wrong}"):
            feature_visualization(lambda x: {"colour": x}, channel("colour", np.array(channels)), 2, **settings)


def test_a_thousand_classes_in_one_call_over_all_devices():
    """Sharded by their keys and targets, to the images of one device."""
    weights = jax.random.normal(jax.random.key(0), (48, 1000))
    settings = {"image_shape": (4, 4, 3), "transform": None, "n_steps": 3}

    def logits_fn(images):
        return images.reshape(len(images), -1) @ weights

    keys, targets = example_keys(jax.random.key(1), 1000), jnp.arange(1000)
    alone = feature_visualization(logits_fn, class_logit(targets), 1000, key=keys, **settings)
    shards = NamedSharding(jax.make_mesh((2,), ("images",), (AxisType.Auto,)), P("images"))
    keys, targets = jax.device_put((keys, targets), shards)
    shared = feature_visualization(logits_fn, class_logit(targets), 1000, key=keys, **settings)
    assert len(shared.images.sharding.device_set) == 2
    np.testing.assert_allclose(shared.images, alone.images, atol=1e-5)

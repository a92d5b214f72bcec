"""Networks: the assignment's parameter counts, statistics as values, images that do not depend on each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxvision import gan
from jaxvision.backbones import load_state_dict, state_dict
from jaxvision.backbones.layers import Linear
from jaxvision.errors import InputError


def latents(n, dim):
    return jax.random.normal(jax.random.key(3), (n, dim))


@pytest.fixture(scope="module")
def run():
    return jax.jit(lambda model, *arguments: model(*arguments))


def small_resnet():
    return gan.resnet_generator(6, channels=1, width=4, num_classes=3)


@pytest.fixture(scope="module")
def small(random):
    return random(small_resnet)


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (gan.mlp_critic, 267009),
        (lambda: gan.mlp_generator(4), 1858320),
        (gan.dcgan_critic, 1102721),
        (lambda: gan.dcgan_generator(4), 6580801),
        (gan.resnet_generator, 4276739),
        (gan.resnet_critic, 1053825),
    ],
)
def test_number_of_parameters(build, count):
    parameters = nnx.state(jax.eval_shape(build), nnx.Param)
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == count


@pytest.mark.parametrize("build", [gan.mlp_critic, pytest.param(gan.dcgan_critic, marks=pytest.mark.slow)])
def test_scores_of_digits_are_of_each_alone(build, random, run):
    critic = random(build)
    images = jax.random.normal(jax.random.key(0), (3, 28, 28, 1))
    scores = run(critic, images)
    assert scores.shape == (3,)
    np.testing.assert_allclose(scores[1:2], run(critic, images[1:2]), rtol=1e-5)
    with pytest.raises(InputError, match=r"images of shape \(N, 28, 28, 1\), got \(2, 32, 32, 1\)"):
        critic(jnp.zeros((2, 32, 32, 1)))


@pytest.mark.parametrize(
    "build", [lambda: gan.mlp_generator(4), pytest.param(lambda: gan.dcgan_generator(4), marks=pytest.mark.slow)]
)
def test_digits_are_of_each_latent_alone(build, random, run):
    generator, z = random(build), latents(3, 4)
    images = run(generator, z)
    assert images.shape == (3, 28, 28, 1)
    assert np.abs(images).max() <= 1
    np.testing.assert_allclose(images[1:2], run(generator, z[1:2]), atol=1e-5)
    assert gan.draw_on_batch(generator, z)[0].shape == images.shape


def test_batch_norm_by_hand():
    x = 3 * jax.random.normal(jax.random.key(0), (4, 5, 2)) + 1
    moments = gan.batch_moments(x)
    np.testing.assert_allclose(moments.mean, np.asarray(x).mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(moments.variance, np.asarray(x).var((0, 1)), rtol=1e-5)
    layer = gan.BatchNorm(2, num_classes=3)
    layer.kernel.set_value(jnp.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]))
    layer.bias.set_value(jnp.array([[0.0, 0.0], [0.0, 1.0], [7.0, 8.0]]))
    found = layer(x, jnp.array([0, 1, 2, 0]), moments)
    plain = (np.asarray(x) - np.asarray(x).mean((0, 1))) / np.sqrt(np.asarray(x).var((0, 1)) + 1e-5)
    expected = [plain[0], 2 * plain[1] + [0, 1], np.broadcast_to([7.0, 8.0], (5, 2)), plain[3]]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


class Tiny(gan.Normalized):
    """Two layers with a batch normalisation between them."""

    def __init__(self):
        keys = jax.random.split(jax.random.key(0))
        self.layers = nnx.Dict(
            {"fc1": Linear(6, 4, key=keys[0]), "norm": gan.BatchNorm(4, 3), "fc2": Linear(4, 2, key=keys[1])}
        )

    def draw(self, latents, labels, normalize):
        return self.layers["fc2"](normalize("norm", self.layers["fc1"](latents)))[:, None, None]


@pytest.mark.parametrize("build", [Tiny, pytest.param(small_resnet, marks=pytest.mark.slow)])
def test_statistics_are_values(build, random):
    """Returned by the training form; moved by `with_statistics`; with the batch's own both forms agree."""
    generator = random(build)
    z, labels = latents(5, 6), jnp.array([0, 1, 2, 0, 1])
    images, statistics = jax.jit(gan.draw_on_batch)(generator, z, labels)
    assert set(statistics) == {name for name in generator.layers if "norm" in name}
    taken = gan.with_statistics(generator, statistics, momentum=0.0)
    np.testing.assert_allclose(jax.jit(lambda g: g(z, labels))(taken), images, atol=1e-4)
    moved = gan.with_statistics(generator, statistics, momentum=0.75)
    for name, moments in statistics.items():
        before, after = generator.layers[name], moved.layers[name]
        np.testing.assert_allclose(after.mean[...], 0.75 * before.mean[...] + 0.25 * moments.mean, rtol=1e-5)
        np.testing.assert_allclose(
            after.variance[...], 0.75 * before.variance[...] + 0.25 * moments.variance, rtol=1e-5
        )
    gradient = jax.jit(jax.grad(lambda g: jnp.sum(gan.draw_on_batch(g, z, labels)[0] ** 2)))(generator)
    for name in statistics:
        assert not np.any(gradient.layers[name].mean[...])
        assert np.any(gradient.layers[name].kernel[...])


def test_an_image_with_a_class_is_of_its_own_latent_and_label(small, run):
    z, labels = latents(3, 6), jnp.array([0, 1, 2])
    images = run(small, z, labels)
    assert images.shape == (3, 32, 32, 1)
    np.testing.assert_allclose(images[1:2], run(small, z[1:2], labels[1:2]), atol=1e-5)
    assert np.abs(run(small, z, labels[::-1])[0] - images[0]).max() > 1e-3


def test_a_projection_critic_adds_the_features_product_with_the_class(random, run):
    """Equal apart from the label, scores differ as the vectors of the classes do, and are linear in them."""
    critic = random(lambda: gan.resnet_critic(channels=1, width=3, num_classes=2))
    images = jax.random.normal(jax.random.key(0), (2, 32, 32, 1))
    ones = jnp.ones(2, jnp.int32)
    first, second = run(critic, images, 0 * ones), run(critic, images, ones)
    assert np.abs(first - second).min() > 1e-4
    vectors = critic.layers["classes"].kernel[...]
    other = jax.tree.map(lambda leaf: leaf, critic)
    other.layers["classes"].kernel.set_value(jnp.stack([vectors[0], 2 * vectors[1] - vectors[0]]))
    np.testing.assert_allclose(run(other, images, ones), 2 * second - first, rtol=1e-4)
    with pytest.raises(InputError, match="a network with 2 classes needs labels"):
        critic(images)
    with pytest.raises(InputError, match="needs images of 32 x 32 pixels"):
        critic(images[:, :28, :28], ones)


def test_labels_without_classes_are_refused(random):
    generator = random(lambda: gan.resnet_generator(6, channels=1, width=2))
    with pytest.raises(InputError, match="a network without classes takes no labels"):
        generator(latents(1, 6), jnp.zeros(1, jnp.int32))


def test_weights_and_statistics_go_out_and_come_back(small):
    tensors = state_dict(small)
    assert tensors["block1.norm1.running_mean"].shape == (4,)
    assert tensors["block1.conv1.weight"].shape == (4, 4, 3, 3)
    back = load_state_dict(jax.eval_shape(lambda: small), tensors)
    jax.tree.map(np.testing.assert_array_equal, back, small)
    del tensors["out.norm.running_var"]
    with pytest.raises(InputError, match=r"there is no out\.norm\.running_var"):
        load_state_dict(small, tensors)


def test_latents_have_a_key_for_each_image():
    for draw, low, high in [(gan.uniform_latents, -1, 1), (gan.normal_latents, -6, 6)]:
        many = draw(jax.random.key(0), 400, 5)
        np.testing.assert_array_equal(many[:3], draw(jax.random.key(0), 3, 5))
        assert low <= many.min() < 0 < many.max() <= high
        assert abs(float(many.mean())) < 0.1
    np.testing.assert_allclose(gan.uniform_latents(jax.random.key(0), 400, 5).var(), 1 / 3, rtol=0.1)
    np.testing.assert_allclose(gan.normal_latents(jax.random.key(0), 400, 5).var(), 1, rtol=0.1)

"""The alternating step: by hand, counted, resumed, and as many at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.tree_util import Partial

from jaxvision import gan
from jaxvision.backbones.layers import Linear
from jaxvision.errors import InputError
from jaxvision.training import fit

N, SGD = 8, gan.Optimizers(optax.sgd(0.1), optax.sgd(0.2))
LATENTS = functools.partial(gan.normal_latents, dim=2)


def generate(weights, latents):
    return latents @ weights["w"] + weights["b"][None]


def criticise(weights, images):
    return (jnp.tanh(images @ weights["w"]) @ weights["v"])[:, 0]


def pair(seed):
    keys = jax.random.split(jax.random.key(seed), 3)
    generator = {"w": jax.random.normal(keys[0], (2, 3)), "b": jnp.zeros(3)}
    critic = {"w": jax.random.normal(keys[1], (3, 4)), "v": jax.random.normal(keys[2], (4, 1))}
    return Partial(generate, generator), Partial(criticise, critic)


def batches(step, n_critic=1):
    """Real images of a step, any number of critic updates."""
    return (2 + jax.random.normal(jax.random.fold_in(jax.random.key(99), step), (n_critic, N, 3)),)


def begin(seed=0, optimizers=SGD, **options):
    return gan.start_gan(*pair(seed), optimizers, key=jax.random.key(seed), **options)


def same_bits(a, b):
    jax.tree.map(np.testing.assert_array_equal, *(jax.tree.map(as_numbers, tree) for tree in (a, b)))


def as_numbers(leaf):
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def test_one_step_by_hand():
    """The critic's gradient at the old generator, the generator's at the new critic, both averages over the batch."""
    state = begin()
    key = jax.random.fold_in(state.key, 0)
    draw_key, penalty_key = jax.random.split(jax.random.fold_in(key, 0))
    real, (g, d) = batches(0)[0][0], (state.generator.args[0], state.critic.args[0])

    def critic_loss(d):
        critic = functools.partial(criticise, d)
        fake = generate(g, LATENTS(draw_key, N))
        penalties = gan.gradient_penalty(critic, real, fake, penalty_key)
        return jnp.mean(gan.hinge_loss(critic(real), critic(fake))) + 3 * jnp.mean(penalties)

    def generator_loss(g):
        return -jnp.mean(criticise(moved_d, generate(g, LATENTS(jax.random.fold_in(key, 1), N))))

    d_loss, slopes = jax.jit(jax.value_and_grad(critic_loss))(d)
    moved_d = jax.tree.map(lambda w, slope: w - 0.2 * slope, d, slopes)
    g_loss, slopes = jax.jit(jax.value_and_grad(generator_loss))(g)
    moved_g = jax.tree.map(lambda w, slope: w - 0.1 * slope, g, slopes)
    step_fn = gan.alternating_step(gan.HINGE, SGD, LATENTS, penalty=gan.gradient_penalty)
    after, metrics = jax.jit(step_fn)(begin(penalty_weight=3.0), batches(0))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, after.critic.args[0], moved_d)
    jax.tree.map(close, after.generator.args[0], moved_g)
    jax.tree.map(lambda a, old, new: close(a, 0.1 * old + 0.9 * new), after.averaged.args[0], g, moved_g)
    close(metrics["generator_loss"], g_loss)
    close(metrics["critic_loss"], d_loss)
    assert int(after.step) == 1


def test_the_critic_is_updated_as_often_as_asked_and_projected():
    counting = gan.Optimizers(optax.adam(1e-2), optax.adam(1e-2))
    step_fn = gan.alternating_step(gan.WASSERSTEIN, counting, LATENTS, n_critic=2, project=gan.clip_weights)
    state, metrics = jax.jit(step_fn)(begin(optimizers=counting), batches(0, 2))
    assert int(state.critic_optimizer[0].count) == 2
    assert int(state.generator_optimizer[0].count) == 1
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(state.critic)) <= np.float32(0.01)
    assert set(metrics) == {"critic_loss", "generator_loss", "real", "fake"}


def test_a_spectrally_normalised_critic_keeps_its_vectors():
    step_fn = jax.jit(gan.alternating_step(gan.HINGE, SGD, LATENTS))
    state = begin(spectral=True)
    before = state.vectors
    for index in range(3):
        state, metrics = step_fn(state, batches(index))
    assert [vector.shape for vector in state.vectors] == [vector.shape for vector in before]
    assert not np.array_equal(state.vectors[1], before[1])
    assert abs(float(metrics["real"])) <= 4  # slopes of 1 between bounded activations


class Normalizing(gan.Normalized):
    """A generator with a batch normalisation and three classes."""

    def __init__(self):
        self.layers = nnx.Dict({"fc": Linear(2, 3, key=jax.random.key(0)), "norm": gan.BatchNorm(3, 3)})

    def draw(self, latents, labels, normalize):
        return normalize("norm", self.layers["fc"](latents))[:, None, None]


def test_running_statistics_move_and_labels_arrive():
    critic = Partial(lambda w, images, labels: images[:, 0, 0] @ w[0] + w[1][labels], jnp.ones((2, 3)))
    state = gan.start_gan(Normalizing(), critic, SGD, key=jax.random.key(0))
    labels = (jnp.arange(N) % 3)[None]
    step_fn = gan.alternating_step(gan.RELATIVISTIC_AVERAGE, SGD, LATENTS, penalty=gan.gradient_penalty)
    after, _ = jax.jit(step_fn)(state, (batches(0)[0][:, :, None, None], labels))
    drawn = state.generator.layers["fc"](LATENTS(jax.random.fold_in(jax.random.fold_in(state.key, 0), 1), N))
    moments = gan.batch_moments(drawn)
    np.testing.assert_allclose(after.generator.layers["norm"].mean[...], 0.1 * moments.mean, rtol=1e-4)
    np.testing.assert_allclose(after.generator.layers["norm"].variance[...], 0.9 + 0.1 * moments.variance, rtol=1e-4)


def test_an_interrupted_training_ends_with_the_same_bits():
    step_fn = gan.alternating_step(gan.NON_SATURATING, SGD, LATENTS, penalty=gan.one_sided_penalty)
    whole = fit(step_fn, begin(), batches, n_steps=5, steps_per_dispatch=3)
    part = fit(step_fn, begin(), batches, n_steps=2, steps_per_dispatch=3)
    same_bits(whole, fit(step_fn, part, batches, n_steps=5, steps_per_dispatch=3))


@pytest.mark.slow
@pytest.mark.parametrize("vectorize", [True, False])
def test_replicas_are_their_single_runs(vectorize):
    """Seeds, learning rates and penalty weights side by side, through the training loop."""
    adam = optax.inject_hyperparams(optax.adam)
    optimizers = gan.Optimizers(adam(learning_rate=1e-2), adam(learning_rate=1e-2))
    states = [begin(seed, optimizers, penalty_weight=seed + 1.0) for seed in range(2)]
    states[1].critic_optimizer.hyperparams["learning_rate"] = jnp.float32(3e-2)
    step_fn = gan.alternating_step(gan.LEAST_SQUARES, optimizers, LATENTS, penalty=gan.gradient_penalty)
    many = fit(
        gan.replicated_step(step_fn, vectorize=vectorize),
        gan.replicas(states),
        lambda step: jax.tree.map(lambda part: jnp.stack([part, part + 1]), batches(step)),
        n_steps=3,
    )
    assert int(many.step) == 3
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    for index, state in enumerate(states):
        single = fit(
            step_fn,
            state,
            lambda step, index=index: jax.tree.map(lambda part: part + float(index), batches(step)),
            n_steps=3,
        )
        jax.tree.map(lambda a, b: close(as_numbers(a), as_numbers(b)), gan.replica(many, index), single)


@pytest.mark.slow
def test_wgan_gp_stays_finite_and_finds_the_mean():
    """Ten seeds at once, a thousand steps of five updates; one of the seeds begins with a critic of zeros."""
    optimizers = gan.Optimizers(*(optax.adam(rate, b1=0.5, b2=0.9) for rate in (5e-3, 1e-3)))
    states = [begin(seed, optimizers) for seed in range(10)]
    states[0] = states[0]._replace(critic=jax.tree.map(jnp.zeros_like, states[0].critic))
    step_fn = gan.alternating_step(gan.WASSERSTEIN, optimizers, LATENTS, penalty=gan.gradient_penalty, n_critic=5)

    def every_replicas(step):
        keys = jax.vmap(functools.partial(jax.random.fold_in, jax.random.fold_in(jax.random.key(5), step)))
        return (jax.vmap(lambda key: 2 + jax.random.normal(key, (5, 64, 3)))(keys(jnp.arange(10))),)

    state = fit(gan.replicated_step(step_fn), gan.replicas(states), every_replicas, n_steps=1000)
    means = np.asarray(state.states.averaged.args[0]["b"])[1:]
    np.testing.assert_allclose(means, 2, atol=0.5)


@pytest.mark.parametrize("n_given", [1, 3])
def test_a_batch_with_too_few_or_too_many_parts_is_refused(n_given):
    step_fn = gan.alternating_step(gan.WASSERSTEIN, SGD, LATENTS, n_critic=2)
    with pytest.raises(InputError, match=rf"for the 2 updates of the critic, .* got \({n_given}, 8, 3\)"):
        step_fn(begin(), batches(0, n_given))


def test_half_precision_stays_and_trains():
    halves = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), pair(0))
    state = gan.start_gan(*halves, SGD, key=jax.random.key(0))
    latents = functools.partial(gan.normal_latents, dim=2)
    step_fn = gan.alternating_step(gan.WASSERSTEIN, SGD, lambda key, n: latents(key, n).astype(jnp.bfloat16))
    with jax.numpy_dtype_promotion("standard"):
        found = fit(step_fn, state, lambda t: (batches(t)[0].astype(jnp.bfloat16),), n_steps=4, steps_per_dispatch=2)
    assert {leaf.dtype for leaf in jax.tree.leaves(found.averaged)} == {jnp.dtype(jnp.bfloat16)}
    assert float(jnp.abs(found.averaged.args[0]["b"]).max()) > 0

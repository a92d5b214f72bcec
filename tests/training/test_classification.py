import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial

from jaxvision.training import Score, classification_loss, fit, gradient_step, score, start


def linear(weights, images):
    return jnp.einsum("nhwc,hwck->nk", images, weights), {}


def blobs(index):
    """Two classes: bright on the left, bright on the right."""
    key = jax.random.fold_in(jax.random.key(0), index)
    labels = jax.random.randint(key, (20,), 0, 2)
    sides = jnp.stack([1 - labels, labels], axis=-1).astype(jnp.float32)
    return sides[:, None, :, None] + 0.1 * jax.random.normal(key, (20, 1, 2, 1)), labels


def test_loss_is_the_closed_form():
    logits = jnp.asarray([[0.0, jnp.log(3.0)], [jnp.log(4.0), 0.0]])
    model = Partial(lambda images: (images[:, 0, 0, :], {}))
    loss, metrics = classification_loss(model, (logits[:, None, None, :], jnp.asarray([1, 1])), jax.random.key(0))
    np.testing.assert_allclose(loss, (-np.log(3 / 4) - np.log(1 / 5)) / 2, rtol=1e-6)
    assert float(metrics["accuracy"]) == 0.5


def test_score_agrees_with_the_loss_and_keeps_the_order():
    model = Partial(linear, jax.random.normal(jax.random.key(1), (1, 2, 1, 2)))
    found = score(model, Partial(blobs), n_batches=3)
    parts = [classification_loss(model, blobs(jnp.int32(i)), jax.random.key(0)) for i in range(3)]
    np.testing.assert_allclose(found.losses.mean(), np.mean([loss for loss, _ in parts]), rtol=1e-6)
    np.testing.assert_allclose(found.accuracy, np.mean([metrics["accuracy"] for _, metrics in parts]), rtol=1e-6)
    np.testing.assert_array_equal(found.labels, np.concatenate([blobs(jnp.int32(i))[1] for i in range(3)]))


def test_margin_is_the_binomial_interval():
    found = Score(np.zeros(100, np.int32), np.repeat([0, 1], [90, 10]).astype(np.int32), np.zeros(100, np.float32))
    assert found.accuracy == 0.9
    np.testing.assert_allclose(found.margin, 1.96 * 0.03)


def test_a_separable_task_is_learned():
    optimizer = optax.sgd(1.0)
    step_fn = gradient_step(lambda w, batch, key: classification_loss(Partial(linear, w), batch, key), optimizer)
    state = fit(step_fn, start(jnp.zeros((1, 2, 1, 2)), optimizer, key=jax.random.key(0)), blobs, n_steps=50)
    assert score(Partial(linear, state.model), Partial(blobs), n_batches=5).accuracy == 1.0

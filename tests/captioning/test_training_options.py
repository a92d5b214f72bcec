"""Options of a captioner's training: what is smoothed, drawn, dropped and rounded."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from jaxvision.captioning import (
    END,
    NULL,
    START,
    InBfloat16,
    attention_captioner,
    caption_loss,
    captioner,
    drop_features,
    drop_words,
    scheduled_sampling,
    temporal_softmax_loss,
    top_down_captioner,
    transformer_captioner,
)
from jaxvision.errors import InputError
from jaxvision.training import gradient_step, start

N, T, V = 6, 7, 9
CAPTIONS = jnp.array([[START, 4, 5, 6, 4, END, NULL], [START, 7, 8, END, NULL, NULL, NULL]] * 3)
FEATURES = jax.random.normal(jax.random.key(2), (N, 4))


@pytest.fixture(scope="module")
def small():
    return captioner(jax.random.key(1), feature_size=4, vocabulary_size=V, embed_size=3, hidden_size=5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_smoothing_is_the_cross_entropy_with_a_smoothed_target(smoothing):
    logits = jax.random.normal(jax.random.key(0), (2, 3, 5))
    targets, mask = jnp.array([[1, 4, 0], [2, 0, 0]]), jnp.array([[1, 1, 0], [1, 0, 0]], bool)
    q = (1 - smoothing) * np.eye(5)[np.asarray(targets)] + smoothing / 5
    log_p = np.asarray(logits) - np.log(np.exp(np.asarray(logits)).sum(axis=2, keepdims=True))
    expected = -((q * log_p).sum(axis=2) * np.asarray(mask)).sum() / 2
    loss = temporal_softmax_loss(logits, targets, mask, label_smoothing=smoothing)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    with pytest.raises(InputError, match="label_smoothing must be at least 0 and below 1, got 2"):
        temporal_softmax_loss(logits, targets, mask, label_smoothing=2.0)
    with pytest.raises(InputError, match="label_smoothing must be at least 0 and below 1, got 1"):
        temporal_softmax_loss(logits, targets, mask, label_smoothing=1.0)


@pytest.fixture(scope="module")
def draw():
    return jax.jit(lambda model, features, captions, key, rate: scheduled_sampling(
        model.step, model.start(features), captions, key, rate))  # fmt: skip


def test_nothing_is_drawn_at_rate_zero_and_all_words_at_one(draw, small):
    """At one, what is drawn is what the model says after what it read itself: of a sure model, the greedy words."""
    sure = small._replace(W_vocab=100 * small.W_vocab)
    keys = jax.random.key(3)
    np.testing.assert_array_equal(draw(sure, FEATURES, CAPTIONS, keys, 0.0), CAPTIONS)
    found = draw(sure, FEATURES, CAPTIONS, keys, 1.0)
    carry, read, expected = sure.start(FEATURES), CAPTIONS[:, 0], [CAPTIONS[:, 0]]
    for t in range(1, T):
        carry, logits = sure.step(carry, read)
        read = jnp.where(CAPTIONS[:, t] == NULL, NULL, 4 + jnp.argmax(logits[:, 4:], axis=1))
        expected.append(read)
    np.testing.assert_array_equal(found, jnp.stack(expected, axis=1))
    assert (found != CAPTIONS).any()


def test_the_share_that_is_drawn_and_its_distribution(draw, small):
    """Of the second word of 4,000 captions, at rate 0.3, within four standard errors."""
    n = 4000
    captions, features = jnp.broadcast_to(CAPTIONS[:1], (n, T)), jnp.broadcast_to(FEATURES[:1], (n, 4))
    found = np.bincount(draw(small, features, captions, jax.random.key(4), 0.3)[:, 1], minlength=V) / n
    _, logits = small.step(small.start(FEATURES[:1]), jnp.array([START]))
    p = np.exp(np.asarray(logits[0], np.float64)) * (np.arange(V) >= 4)
    expected = 0.3 * p / p.sum() + 0.7 * (np.arange(V) == 4)
    assert (np.abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / n) + 1e-9).all()


@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan])
def test_a_rate_that_is_no_share_is_refused(small, rate):
    with pytest.raises(InputError, match=rf"rate must be the share of words that are drawn, in \[0, 1\], got {rate}"):
        scheduled_sampling(small.step, small.start(FEATURES), CAPTIONS, jax.random.key(0), rate)


def test_a_caption_draws_what_it_draws_alone_and_no_gradient_goes_through(draw, small):
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(5), jnp.arange(N))
    together = draw(small, FEATURES, CAPTIONS, jax.random.key(5), 0.5)
    alone = draw(small, FEATURES[2:3], CAPTIONS[2:3], keys[2:3], 0.5)
    np.testing.assert_array_equal(together[2:3], alone)

    def loss(model, drawing):
        read = draw(model, FEATURES, CAPTIONS, jax.random.key(5), 0.5) if drawing else together
        return caption_loss(model, FEATURES, CAPTIONS, read=read)

    found = [jax.jit(jax.grad(loss), static_argnums=1)(small, drawing) for drawing in (True, False)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *found)
    assert loss(small, True) != caption_loss(small, FEATURES, CAPTIONS)


def test_one_mask_for_a_whole_caption():
    grid, keys = jnp.ones((500, 3, 8)), jax.random.key(6)
    found = np.asarray(drop_features(grid, keys, 0.25))
    np.testing.assert_array_equal(found, np.broadcast_to(found[:, :1], found.shape))
    assert set(np.unique(found).tolist()) == {0.0, np.float32(1 / 0.75).item()}
    assert abs(found.mean() - 1) < 4 * np.sqrt(0.25 / 0.75 / 4000)
    np.testing.assert_array_equal(found[7], drop_features(grid[7:8], jax.random.fold_in(keys, 7)[None], 0.25)[0])
    tokens = jnp.tile(jnp.array([[START, 4, 5, 4, 6, 5, END]]), (800, 1))
    read = np.asarray(drop_words(tokens, keys, 0.25))
    np.testing.assert_array_equal(read[:, 1], read[:, 3])
    np.testing.assert_array_equal(read[:, 2], read[:, 5])
    np.testing.assert_array_equal(read[:, [0, 6]], tokens[:, [0, 6]])
    gone = read[:, [1, 2, 4]] == NULL
    assert abs(gone.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2400)
    assert abs(np.corrcoef(gone[:, 0], gone[:, 1])[0, 1]) < 0.15
    with pytest.raises(InputError, match="rate must be the share"):
        drop_words(tokens, keys, 1.0)


@pytest.mark.parametrize(
    "make",
    [
        captioner,
        *(
            pytest.param(attentive, marks=pytest.mark.slow)
            for attentive in (attention_captioner, top_down_captioner, transformer_captioner)
        ),
    ],
)
def test_bfloat16_is_close_and_gives_gradients_in_float32(make):
    grid = make is not captioner
    sizes = {"feature_size": 4, "vocabulary_size": V, "embed_size": 8}
    sizes |= {"max_length": T} if make is transformer_captioner else {"hidden_size": 8}
    model = make(jax.random.key(1), **sizes)
    features = jax.random.normal(jax.random.key(7), (N, 5, 4)) if grid else FEATURES

    def loss(model, rounded):
        return caption_loss(InBfloat16(model) if rounded else model, features, CAPTIONS, per_token=True)

    both = jax.jit(jax.value_and_grad(loss), static_argnums=1)
    (exact, expected), (near, found) = both(model, False), both(model, True)
    assert near.dtype == jnp.float32
    assert exact != near
    assert abs(exact - near) < 0.02 * exact
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("float32")}
    flat, exactly = (ravel_pytree(tree)[0] for tree in (found, expected))
    assert jnp.linalg.norm(flat - exactly) < 0.05 * jnp.linalg.norm(exactly)
    low = InBfloat16(model)
    _, logits = low.step(low.start(features), CAPTIONS[:, 0])
    assert logits.dtype == jnp.float32
    np.testing.assert_allclose(logits, low(features, CAPTIONS[:, :1])[:, 0], rtol=0.05, atol=0.05)


def test_a_backbone_learns_with_its_captioner(small):
    """The model is the pair; gradients flow into the picture's network."""
    pixels = jax.random.normal(jax.random.key(8), (N, 10))
    backbone = {"W": jax.random.normal(jax.random.key(9), (10, 4))}

    def loss(pair, batch, key):
        backbone, model = pair
        pixels, captions = batch
        return caption_loss(model, jnp.tanh(pixels @ backbone["W"]), captions), {}

    optimizer = optax.adam(1e-2)
    step_fn, state = jax.jit(gradient_step(loss, optimizer)), start((backbone, small), optimizer, key=jax.random.key(0))
    losses = []
    for _ in range(30):
        state, metrics = step_fn(state, (pixels, CAPTIONS))
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.8 * losses[0]
    assert jnp.abs(state.model[0]["W"] - backbone["W"]).max() > 0.05

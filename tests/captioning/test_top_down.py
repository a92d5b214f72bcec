"""The captioner with top-down attention: Anderson's equations in NumPy, its steps, decoders, maps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import (
    END,
    NULL,
    START,
    beam_search,
    caption_loss,
    greedy,
    self_critical_loss,
    top_down_captioner,
)
from jaxvision.errors import InputError

N, L, D, V, H = 3, 5, 4, 9, 5
GRID = jax.random.normal(jax.random.key(2), (N, L, D))
CAPTIONS = jnp.array([[START, 5, 6, 7, END], [START, 8, END, NULL, NULL], [START, 4, 4, END, NULL]])


@functools.cache
def small():
    model = top_down_captioner(
        jax.random.key(1), feature_size=D, vocabulary_size=V, embed_size=3, hidden_size=H, attention_size=6
    )
    bias = jax.random.normal(jax.random.key(3), (6,))
    return model._replace(W_vocab=3 * model.W_vocab, b=bias, v=3 * model.v)


@jax.jit
def attend(model, grid, tokens):
    return model.attend(grid, tokens)


def lstm_by_hand(params, x, h, c):
    i, f, o, g = np.split(np.concatenate([x, h]) @ np.concatenate([params.Wx, params.Wh]) + params.b, 4)
    c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(c) / (1 + np.exp(-o)), c


def test_it_is_andersons_equations():
    """One image, one word after the other, in double precision."""
    model, grid = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (small(), GRID))
    logits, maps = attend(small(), GRID, CAPTIONS)
    for n in range(N):
        h1 = c1 = h2 = c2 = np.zeros(H)
        for t, word in enumerate(CAPTIONS[n].tolist()):
            h1, c1 = lstm_by_hand(
                model.looking, np.concatenate([model.W_embed[word], grid[n].mean(axis=0), h2]), h1, c1
            )
            scores = np.array(
                [model.v @ np.tanh(cell @ model.W_cells + model.b + h1 @ model.W_state) for cell in grid[n]]
            )
            shares = np.exp(scores) / np.exp(scores).sum()
            h2, c2 = lstm_by_hand(model.saying, np.concatenate([shares @ grid[n], h1]), h2, c2)
            np.testing.assert_allclose(maps[n, t], shares, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(logits[n, t], h2 @ model.W_vocab + model.b_vocab, rtol=1e-4, atol=1e-5)


def test_teacher_forcing_is_one_step_after_the_other():
    @jax.jit
    def stepwise(model):
        return jax.lax.scan(lambda carry, word: model.step(carry, word), model.start(GRID), CAPTIONS.T)[1]

    np.testing.assert_allclose(
        stepwise(small()).swapaxes(0, 1), attend(small(), GRID, CAPTIONS)[0], rtol=1e-5, atol=1e-5
    )


def test_maps_follow_the_cells():
    (logits, maps), order = attend(small(), GRID, CAPTIONS), jnp.array([3, 0, 4, 1, 2])
    shuffled, follow = attend(small(), GRID[:, order], CAPTIONS)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(shuffled, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(follow, maps[:, :, order], rtol=1e-4, atol=1e-6)
    assert maps.std() > 1e-2


def test_a_beam_keeps_one_grid_for_each_image_and_scores_as_teacher_forcing_does():
    model = small()
    found = beam_search(model.step, model.start(GRID), num_beams=4, max_length=4)
    tokens = np.asarray(found.tokens).reshape(N * 4, 4)
    read = np.concatenate([np.full((N * 4, 1), START, np.int32), tokens[:, :-1]], axis=1)
    log_p = np.asarray(jax.nn.log_softmax(attend(model, jnp.repeat(GRID, 4, axis=0), jnp.asarray(read))[0]))
    expected = (np.take_along_axis(log_p, tokens[..., None], 2)[..., 0] * (tokens != NULL)).sum(axis=1)
    np.testing.assert_allclose(found.log_probs.ravel(), expected, rtol=1e-4, atol=1e-5)
    best = beam_search(model.step, model.start(GRID), num_beams=1, max_length=4)
    np.testing.assert_array_equal(best.tokens[:, 0], greedy(model.step, model.start(GRID), max_length=4).tokens)


def test_every_weight_learns_from_captions_and_from_rewards():
    reward = jax.tree_util.Partial(lambda tokens: jnp.sum(tokens == 5, axis=1).astype(jnp.float32))

    @jax.jit
    def gradients(model):
        def critical(model):
            return self_critical_loss(model, GRID, jax.random.key(0), reward, max_length=4, num_samples=4)[0]

        return jax.grad(caption_loss)(model, GRID, CAPTIONS), jax.grad(critical)(model)

    for gradient in gradients(small()):
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
            assert np.isfinite(leaf).all()
            assert np.any(leaf != 0), path


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_a_grid_in_half_precision_with_weights_in_single(dtype):
    half = GRID.astype(dtype)
    with jax.numpy_dtype_promotion("standard"):
        logits = attend(small(), half, CAPTIONS)[0]
        found = greedy(small().step, small().start(half), max_length=4)
    assert logits.dtype == found.log_probs.dtype == jnp.float32
    np.testing.assert_allclose(logits, attend(small(), GRID, CAPTIONS)[0], atol=0.1)


def test_what_does_not_fit():
    with pytest.raises(InputError, match="D = 4 as W_cells has rows"):
        small().start(GRID[:, :, :3])
    with pytest.raises(InputError, match="hidden_size must be at least 1"):
        top_down_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, hidden_size=0)

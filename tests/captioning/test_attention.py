"""The captioner with attention: its steps, decoders, maps, losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.captioning import (
    END,
    NULL,
    START,
    attention_captioner,
    attention_loss,
    beam_search,
    caption_loss,
    doubly_stochastic,
    greedy,
    log_prob,
    sample,
)
from jaxvision.errors import InputError

N, L, D, V = 3, 5, 4, 9
GRID = jax.random.normal(jax.random.key(2), (N, L, D))
CAPTIONS = jnp.array([[START, 5, 6, 7, END], [START, 8, END, NULL, NULL], [START, 4, 4, END, NULL]])


def small():
    model = attention_captioner(
        jax.random.key(1), feature_size=D, vocabulary_size=V, embed_size=3, hidden_size=5, attention_size=6
    )
    return model._replace(W_vocab=3 * model.W_vocab)


def test_teacher_forcing_is_one_step_after_the_other():
    """Also where fewer words are read than there are: vectors go through the cell's weights one by one then."""
    model, step = small(), jax.jit(lambda model, carry, tokens: model.step(carry, tokens))
    carry, stepwise = model.start(GRID), []
    for tokens in CAPTIONS.T:
        carry, logits = step(model, carry, tokens)
        stepwise.append(logits)
    expected = jnp.stack(stepwise, axis=1)
    assert CAPTIONS.size > V > CAPTIONS[:, :2].size
    np.testing.assert_allclose(model(GRID, CAPTIONS), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model(GRID, CAPTIONS[:, :2]), expected[:, :2], rtol=1e-5, atol=1e-5)


def test_maps_are_shares_of_the_cells_and_follow_them():
    model = small()
    logits, maps = model.attend(GRID, CAPTIONS)
    assert maps.shape == (N, CAPTIONS.shape[1], L)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-5)
    order = jnp.array([3, 0, 4, 1, 2])
    shuffled, follow = model.attend(GRID[:, order], CAPTIONS)
    np.testing.assert_allclose(shuffled, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(follow, maps[:, :, order], rtol=1e-4)
    assert maps.std() > 1e-3


def test_a_beam_keeps_one_grid_for_each_image_and_finds_what_copies_find():
    """Scores of the captions found are those of teacher forcing, each with the grid of its own image."""
    model = small()
    found = beam_search(model.step, model.start(GRID), num_beams=4, max_length=5)
    tokens = found.tokens.reshape(N * 4, 5)
    copies = model.start(jnp.repeat(GRID, 4, axis=0))
    expected = log_prob(model.step, copies, tokens)
    np.testing.assert_allclose(found.log_probs.ravel(), expected, rtol=1e-4, atol=1e-5)
    jaxpr = jax.make_jaxpr(
        lambda carry: beam_search(model.step, carry, num_beams=4, max_length=5).tokens
    )(model.start(GRID))  # fmt: skip
    assert f"f32[{N * 4},{L},{D}]" not in str(jaxpr)
    assert f"f32[{N},{L},{D}]" in str(jaxpr)


def test_with_one_beam_it_is_greedy_and_without_heat_sampling_is():
    model = small()
    expected = greedy(model.step, model.start(GRID), max_length=6)
    beam = beam_search(model.step, model.start(GRID), num_beams=1, max_length=6)
    cold = sample(model.step, model.start(GRID), jax.random.key(0), max_length=6, temperature=0)
    np.testing.assert_array_equal(beam.tokens[:, 0], expected.tokens)
    np.testing.assert_array_equal(cold.tokens, expected.tokens)


def test_images_of_unequally_many_captions_are_refused():
    carry = small().start(GRID)
    carry = carry._replace(state=jax.tree.map(lambda a: jnp.concatenate([a, a[:1]]), carry.state))
    with pytest.raises(InputError, match="4 captions must be equally many of each image"):
        greedy(small().step, carry, max_length=3)


def test_loss_without_balance_is_the_caption_loss_and_every_weight_learns():
    model = small()
    found = attention_loss(model, GRID, CAPTIONS, balance=0.0)
    np.testing.assert_allclose(found, caption_loss(model, GRID, CAPTIONS), rtol=1e-6)
    maps, mask = np.asarray(model.attend(GRID, CAPTIONS[:, :-1])[1]), np.asarray(CAPTIONS[:, 1:] != NULL)
    penalty = [((1 - (maps[n] * mask[n][:, None]).sum(axis=0)) ** 2).sum() for n in range(N)]
    np.testing.assert_allclose(
        attention_loss(model, GRID, CAPTIONS, balance=2.0) - found, 2 * np.mean(penalty), rtol=1e-4
    )
    gradient = jax.jit(jax.grad(attention_loss))(model, GRID, CAPTIONS)
    for leaf in jax.tree.leaves(gradient):
        assert np.isfinite(leaf).all()
        assert np.any(leaf != 0)


def test_what_follows_the_end_changes_nothing():
    model, longer = small(), jnp.pad(CAPTIONS, ((0, 0), (0, 3)), constant_values=NULL)
    value = jax.jit(jax.value_and_grad(attention_loss))
    expected, found = value(model, GRID, CAPTIONS), value(model, GRID, longer)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected)


def test_looking_everywhere_once_costs_nothing():
    maps = jnp.full((1, 4, 4), 0.25)
    np.testing.assert_allclose(doubly_stochastic(maps, jnp.ones((1, 4), bool)), 0, atol=1e-12)
    np.testing.assert_allclose(doubly_stochastic(maps, jnp.arange(4)[None] < 2), 4 * 0.25)


def test_impossible_sizes_and_captions():
    with pytest.raises(InputError, match="attention_size must be at least 1"):
        attention_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, attention_size=0)
    with pytest.raises(InputError, match="at least one word more"):
        attention_loss(small(), GRID, CAPTIONS[:, :1])

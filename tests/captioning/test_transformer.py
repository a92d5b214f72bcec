"""The Transformer captioner: its cache against full recomputation, decoders, maps, PyTorch's decoder layer."""

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
    sample,
    self_critical_loss,
    transformer_captioner,
)
from jaxvision.captioning.multi_head import MultiHeadParams, multi_head_params
from jaxvision.captioning.transformer import DecoderLayer, NormParams
from jaxvision.errors import InputError

N, L, D, V, T = 3, 5, 4, 9, 6
GRID = jax.random.normal(jax.random.key(2), (N, L, D))
CAPTIONS = jnp.array([[START, 5, 6, 7, END], [START, 8, END, NULL, NULL], [START, 4, 4, END, NULL]])


@functools.cache
def small(**changes):
    sizes = {"embed_size": 6, "num_heads": 2, "num_layers": 2, "inner_size": 7, "max_length": T} | changes
    model = transformer_captioner(jax.random.key(1), feature_size=D, vocabulary_size=V, **sizes)
    return model._replace(W_vocab=3 * model.W_vocab)


@jax.jit
def attend(model, grid, tokens):
    return model.attend(grid, tokens)


@jax.jit
def stepwise(model, grid, tokens):
    def of_word(carry, word):
        return model.step(carry, word)

    return jnp.swapaxes(jax.lax.scan(of_word, model.start(grid), tokens.T)[1], 0, 1)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_decoding_with_the_cache_is_full_recomputation(dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        model = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), dtype), small())
        grid = jnp.asarray(np.asarray(GRID), dtype)
        tokens = jnp.asarray(np.random.default_rng(0).integers(0, V, (N, T)), jnp.int32)
        found, (whole, _) = stepwise(model, grid, tokens), attend(model, grid, tokens)
        assert found.dtype == whole.dtype == dtype
        np.testing.assert_allclose(found, whole, rtol=0, atol=tolerance)


def test_a_word_does_not_see_those_after_it():
    model, other = small(), CAPTIONS.at[:, 3:].set(8)
    one, another = attend(model, GRID, CAPTIONS)[0], attend(model, GRID, other)[0]
    np.testing.assert_allclose(one[:, :3], another[:, :3], atol=1e-6)
    assert np.abs(one[:, 3:] - another[:, 3:]).max() > 1e-2


def test_maps_are_shares_of_the_cells_and_follow_them():
    model = small()
    logits, maps = attend(model, GRID, CAPTIONS)
    assert maps.shape == (N, CAPTIONS.shape[1], L)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-5)
    order = jnp.array([3, 0, 4, 1, 2])
    shuffled, follow = attend(model, GRID[:, order], CAPTIONS)
    np.testing.assert_allclose(shuffled, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(follow, maps[:, :, order], rtol=1e-4)
    assert maps.std() > 1e-3


def test_a_beam_keeps_the_cells_once_for_each_image_and_scores_as_teacher_forcing_does():
    """That hypotheses carry their own caches along shows in the scores of the captions found."""
    model = small()
    carry = jax.jit(lambda model, grid: model.start(grid))(model, GRID)
    found = beam_search(model.step, carry, num_beams=4, max_length=5)
    tokens = found.tokens.reshape(N * 4, 5)
    copies = jnp.repeat(GRID, 4, axis=0)
    read = jnp.concatenate([jnp.full((N * 4, 1), START), tokens[:, :-1]], axis=1)
    log_p = np.take_along_axis(
        np.asarray(jax.nn.log_softmax(attend(model, copies, read)[0])), np.asarray(tokens)[..., None], 2
    )
    expected = (log_p[..., 0] * (np.asarray(tokens) != NULL)).sum(axis=1)
    np.testing.assert_allclose(found.log_probs.ravel(), expected, rtol=1e-4, atol=1e-5)
    traced = str(jax.make_jaxpr(lambda carry: beam_search(model.step, carry, num_beams=4, max_length=5).tokens)(carry))
    assert f"f32[{N},{L},2,3]" in traced
    assert f"f32[{N * 4},{L},2,3]" not in traced


def test_with_one_beam_it_is_greedy_and_without_heat_sampling_is():
    model = small()
    expected = greedy(model.step, model.start(GRID), max_length=T)
    beam = beam_search(model.step, model.start(GRID), num_beams=1, max_length=T)
    cold = sample(model.step, model.start(GRID), jax.random.key(0), max_length=T, temperature=0)
    np.testing.assert_array_equal(beam.tokens[:, 0], expected.tokens)
    np.testing.assert_array_equal(cold.tokens, expected.tokens)


def test_every_weight_learns_from_captions_and_from_rewards():
    model = small()
    reward = jax.tree_util.Partial(lambda tokens: jnp.sum(tokens == 5, axis=1).astype(jnp.float32))

    @jax.jit
    def gradients(model):
        def critical(model):
            return self_critical_loss(model, GRID, jax.random.key(0), reward, max_length=T, num_samples=4)[0]

        return jax.grad(caption_loss)(model, GRID, CAPTIONS), jax.grad(critical)(model)

    for gradient in gradients(model):
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
            assert np.isfinite(leaf).all()
            assert np.any(leaf != 0), path


def test_what_does_not_fit():
    model = small()
    with pytest.raises(InputError, match="reads from 1 to 6 words, got 7"):
        model(GRID, jnp.ones((N, 7), jnp.int32))
    with pytest.raises(InputError, match="D = 4 as W_grid has rows"):
        model.start(GRID[:, :, :3])
    with pytest.raises(InputError, match="3 heads for size 8"):
        small(embed_size=8, num_heads=3)
    with pytest.raises(InputError, match="num_layers must be at least 1"):
        small(num_layers=0)
    with pytest.raises(InputError, match="2 heads for size 0"):
        multi_head_params(jax.random.key(0), size=0, num_heads=2)


def test_a_gain_is_of_the_weights_to_the_output():
    whole, small_sums = (multi_head_params(jax.random.key(0), size=8, num_heads=2, gain=gain) for gain in (1.0, 0.5))
    np.testing.assert_array_equal(small_sums.W_out, 0.5 * whole.W_out)
    jax.tree.map(np.testing.assert_array_equal, small_sums._replace(W_out=0), whole._replace(W_out=0))


def test_beyond_the_last_position_no_word_has_a_score():
    model = small(max_length=2)
    scores = stepwise(model, GRID, CAPTIONS[:, :3])
    assert np.isfinite(scores[:, :2]).all()
    assert np.isnan(scores[:, 2]).all()


@pytest.mark.peers
def test_pytorchs_decoder_layers_give_the_same_rows_gradients_and_shares():
    torch = pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    torch.manual_seed(0)
    size, heads = 6, 2
    layer = torch.nn.TransformerDecoderLayer(size, heads, 7, dropout=0.0, norm_first=True, batch_first=True)
    peer = torch.nn.TransformerDecoder(layer, 2, norm=torch.nn.LayerNorm(size)).double()
    for tensor in peer.parameters():  # no two of them alike, no bias zero
        torch.nn.init.normal_(tensor, std=0.5)
    with jax.enable_x64(True):
        model = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), "float64"), small())
        model = model._replace(layers=tuple(map(of_torch, peer.layers)), norm=norm_of_torch(peer.norm))
        grid = jnp.asarray(np.asarray(GRID), "float64")
        x = torch.from_numpy(np.array(model.W_embed[CAPTIONS] + model.positions[None, :5]))
        memory = torch.from_numpy(
            np.asarray(grid) @ np.asarray(model.W_grid) + np.asarray(model.b_grid)
        ).requires_grad_()
        mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
        rows = peer(x, memory, tgt_mask=mask, tgt_is_causal=True)
        expected = rows @ torch.from_numpy(np.array(model.W_vocab)) + torch.from_numpy(np.array(model.b_vocab))
        logits, maps = model.attend(grid, CAPTIONS)
        np.testing.assert_allclose(logits, expected.detach(), rtol=0, atol=1e-10)
        (expected**2).sum().backward()
        of_W, of_layer = jax.grad(
            lambda W, inner: jnp.sum(
                model._replace(
                    W_grid=W, layers=(model.layers[0]._replace(W_in=inner), model.layers[1])
                )(grid, CAPTIONS) ** 2
            ),
            argnums=(0, 1),
        )(model.W_grid, model.layers[0].W_in)  # fmt: skip
        np.testing.assert_allclose(of_layer, peer.layers[0].linear1.weight.grad.T, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(of_W, np.einsum("nld,nle->de", grid, memory.grad), rtol=1e-8, atol=1e-10)
        # The shares of the last layer, from what its attention is given there.
        kept = {}
        peer.layers[1].multihead_attn.register_forward_pre_hook(lambda _, inputs: kept.update(query=inputs[0]))
        peer(x, memory, tgt_mask=mask)
        shares = peer.layers[1].multihead_attn(kept["query"], memory, memory, need_weights=True)[1]
        np.testing.assert_allclose(maps, shares.detach(), rtol=0, atol=1e-10)


def of_torch(layer):
    return DecoderLayer(
        norm_words=norm_of_torch(layer.norm1),
        words=heads_of_torch(layer.self_attn),
        norm_cells=norm_of_torch(layer.norm2),
        cells=heads_of_torch(layer.multihead_attn),
        norm_inner=norm_of_torch(layer.norm3),
        W_in=array(layer.linear1.weight).T,
        b_in=array(layer.linear1.bias),
        W_out=array(layer.linear2.weight).T,
        b_out=array(layer.linear2.bias),
    )


def norm_of_torch(norm):
    return NormParams(array(norm.weight), array(norm.bias))


def heads_of_torch(attention):
    """PyTorch's bias of the keys is left out: the results must not tell."""
    heads, size = attention.num_heads, attention.embed_dim
    W_query, W_key, W_value = (
        w.T.reshape(size, heads, -1) for w in jnp.split(array(attention.in_proj_weight), 3, axis=0)
    )
    b_query, _, b_value = array(attention.in_proj_bias).reshape(3, heads, -1)
    W_out = array(attention.out_proj.weight).T.reshape(heads, -1, size)
    return MultiHeadParams(W_query, b_query, W_key, W_value, b_value, W_out, array(attention.out_proj.bias))


def array(tensor):
    return jnp.asarray(tensor.detach().numpy().copy())

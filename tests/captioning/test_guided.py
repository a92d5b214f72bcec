"""What guides attention, against NumPy's loop over words."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.captioning import InBfloat16, attention_captioner, misplaced_attention

RNG = np.random.default_rng(0)
MAPS = RNG.dirichlet(np.ones(7), size=(4, 5)).astype(np.float32)
WHERE = RNG.random((4, 5, 7)) < 0.4
WHERE[0, 1] = False
WHERE[2] = False


def test_it_is_the_surprise_of_looking_at_what_is_named():
    expected = np.zeros(4)
    for n in range(4):
        for t in range(5):
            if WHERE[n, t].any():
                expected[n] -= np.log(MAPS[n, t][WHERE[n, t]].sum())
    found = misplaced_attention(jnp.asarray(MAPS), jnp.asarray(WHERE))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found[2] == 0
    assert (np.delete(found, 2) > 0.5).all()
    compiled = jax.jit(misplaced_attention)(jnp.asarray(MAPS), jnp.asarray(WHERE))
    np.testing.assert_allclose(compiled, found, rtol=1e-5, atol=1e-6)
    alone = misplaced_attention(jnp.asarray(MAPS[1:2]), jnp.asarray(WHERE[1:2]))
    np.testing.assert_allclose(alone, found[1:2], rtol=1e-6)


def test_going_down_brings_attention_to_what_is_named():
    """The gradient of the scores before the softmax is what attention has too little of; finite where it has none."""
    scores = jnp.log(jnp.asarray(MAPS)).at[3, 0].set(jnp.where(WHERE[3, 0], -1e4, 0.0))
    loss = lambda scores: jnp.sum(misplaced_attention(jax.nn.softmax(scores, axis=2), jnp.asarray(WHERE)))  # noqa: E731
    gradient = np.asarray(jax.grad(loss)(scores))
    assert np.isfinite(gradient).all()
    named = WHERE.any(axis=2)
    named[3, 0] = False
    inside = np.where(WHERE, MAPS, 0) / np.where(named, np.where(WHERE, MAPS, 0).sum(axis=2), 1)[:, :, None]
    np.testing.assert_allclose(gradient[named], (MAPS - inside)[named], atol=1e-5)
    assert not gradient[~WHERE.any(axis=2)].any()


def test_in_bfloat16_attention_is_nearly_the_same():
    model = attention_captioner(jax.random.key(0), feature_size=4, vocabulary_size=9, embed_size=3, hidden_size=5)
    grid, tokens = jax.random.normal(jax.random.key(1), (2, 7, 4)), jnp.array([[1, 5, 6], [1, 7, 2]])
    logits, maps = InBfloat16(model).attend(grid, tokens)
    assert logits.dtype == maps.dtype == jnp.float32
    expected = model.attend(grid, tokens)
    np.testing.assert_allclose(maps, expected[1], atol=0.02)
    np.testing.assert_allclose(logits, expected[0], atol=0.2)

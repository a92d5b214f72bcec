"""Every derivative derived by hand, against `jax.grad` of the course's functions and against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import cs231n, numpy_reference
from jaxvision.errors import InputError

N, T, D, H, V = 3, 4, 5, 2, 6


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def recurrent(n_gates):
    return [draw(D, n_gates * H), draw(H, n_gates * H), draw(n_gates * H)]


WORDS = np.array([[0, 5, 2, 2], [1, 2, 0, 0], [2, 2, 2, 3]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], bool)
LAYERS = {
    "rnn_step": [draw(N, D), draw(N, H), *recurrent(1)],
    "rnn": [draw(N, T, D), draw(N, H), *recurrent(1)],
    "lstm_step": [draw(N, D), draw(N, H), draw(N, H, seed=1), *recurrent(4)],
    "lstm": [draw(N, T, D), draw(N, H), *recurrent(4)],
    "temporal_affine": [draw(N, T, D), draw(D, V), draw(V)],
    "word_embedding": [draw(V, D)],
}
TWO_OUTPUTS = ("lstm_step",)
every_layer = pytest.mark.parametrize("name", LAYERS)


def forward(name, arguments):
    arguments = [WORDS, *arguments] if name == "word_embedding" else arguments
    *outputs, cache = getattr(numpy_reference, f"{name}_forward")(*arguments)
    return outputs, cache


def backward(name, douts, cache):
    found = getattr(numpy_reference, f"{name}_backward")(*douts, cache)
    return [found] if name == "word_embedding" else list(found)


def finite_difference(loss, x, eps=1e-5):
    """Central differences, entry by entry."""
    x, gradient = x.copy(), np.zeros_like(x)
    for i in np.ndindex(x.shape):
        value = x[i]
        x[i] = value + eps
        above = loss(x)
        x[i] = value - eps
        gradient[i] = (above - loss(x)) / (2 * eps)
        x[i] = value
    return gradient


def assert_equal_gradients(found, expected, tolerance):
    """Relative to the largest entry: a zero is met as well as its neighbours."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@every_layer
def test_layer(name):
    arguments = LAYERS[name]
    outputs, cache = forward(name, arguments)
    douts = [draw(*output.shape, seed=7 + k) for k, output in enumerate(outputs)]
    found = backward(name, douts, cache)
    assert len(found) == len(arguments)

    with jax.enable_x64(True):

        def in_jax(*arguments):
            arguments = [jnp.asarray(WORDS), *arguments] if name == "word_embedding" else arguments
            outputs = getattr(cs231n, f"{name}_forward")(*arguments)
            return outputs if name in TWO_OUTPUTS else (outputs,)

        found_outputs, pull = jax.vjp(jax.jit(in_jax), *map(jnp.asarray, arguments))
        expected = [np.asarray(v) for v in pull(tuple(map(jnp.asarray, douts)))]
    for output, found_output in zip(outputs, found_outputs, strict=True):
        np.testing.assert_allclose(output, found_output, rtol=1e-12, atol=1e-14)

    for k, gradient in enumerate(found):
        assert_equal_gradients(gradient, expected[k], 1e-8)

        def loss(value, k=k):
            changed = forward(name, [*arguments[:k], value, *arguments[k + 1 :]])[0]
            return sum(np.sum(output * dout) for output, dout in zip(changed, douts, strict=True))

        assert_equal_gradients(gradient, finite_difference(loss, arguments[k]), 1e-7)


@pytest.mark.parametrize(("cell_type", "n_gates"), [("rnn", 1), ("lstm", 4)])
def test_a_sequence_of_one_step_is_that_step(cell_type, n_gates):
    x, start, dout, params = draw(N, 1, D), draw(N, H), draw(N, 1, H, seed=7), recurrent(n_gates)
    (hs,), cache = forward(cell_type, [x, start, *params])
    memory = [np.zeros((N, H))] if cell_type == "lstm" else []
    (h, *_), of_step = forward(f"{cell_type}_step", [x[:, 0], start, *memory, *params])
    np.testing.assert_allclose(hs[:, 0], h)
    dx, dstart, *dparams = backward(cell_type, [dout], cache)
    dx_of_step, dprev, *others = backward(f"{cell_type}_step", [dout[:, 0], *memory], of_step)
    found, expected = [dx[:, 0], dstart, *dparams], [dx_of_step, dprev, *others[len(memory) :]]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other)


def test_temporal_softmax_loss():
    x = 3 * draw(N, T, V)
    loss, dx = numpy_reference.temporal_softmax_loss(x, WORDS, MASK)
    with jax.enable_x64(True):
        expected, gradient = jax.value_and_grad(cs231n.temporal_softmax_loss)(*map(jnp.asarray, (x, WORDS, MASK)))
    np.testing.assert_allclose(loss, expected, rtol=1e-13)
    assert_equal_gradients(dx, np.asarray(gradient), 1e-8)
    difference = finite_difference(lambda x: numpy_reference.temporal_softmax_loss(x, WORDS, MASK)[0], x)
    assert_equal_gradients(dx, difference, 1e-8)
    assert not dx[~MASK].any()


def captioning_params(n_gates):
    Wx, Wh, b = recurrent(n_gates)
    shapes = {"W_embed": (V, D), "W_proj": (D, H), "b_proj": (H,), "W_vocab": (H, V), "b_vocab": (V,)}
    return {name: draw(*shape, seed=3) for name, shape in shapes.items()} | {"Wx": Wx, "Wh": Wh, "b": b}


@pytest.mark.parametrize(("cell_type", "n_gates"), [("rnn", 1), ("lstm", 4)])
def test_captioning_loss(cell_type, n_gates):
    params, features = captioning_params(n_gates), draw(N, D, seed=5)
    loss, grads = numpy_reference.captioning_loss(params, features, WORDS, cell_type=cell_type)
    assert grads.keys() == params.keys()
    with jax.enable_x64(True):
        in_jax = jax.jit(jax.value_and_grad(cs231n.captioning_loss), static_argnames="cell_type")
        expected, gradients = in_jax(
            jax.tree.map(jnp.asarray, params), jnp.asarray(features), jnp.asarray(WORDS), cell_type=cell_type
        )
    np.testing.assert_allclose(loss, expected, rtol=1e-13)
    for name, value in params.items():
        assert_equal_gradients(grads[name], np.asarray(gradients[name]), 1e-8)

        def loss_of(value, name=name):
            changed = params | {name: value}
            return numpy_reference.captioning_loss(changed, features, WORDS, cell_type=cell_type)[0]

        assert_equal_gradients(grads[name], finite_difference(loss_of, value), 1e-7)


def test_a_word_that_stands_twice_counts_twice():
    _, cache = numpy_reference.word_embedding_forward(np.array([[2, 2, 2]]), np.zeros((3, 1)))
    assert numpy_reference.word_embedding_backward(np.ones((1, 3, 1)), cache)[2] == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept(dtype):
    for name, arguments in LAYERS.items():
        outputs, cache = forward(name, [v.astype(dtype) for v in arguments])
        gradients = backward(name, outputs, cache)
        assert {v.dtype for v in outputs + gradients} == {np.dtype(dtype)}, name
    for cell_type, n_gates in (("rnn", 1), ("lstm", 4)):
        params = {name: value.astype(dtype) for name, value in captioning_params(n_gates).items()}
        loss, grads = numpy_reference.captioning_loss(params, draw(N, D).astype(dtype), WORDS, cell_type=cell_type)
        assert {loss.dtype, *(v.dtype for v in grads.values())} == {np.dtype(dtype)}


def test_huge_scores_overflow_nothing():
    scores = np.array([[[1e4, -1e4, 0.0]]], np.float32)
    loss, dx = numpy_reference.temporal_softmax_loss(scores, np.array([[1]]), np.array([[True]]))
    assert loss == 2e4
    np.testing.assert_array_equal(dx, [[[1, -1, 0]]])


def test_an_unknown_cell_is_refused():
    with pytest.raises(InputError, match="cell_type must be"):
        numpy_reference.captioning_loss(captioning_params(1), draw(N, D), WORDS, cell_type="gru")

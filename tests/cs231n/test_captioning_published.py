"""The course's published values: met by NumPy to the printed precision, by JAX to what its type can hold."""

import contextlib
import functools
import json

import jax
import numpy as np
import pytest

from jaxvision import cs231n, numpy_reference

# The notebook of the LSTM; arguments are (first, last, shape) of np.linspace.
LSTM_STEP = {
    "x": (-0.4, 1.2, (3, 4)),
    "prev_h": (-0.3, 0.7, (3, 5)),
    "prev_c": (-0.4, 0.9, (3, 5)),
    "Wx": (-2.1, 1.3, (4, 20)),
    "Wh": (-0.7, 2.2, (5, 20)),
    "b": (0.3, 0.7, (20,)),
}
LSTM_STEP_H = [
    [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904],
    [0.49223563, 0.55611431, 0.61507696, 0.66844003, 0.7159181],
    [0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299],
]
LSTM_STEP_C = [
    [0.32986176, 0.39145139, 0.451556, 0.51014116, 0.56717407],
    [0.66382255, 0.76674007, 0.87195994, 0.97902709, 1.08751345],
    [0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676],
]
LSTM = {
    "x": (-0.4, 0.6, (2, 3, 5)),
    "h0": (-0.4, 0.8, (2, 4)),
    "Wx": (-0.2, 0.9, (5, 16)),
    "Wh": (-0.3, 0.6, (4, 16)),
    "b": (0.2, 0.7, (16,)),
}
LSTM_H = [
    [
        [0.01764008, 0.01823233, 0.01882671, 0.0194232],
        [0.11287491, 0.12146228, 0.13018446, 0.13902939],
        [0.31358768, 0.33338627, 0.35304453, 0.37250975],
    ],
    [
        [0.45767879, 0.4761092, 0.4936887, 0.51041945],
        [0.6704845, 0.69350089, 0.71486014, 0.7346449],
        [0.81733511, 0.83677871, 0.85403753, 0.86935314],
    ],
]
LSTM_LOSS = 9.82445935443


class InNumpy:
    """The reference's names without caches and derivatives."""

    def __getattr__(self, name):
        def call(*arguments, **options):
            results = getattr(numpy_reference, name)(*arguments, **options)
            return results[:2] if name == "lstm_step_forward" else results[0]

        return call


class InJax:
    """The course's names, given NumPy's arrays."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __getattr__(self, name):
        def call(*arguments, **options):
            with jax.enable_x64(True) if self.dtype == np.float64 else contextlib.nullcontext():
                function = jax.jit(functools.partial(getattr(cs231n, name), **options))
                return jax.tree.map(np.asarray, function(*jax.tree.map(self.array, arguments)))

        return call

    def array(self, value):
        return value.astype(self.dtype if np.issubdtype(value.dtype, np.floating) else value.dtype)


# What was printed has eight decimals: half a unit of the last is the best that can be asked of those values. A number
# printed with twelve is met to 1e-10 (float64), 1e-5 (float32).
IMPLEMENTATIONS = {
    "numpy": (InNumpy(), 6e-9, 1e-11),
    "jax float64": (InJax(np.float64), 6e-9, 1e-10),
    "jax float32": (InJax(np.float32), 1e-5, 1e-5),
}


@pytest.fixture(params=IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def implementation(request):
    return request.param


@pytest.fixture(scope="module")
def published(needs):
    return json.loads(needs("checks/captioning_rnn.json").read_text())


def linspace(first, last, shape):
    return np.linspace(first, last, num=int(np.prod(shape))).reshape(shape)


def given(value):
    return linspace(*value[1:]) if isinstance(value, list) and value[0] == "linspace" else np.asarray(value)


def caption_inputs(features, n_gates):
    shapes = {"W_embed": (3, 30), "W_proj": (20, 40), "b_proj": (40,), "Wx": (30, n_gates * 40)}
    shapes |= {"Wh": (40, n_gates * 40), "b": (n_gates * 40,), "W_vocab": (40, 3), "b_vocab": (3,)}
    params = {name: linspace(-1.4, 1.3, shape) for name, shape in shapes.items()}
    return params, linspace(*features, (10, 20)), (np.arange(130, dtype=np.int32) % 3).reshape(10, 13)


@pytest.mark.parametrize(("name", "output"), [("rnn_step_forward", "next_h"), ("rnn_forward", "h")])
def test_rnn(implementation, published, name, output):
    functions, printed, _ = implementation
    inputs = [given(value) for value in published[name]["inputs"].values()]
    expected = published[name]["expected"][output]
    np.testing.assert_allclose(getattr(functions, name)(*inputs), expected, rtol=0, atol=printed)


def test_word_embedding(implementation, published):
    functions, printed, _ = implementation
    words, W = (given(value) for value in published["word_embedding_forward"]["inputs"].values())
    found = functions.word_embedding_forward(words.astype(np.int32), W)
    np.testing.assert_allclose(found, published["word_embedding_forward"]["expected"]["out"], rtol=0, atol=printed)


def test_temporal_softmax_loss(implementation, published):
    """The three losses that the notebook prints, on its random numbers."""
    functions, _, exact = implementation
    random = np.random.RandomState(231)
    for shape in [(2, 3, 4), (4, 5), (5,), (2, 3, 5)]:  # drawn before, by the cell on the affine layer
        random.randn(*shape)
    calls = [(100, 1, 10, 1.0), (100, 10, 10, 1.0), (5000, 10, 10, 0.1)]
    for (n, t, v, p), expected in zip(calls, published["temporal_softmax_loss"]["printed"], strict=True):
        x = 0.001 * random.randn(n, t, v)
        y, mask = random.randint(v, size=(n, t)), random.rand(n, t) <= p
        found = functions.temporal_softmax_loss(x, y.astype(np.int32), mask)
        np.testing.assert_allclose(found, expected, rtol=exact)


def test_captioning_loss_of_the_rnn(implementation, published):
    functions, _, exact = implementation
    expected = published["captioning_loss_rnn"]["expected"]["loss"]
    found = functions.captioning_loss(*caption_inputs((-1.5, 0.3), 1), cell_type="rnn")
    np.testing.assert_allclose(found, expected, rtol=exact)


def test_lstm_step(implementation):
    functions, printed, _ = implementation
    next_h, next_c = functions.lstm_step_forward(*(linspace(*value) for value in LSTM_STEP.values()))
    np.testing.assert_allclose(next_h, LSTM_STEP_H, rtol=0, atol=printed)
    np.testing.assert_allclose(next_c, LSTM_STEP_C, rtol=0, atol=printed)


def test_lstm(implementation):
    functions, printed, _ = implementation
    found = functions.lstm_forward(*(linspace(*value) for value in LSTM.values()))
    np.testing.assert_allclose(found, LSTM_H, rtol=0, atol=printed)


def test_captioning_loss_of_the_lstm(implementation):
    functions, _, exact = implementation
    found = functions.captioning_loss(*caption_inputs((-0.5, 1.7), 4), cell_type="lstm")
    np.testing.assert_allclose(found, LSTM_LOSS, rtol=exact)

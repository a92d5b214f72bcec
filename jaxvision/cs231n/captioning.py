"""Captioning with a vanilla RNN and an LSTM: the two exercises' layers, loss and sampling."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision import captioning
from jaxvision.errors import InputError
from jaxvision.recurrent import LSTMState, RecurrentParams, lstm, lstm_step, rnn, rnn_step


def rnn_step_forward(
    x: Float[Array, "n d"],
    prev_h: Float[Array, "n h"],
    Wx: Float[Array, "d h"],
    Wh: Float[Array, "h h"],
    b: Float[Array, " h"],
) -> Float[Array, "n h"]:
    """One step of a vanilla RNN: `recurrent.rnn_step`.

    Args:
        x: `(N, D)`, the input.
        prev_h: `(N, H)`, the state before.
        Wx: `(D, H)`.
        Wh: `(H, H)`.
        b: `(H,)`.

    Returns:
        The next state, `(N, H)`.

    Example:
        >>> rnn_step_forward(jnp.ones((2, 3)), jnp.ones((2, 4)), jnp.ones((3, 4)), jnp.ones((4, 4)), jnp.ones(4)).shape
        (2, 4)
    """
    return rnn_step(RecurrentParams(Wx, Wh, b), prev_h, x)


def rnn_forward(
    x: Float[Array, "n t d"],
    h0: Float[Array, "n h"],
    Wx: Float[Array, "d h"],
    Wh: Float[Array, "h h"],
    b: Float[Array, " h"],
) -> Float[Array, "n t h"]:
    """A vanilla RNN over whole sequences: the states of `recurrent.rnn`.

    Args:
        x: `(N, T, D)`, the inputs.
        h0: `(N, H)`, the state to begin with.
        Wx: `(D, H)`.
        Wh: `(H, H)`.
        b: `(H,)`.

    Returns:
        The states, `(N, T, H)`.

    Raises:
        InputError: if shapes do not fit.

    Example:
        >>> rnn_forward(jnp.ones((2, 5, 3)), jnp.ones((2, 4)), jnp.ones((3, 4)), jnp.ones((4, 4)), jnp.ones(4)).shape
        (2, 5, 4)
    """
    return rnn(RecurrentParams(Wx, Wh, b), x, h0)[0]


def lstm_step_forward(
    x: Float[Array, "n d"],
    prev_h: Float[Array, "n h"],
    prev_c: Float[Array, "n h"],
    Wx: Float[Array, "d 4*h"],
    Wh: Float[Array, "h 4*h"],
    b: Float[Array, " 4*h"],
) -> tuple[Float[Array, "n h"], Float[Array, "n h"]]:
    """One step of an LSTM: `recurrent.lstm_step`.

    Args:
        x: `(N, D)`, the input.
        prev_h: `(N, H)`, the state before.
        prev_c: `(N, H)`, the memory before.
        Wx: `(D, 4H)`, the gates in the order i, f, o, g.
        Wh: `(H, 4H)`.
        b: `(4H,)`.

    Returns:
        The next state and the next memory, `(N, H)` each.

    Example:
        >>> h = jnp.ones((2, 1))
        >>> next_h, next_c = lstm_step_forward(jnp.ones((2, 3)), h, h, jnp.ones((3, 4)), jnp.ones((1, 4)), jnp.ones(4))
        >>> next_h.shape, next_c.shape
        ((2, 1), (2, 1))
    """
    next_h, next_c = lstm_step(RecurrentParams(Wx, Wh, b), LSTMState(prev_h, prev_c), x)
    return next_h, next_c


def lstm_forward(
    x: Float[Array, "n t d"],
    h0: Float[Array, "n h"],
    Wx: Float[Array, "d 4*h"],
    Wh: Float[Array, "h 4*h"],
    b: Float[Array, " 4*h"],
) -> Float[Array, "n t h"]:
    """An LSTM over whole sequences, its memory zero to begin with: the states of `recurrent.lstm`.

    Args:
        x: `(N, T, D)`, the inputs.
        h0: `(N, H)`, the state to begin with.
        Wx: `(D, 4H)`, the gates in the order i, f, o, g.
        Wh: `(H, 4H)`.
        b: `(4H,)`.

    Returns:
        The states, `(N, T, H)`.

    Raises:
        InputError: if shapes do not fit.

    Example:
        >>> lstm_forward(jnp.ones((2, 5, 3)), jnp.ones((2, 1)), jnp.ones((3, 4)), jnp.ones((1, 4)), jnp.ones(4)).shape
        (2, 5, 1)
    """
    return lstm(RecurrentParams(Wx, Wh, b), x, LSTMState(h0, jnp.zeros_like(h0)))[0]


def word_embedding_forward(x: Int[Array, "n t"], W: Float[Array, "v d"]) -> Float[Array, "n t d"]:
    """Each word's row of a table.

    Args:
        x: `(N, T)`, words as indices in `[0, V)`.
        W: `(V, D)`, a vector for each word.

    Returns:
        `(N, T, D)`.

    Example:
        >>> word_embedding_forward(jnp.array([[1, 0]]), jnp.array([[1.0, 2.0], [3.0, 4.0]]))
        Array([[[3., 4.],
                [1., 2.]]], dtype=float32)
    """
    return W[x]


def temporal_affine_forward(
    x: Float[Array, "n t d"], w: Float[Array, "d m"], b: Float[Array, " m"]
) -> Float[Array, "n t m"]:
    """The same affine map at every time step.

    Args:
        x: `(N, T, D)`.
        w: `(D, M)`.
        b: `(M,)`.

    Returns:
        `(N, T, M)`.

    Example:
        >>> temporal_affine_forward(jnp.ones((1, 2, 3)), jnp.ones((3, 1)), jnp.array([0.5])).ravel()
        Array([3.5, 3.5], dtype=float32)
    """
    n, t, d = x.shape
    return (x.reshape(n * t, d) @ w + b[None]).reshape(n, t, -1)  # one product of two matrices


def temporal_softmax_loss(x: Float[Array, "n t v"], y: Int[Array, "n t"], mask: Bool[Array, "n t"]) -> Float[Array, ""]:
    """Cross-entropy summed over time and averaged over the batch: `captioning.temporal_softmax_loss`.

    Args:
        x: `(N, T, V)`, scores.
        y: `(N, T)`, the right words as indices in `[0, V)`.
        mask: `(N, T)`, True where a word counts.

    Returns:
        A scalar.

    Example:
        >>> temporal_softmax_loss(jnp.zeros((1, 2, 1)), jnp.zeros((1, 2), int), jnp.ones((1, 2), bool)) == 0
        Array(True, dtype=bool)
    """
    return captioning.temporal_softmax_loss(x, y, mask)


def captioning_loss(
    params: Mapping[str, Array],
    features: Float[Array, "n d"],
    captions: Int[Array, "n t"],
    *,
    cell_type: str,
    null: int | Int[Array, ""] = 0,
) -> Float[Array, ""]:
    """The loss of captions given their images' features; `jax.value_and_grad` gives the derivatives too.

    Args:
        params: `W_embed (V, W)`, `W_proj (D, H)`, `b_proj (H,)`, `Wx (W, H)`, `Wh (H, H)`, `b (H,)`, `W_vocab (H, V)`
            and `b_vocab (V,)`; for the LSTM 4H columns in `Wx`, `Wh` and `b`, the gates in the order i, f, o, g.
        features: `(N, D)`, of the images.
        captions: `(N, T)`, words as indices in `[0, V)`; the first T - 1 are read, the last T - 1 predicted.
        cell_type: "rnn" or "lstm".
        null: the word that fills short captions; it is not to be predicted.

    Returns:
        A scalar.

    Raises:
        InputError: if `cell_type` is neither, or shapes do not fit.

    Example:
        >>> shapes = {"W_embed": (5, 2), "W_proj": (4, 3), "b_proj": (3,), "Wx": (2, 3), "Wh": (3, 3), "b": (3,)}
        >>> params = {name: jnp.zeros(shape) for name, shape in (shapes | {"W_vocab": (3, 5), "b_vocab": (5,)}).items()}
        >>> loss = captioning_loss(params, jnp.ones((1, 4)), jnp.array([[1, 3, 2, 0]]), cell_type="rnn")
        >>> jnp.exp(loss / 2).round()  # two words of five
        Array(5., dtype=float32)
    """
    return captioning.caption_loss(_captioner(params, cell_type), features, captions, null=null)


@functools.partial(jax.jit, static_argnames=("cell_type", "max_length"))
def caption_sample(
    params: Mapping[str, Array],
    features: Float[Array, "n d"],
    *,
    cell_type: str,
    start: int | Int[Array, ""],
    max_length: int,
) -> Int[Array, "n max_length"]:
    """Captions word by word, the most probable each time, as one compiled program.

    As in the assignment nothing stops at an end: what follows the first end word is to be cut off.

    Args:
        params: see `captioning_loss`.
        features: `(N, D)`, of the images.
        cell_type: "rnn" or "lstm".
        start: the word to begin with, which is not part of the captions.
        max_length: words.

    Returns:
        `(N, max_length)`, words as indices.

    Raises:
        InputError: if `cell_type` is neither.

    Example:
        >>> shapes = {"W_embed": (5, 2), "W_proj": (4, 3), "b_proj": (3,), "Wx": (2, 3), "Wh": (3, 3), "b": (3,)}
        >>> params = {name: jnp.zeros(shape) for name, shape in (shapes | {"W_vocab": (3, 5)}).items()}
        >>> params["b_vocab"] = jnp.array([0.0, 0.0, 0.0, 1.0, 0.0])
        >>> caption_sample(params, jnp.ones((1, 4)), cell_type="rnn", start=1, max_length=3)
        Array([[3, 3, 3]], dtype=int32)
    """
    model = _captioner(params, cell_type)

    def step(state: tuple[Any, Array], _: None) -> tuple[tuple[Any, Array], Array]:
        carry, scores = model.step(*state)  # (N, V)
        words = jnp.argmax(scores, axis=1).astype(jnp.int32)
        return (carry, words), words

    begin = (model.start(features), jnp.full(features.shape[0], start, jnp.int32))
    return jax.lax.scan(step, begin, length=max_length)[1].T


def _captioner(params: Mapping[str, Array], cell_type: str) -> captioning.Captioner:
    if cell_type not in ("rnn", "lstm"):
        raise InputError(f'cell_type must be "rnn" or "lstm", got {cell_type!r}')
    model = captioning.Captioner(
        W_proj=params["W_proj"],
        b_proj=params["b_proj"],
        W_embed=params["W_embed"],
        recurrent=RecurrentParams(params["Wx"], params["Wh"], params["b"]),
        W_vocab=params["W_vocab"],
        b_vocab=params["b_vocab"],
    )
    if model.cell != cell_type:
        raise InputError(f"the parameters are those of {model.cell!r} by their shapes, and cell_type is {cell_type!r}")
    return model

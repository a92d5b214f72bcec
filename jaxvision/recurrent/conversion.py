"""Parameters from and to the layouts of PyTorch and Flax: plain dictionaries of arrays, neither library is needed.

PyTorch keeps the transposed matrices and two biases, which add up (in a GRU all but the candidate's): on the way back
the second is zero. Its LSTM has the gates in the order i, f, g, o, as Flax has. Of PyTorch's `state_dict()` one layer
is read, `nn.RNN`, `nn.LSTM` or `nn.GRU` alike; of Flax, `nnx.to_pure_dict(nnx.state(cell, nnx.Param))` of
`nnx.SimpleCell`, `nnx.OptimizedLSTMCell` and `nnx.GRUCell`.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array

from jaxvision.errors import InputError
from jaxvision.recurrent.parameters import GRUParams, RecurrentParams


def rnn_from_torch(state_dict: Mapping[str, ArrayLike], *, layer: int = 0) -> RecurrentParams:
    """The parameters of one layer of PyTorch's `nn.RNN` (with tanh, its default).

    Args:
        state_dict: `weight_ih_l0 (H, D)`, `weight_hh_l0 (H, H)`, and, unless without biases, `bias_ih_l0 (H,)` and
            `bias_hh_l0 (H,)`: arrays, such as `{name: tensor.numpy() ...}`.
        layer: whose parameters.

    Returns:
        The parameters.

    Raises:
        InputError: if a name is missing or a shape is not an RNN's.

    Example:
        >>> rnn_from_torch({"weight_ih_l0": np.ones((3, 2)), "weight_hh_l0": np.ones((3, 3))}).Wx.shape
        (2, 3)
    """
    w_ih, w_hh, b_ih, b_hh = _of_torch(state_dict, layer, 1, "RNN")
    return RecurrentParams(w_ih.T, w_hh.T, b_ih + b_hh)


def rnn_to_torch(params: RecurrentParams) -> dict[str, Array]:
    """The parameters under the names and in the layout of PyTorch's `nn.RNN`.

    Args:
        params: of an RNN.

    Returns:
        `weight_ih_l0 (H, D)`, `weight_hh_l0 (H, H)`, `bias_ih_l0 (H,)`, `bias_hh_l0 (H,)`.

    Example:
        >>> params = RecurrentParams(jnp.ones((2, 3)), jnp.ones((3, 3)), jnp.zeros(3))
        >>> rnn_to_torch(params)["weight_ih_l0"].shape
        (3, 2)
    """
    return _to_torch(params.Wx, params.Wh, params.b, jnp.zeros_like(params.b))


def lstm_from_torch(state_dict: Mapping[str, ArrayLike], *, layer: int = 0) -> RecurrentParams:
    """The parameters of one layer of PyTorch's `nn.LSTM`.

    Args:
        state_dict: `weight_ih_l0 (4H, D)`, `weight_hh_l0 (4H, H)`, and, unless without biases, `bias_ih_l0 (4H,)` and
            `bias_hh_l0 (4H,)`: arrays.
        layer: whose parameters.

    Returns:
        The parameters, the gates in the order i, f, o, g.

    Raises:
        InputError: if a name is missing or a shape is not an LSTM's.

    Example:
        >>> lstm_from_torch({"weight_ih_l0": np.ones((12, 2)), "weight_hh_l0": np.ones((12, 3))}).Wx.shape
        (2, 12)
    """
    w_ih, w_hh, b_ih, b_hh = _of_torch(state_dict, layer, 4, "LSTM")
    return RecurrentParams(*map(_swap_last_gates, (w_ih.T, w_hh.T, b_ih + b_hh)))


def lstm_to_torch(params: RecurrentParams) -> dict[str, Array]:
    """The parameters under the names and in the layout of PyTorch's `nn.LSTM`.

    Args:
        params: of an LSTM.

    Returns:
        `weight_ih_l0 (4H, D)`, `weight_hh_l0 (4H, H)`, `bias_ih_l0 (4H,)`, `bias_hh_l0 (4H,)`.

    Example:
        >>> params = RecurrentParams(jnp.ones((2, 4)), jnp.ones((1, 4)), jnp.arange(4.0))
        >>> lstm_to_torch(params)["bias_ih_l0"]  # i, f, g, o
        Array([0., 1., 3., 2.], dtype=float32)
    """
    Wx, Wh, b = map(_swap_last_gates, params)
    return _to_torch(Wx, Wh, b, jnp.zeros_like(b))


def gru_from_torch(state_dict: Mapping[str, ArrayLike], *, layer: int = 0) -> GRUParams:
    """The parameters of one layer of PyTorch's `nn.GRU`.

    Args:
        state_dict: `weight_ih_l0 (3H, D)`, `weight_hh_l0 (3H, H)`, and, unless without biases, `bias_ih_l0 (3H,)` and
            `bias_hh_l0 (3H,)`: arrays.
        layer: whose parameters.

    Returns:
        The parameters.

    Raises:
        InputError: if a name is missing or a shape is not a GRU's.

    Example:
        >>> gru_from_torch({"weight_ih_l0": np.ones((9, 2)), "weight_hh_l0": np.ones((9, 3))}).bh.shape
        (3,)
    """
    w_ih, w_hh, b_ih, b_hh = _of_torch(state_dict, layer, 3, "GRU")
    h = w_hh.shape[1]
    return GRUParams(w_ih.T, w_hh.T, b_ih.at[: 2 * h].add(b_hh[: 2 * h]), b_hh[2 * h :])


def gru_to_torch(params: GRUParams) -> dict[str, Array]:
    """The parameters under the names and in the layout of PyTorch's `nn.GRU`.

    Args:
        params: of a GRU.

    Returns:
        `weight_ih_l0 (3H, D)`, `weight_hh_l0 (3H, H)`, `bias_ih_l0 (3H,)`, `bias_hh_l0 (3H,)`.

    Example:
        >>> params = GRUParams(jnp.ones((2, 3)), jnp.ones((1, 3)), jnp.arange(3.0), jnp.full(1, 5.0))
        >>> gru_to_torch(params)["bias_hh_l0"]
        Array([0., 0., 5.], dtype=float32)
    """
    h = params.bh.shape[0]
    return _to_torch(params.Wx, params.Wh, params.b, jnp.zeros_like(params.b).at[2 * h :].set(params.bh))


def rnn_from_flax(cell: Mapping[str, Any]) -> RecurrentParams:
    """The parameters of Flax's `nnx.SimpleCell` (not its residual form).

    Args:
        cell: `dense_i` with `kernel (D, H)` and `bias (H,)`, `dense_h` with `kernel (H, H)`.

    Returns:
        The parameters.

    Raises:
        InputError: if an entry is missing.

    Example:
        >>> cell = {"dense_i": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}, "dense_h": {"kernel": np.ones((3, 3))}}
        >>> rnn_from_flax(cell).Wx.shape
        (2, 3)
    """
    return RecurrentParams(*_of_flax(cell, "dense_i"))


def rnn_to_flax(params: RecurrentParams) -> dict[str, dict[str, Array]]:
    """The parameters under the names of Flax's `nnx.SimpleCell`.

    Args:
        params: of an RNN.

    Returns:
        `dense_i` with `kernel (D, H)` and `bias (H,)`, `dense_h` with `kernel (H, H)`.

    Example:
        >>> sorted(rnn_to_flax(RecurrentParams(jnp.ones((2, 3)), jnp.ones((3, 3)), jnp.zeros(3)))["dense_i"])
        ['bias', 'kernel']
    """
    return {"dense_i": {"kernel": params.Wx, "bias": params.b}, "dense_h": {"kernel": params.Wh}}


def lstm_from_flax(cell: Mapping[str, Any]) -> RecurrentParams:
    """The parameters of Flax's `nnx.OptimizedLSTMCell`.

    Args:
        cell: `dense_i` with `kernel (D, 4H)`, `dense_h` with `kernel (H, 4H)` and `bias (4H,)`.

    Returns:
        The parameters, the gates in the order i, f, o, g.

    Raises:
        InputError: if an entry is missing.

    Example:
        >>> h = {"kernel": np.ones((1, 4)), "bias": np.arange(4.0, dtype=np.float32)}  # i, f, g, o
        >>> lstm_from_flax({"dense_i": {"kernel": np.ones((2, 4))}, "dense_h": h}).b
        Array([0., 1., 3., 2.], dtype=float32)
    """
    return RecurrentParams(*map(_swap_last_gates, _of_flax(cell, "dense_h")))


def lstm_to_flax(params: RecurrentParams) -> dict[str, dict[str, Array]]:
    """The parameters under the names and in the layout of Flax's `nnx.OptimizedLSTMCell`.

    Args:
        params: of an LSTM.

    Returns:
        `dense_i` with `kernel (D, 4H)`, `dense_h` with `kernel (H, 4H)` and `bias (4H,)`.

    Example:
        >>> params = RecurrentParams(jnp.ones((2, 4)), jnp.ones((1, 4)), jnp.arange(4.0))
        >>> lstm_to_flax(params)["dense_h"]["bias"]  # i, f, g, o
        Array([0., 1., 3., 2.], dtype=float32)
    """
    Wx, Wh, b = map(_swap_last_gates, params)
    return {"dense_i": {"kernel": Wx}, "dense_h": {"kernel": Wh, "bias": b}}


def gru_from_flax(cell: Mapping[str, Any]) -> GRUParams:
    """The parameters of Flax's `nnx.GRUCell`.

    Args:
        cell: `dense_i` with `kernel (D, 3H)` and `bias (3H,)`, `dense_h` with `kernel (H, 3H)`.

    Returns:
        The parameters; `bh`, which Flax does not have, is zero.

    Raises:
        InputError: if an entry is missing.

    Example:
        >>> cell = {"dense_i": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}, "dense_h": {"kernel": np.ones((1, 3))}}
        >>> gru_from_flax(cell).bh
        Array([0.], dtype=float32)
    """
    Wx, Wh, b = rnn_from_flax(cell)
    return GRUParams(Wx, Wh, b, jnp.zeros(Wh.shape[0], Wh.dtype))


def gru_to_flax(params: GRUParams) -> dict[str, dict[str, Array]]:
    """The parameters under the names of Flax's `nnx.GRUCell`.

    Args:
        params: of a GRU.

    Returns:
        `dense_i` with `kernel (D, 3H)` and `bias (3H,)`, `dense_h` with `kernel (H, 3H)`.

    Raises:
        InputError: if `bh` is not zero: Flax has no such bias.

    Example:
        >>> gru_to_flax(GRUParams(jnp.ones((2, 3)), jnp.ones((1, 3)), jnp.zeros(3), jnp.ones(1)))
        Traceback (most recent call last):
        jaxvision.errors.InputError: nnx.GRUCell has no candidate bias inside the reset gate: bh must be zero
    """
    if np.any(np.asarray(params.bh)):
        raise InputError("nnx.GRUCell has no candidate bias inside the reset gate: bh must be zero")
    return rnn_to_flax(RecurrentParams(params.Wx, params.Wh, params.b))


def _of_torch(state_dict: Mapping[str, ArrayLike], layer: int, n_gates: int, kind: str) -> list[Array]:
    names = [f"{name}_l{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    for name in names[:2]:
        if name not in state_dict:
            raise InputError(f"{name} is missing: expected a layer of nn.{kind}, got {', '.join(state_dict) or 'none'}")
    w_ih, w_hh = (jnp.asarray(state_dict[name]) for name in names[:2])
    if w_hh.shape[0] != n_gates * w_hh.shape[1]:
        raise InputError(f"{names[1]} must have shape ({n_gates} H, H) in nn.{kind}, got {w_hh.shape}")
    zero = jnp.zeros(w_hh.shape[0], w_hh.dtype)
    return [w_ih, w_hh, *(jnp.asarray(state_dict[name]) if name in state_dict else zero for name in names[2:])]


def _to_torch(Wx: Array, Wh: Array, b_ih: Array, b_hh: Array) -> dict[str, Array]:
    return {"weight_ih_l0": Wx.T, "weight_hh_l0": Wh.T, "bias_ih_l0": b_ih, "bias_hh_l0": b_hh}


def _of_flax(cell: Mapping[str, Any], layer_with_bias: str) -> list[Array]:
    entries = [("dense_i", "kernel"), ("dense_h", "kernel"), (layer_with_bias, "bias")]
    for layer, name in entries:
        if name not in cell.get(layer, ()):
            raise InputError(
                f"{layer}.{name} is missing: expected the parameters of one nnx cell, got {', '.join(cell)}"
            )
    return [jnp.asarray(cell[layer][name]) for layer, name in entries]


def _swap_last_gates(v: Array) -> Array:
    """i, f, g, o to i, f, o, g, which is the same as back."""
    first, second, third, fourth = jnp.split(v, 4, axis=-1)
    return jnp.concatenate([first, second, fourth, third], axis=-1)

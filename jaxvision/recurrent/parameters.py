"""What a recurrent cell learns, as plain pytrees, and how it begins."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float, Key

from jaxvision.errors import InputError


class RecurrentParams(NamedTuple):
    """Parameters of a vanilla RNN (G = H) or an LSTM (G = 4H, the gates side by side in the order i, f, o, g).

    Attributes:
        Wx: `(D, G)`, from the input.
        Wh: `(H, G)`, from the state.
        b: `(G,)`.
    """

    Wx: Float[Array, "d g"]
    Wh: Float[Array, "h g"]
    b: Float[Array, " g"]


class GRUParams(NamedTuple):
    """Parameters of a GRU, the gates side by side in the order reset, update, candidate.

    Attributes:
        Wx: `(D, 3H)`, from the input.
        Wh: `(H, 3H)`, from the state.
        b: `(3H,)`.
        bh: `(H,)`, the candidate's second bias, inside the reset gate.
    """

    Wx: Float[Array, "d 3*h"]
    Wh: Float[Array, "h 3*h"]
    b: Float[Array, " 3*h"]
    bh: Float[Array, " h"]


def rnn_params(key: Key[Array, ""], D: int, H: int, *, dtype: DTypeLike = jnp.float32) -> RecurrentParams:
    """Parameters of a vanilla RNN to begin with: normal from the input, orthogonal from the state, zero biases.

    Args:
        key: decides the weights.
        D: size of the input.
        H: size of the state.
        dtype: of the parameters.

    Returns:
        The parameters.

    Raises:
        InputError: if a size is below 1.

    Example:
        >>> jax.tree.map(jnp.shape, rnn_params(jax.random.key(0), 3, 5))
        RecurrentParams(Wx=(3, 5), Wh=(5, 5), b=(5,))

    References:
        Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks", https://arxiv.org/abs/1312.6120, 2014: orthogonal matrices.
    """
    return RecurrentParams(*_weights(key, D, H, 1, dtype), jnp.zeros(H, dtype))


def lstm_params(
    key: Key[Array, ""], D: int, H: int, *, forget_bias: ArrayLike = 1.0, dtype: DTypeLike = jnp.float32
) -> RecurrentParams:
    """Parameters of an LSTM to begin with: normal from the input, orthogonal from the state for each gate.

    Args:
        key: decides the weights.
        D: size of the input.
        H: size of the state.
        forget_bias: of the forget gates; at 1 they begin open, so that an LSTM remembers before it has learnt to. All
            other biases are 0.
        dtype: of the parameters.

    Returns:
        The parameters.

    Raises:
        InputError: if a size is below 1.

    Example:
        >>> lstm_params(jax.random.key(0), 3, 2, forget_bias=1.0).b
        Array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)

    References:
        Jozefowicz, Zaremba and Sutskever, "An empirical exploration of recurrent network architectures", ICML 2015,
        section 3: a forget bias of 1.
    """
    Wx, Wh = _weights(key, D, H, 4, dtype)
    return RecurrentParams(Wx, Wh, jnp.zeros(4 * H, dtype).at[H : 2 * H].set(jnp.asarray(forget_bias, dtype)))


def gru_params(key: Key[Array, ""], D: int, H: int, *, dtype: DTypeLike = jnp.float32) -> GRUParams:
    """Parameters of a GRU to begin with: normal from the input, orthogonal from the state for each gate, zero biases.

    Args:
        key: decides the weights.
        D: size of the input.
        H: size of the state.
        dtype: of the parameters.

    Returns:
        The parameters.

    Raises:
        InputError: if a size is below 1.

    Example:
        >>> jax.tree.map(jnp.shape, gru_params(jax.random.key(0), 3, 5))
        GRUParams(Wx=(3, 15), Wh=(5, 15), b=(15,), bh=(5,))
    """
    return GRUParams(*_weights(key, D, H, 3, dtype), jnp.zeros(3 * H, dtype), jnp.zeros(H, dtype))


def _weights(key: Key[Array, ""], D: int, H: int, n_gates: int, dtype: DTypeLike) -> tuple[Array, Array]:
    for name, size in (("D", D), ("H", H)):
        if size < 1:
            raise InputError(f"{name} must be a size of at least 1, got {size}")
    for_input, *for_gates = jax.random.split(key, 1 + n_gates)
    orthogonal = jax.nn.initializers.orthogonal()
    drawn = jnp.float32 if jnp.dtype(dtype).itemsize < 4 else dtype  # there is no QR in half precision
    Wh = jnp.concatenate([orthogonal(k, (H, H), drawn) for k in for_gates], axis=1)  # (H, G)
    Wx = jax.random.normal(for_input, (D, n_gates * H), drawn) / jnp.sqrt(jnp.asarray(D, drawn))
    return Wx.astype(dtype), Wh.astype(dtype)

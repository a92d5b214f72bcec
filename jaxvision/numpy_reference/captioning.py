r"""The captioning network's loss: forward, and backward by hand, layer by layer.

A caption $w_1, \dots, w_{T+1}$ is taught word by word: the network reads $w_1, \dots, w_T$ and is to say
$w_2, \dots, w_{T+1}$. The image's features give the state to begin with:

$$ h_0 = F W_{proj} + b_{proj}, \quad x_t = W_{embed}[w_t], \quad h = \mathrm{RNN}(x, h_0), \quad
   s_t = h_t W_{vocab} + b_{vocab} $$

and $L$ is the masked softmax loss of $s_t$ against $w_{t+1}$, over the places where $w_{t+1}$ is a word.

**Backward.** The chain rule runs through the layers in the opposite order, each handing the derivative by its input to
the one below: scores, states, then both of what the recurrent layer reads, the words' vectors and $h_0$. That last one
is an affine map of the features: $\bar W_{proj} = F^\top \bar h_0$, $\bar b_{proj} = \sum_n \bar h_{0,n}$.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from jaxvision.errors import InputError
from jaxvision.numpy_reference.affine import temporal_affine_backward, temporal_affine_forward
from jaxvision.numpy_reference.embedding import word_embedding_backward, word_embedding_forward
from jaxvision.numpy_reference.lstm import lstm_backward, lstm_forward
from jaxvision.numpy_reference.rnn import rnn_backward, rnn_forward
from jaxvision.numpy_reference.softmax import temporal_softmax_loss


def captioning_loss(
    params: Mapping[str, np.ndarray],
    features: Float[np.ndarray, "n d"],
    captions: Int[np.ndarray, "n t"],
    *,
    cell_type: str,
    null: int = 0,
) -> tuple[np.floating, dict[str, np.ndarray]]:
    r"""The loss of captions given their images' features, and its derivative by every parameter.

    $$ L = -\frac1N \sum_{n,t} [w_{n,t+1} \ne \text{null}] \, \log p(w_{n,t+1} \mid w_{n,1}, \dots, w_{n,t}, F_n) $$

    Args:
        params: `W_embed (V, W)`, `W_proj (D, H)`, `b_proj (H,)`, `Wx (W, H)`, `Wh (H, H)`, `b (H,)`, `W_vocab (H, V)`
            and `b_vocab (V,)`; for the LSTM 4H columns in `Wx`, `Wh` and `b`, the gates in the order i, f, o, g.
        features: `(N, D)`, of the images.
        captions: `(N, T)`, words as indices in `[0, V)`.
        cell_type: "rnn" or "lstm".
        null: the word that fills short captions; it is not to be predicted.

    Returns:
        The loss, and its derivatives under the parameters' names.

    Raises:
        InputError: if `cell_type` is neither.

    Example:
        >>> shapes = {"W_embed": (5, 2), "W_proj": (4, 3), "b_proj": (3,), "Wx": (2, 3), "Wh": (3, 3), "b": (3,)}
        >>> params = {name: np.zeros(shape) for name, shape in (shapes | {"W_vocab": (3, 5), "b_vocab": (5,)}).items()}
        >>> loss, grads = captioning_loss(params, np.ones((1, 4)), np.array([[1, 3, 2, 0]]), cell_type="rnn")
        >>> bool(np.isclose(loss, 2 * np.log(5))), sorted(grads) == sorted(params)
        (True, True)

    References:
        Karpathy and Fei-Fei, "Deep visual-semantic alignments for generating image descriptions",
        https://arxiv.org/abs/1412.2306, 2015, equations 13 to 15: an image conditions the first state. Vinyals et al.,
        "Show and tell: a neural image caption generator", https://arxiv.org/abs/1411.4555, 2015, equation 10: the
        loss of an LSTM. The names and the scale are those of Stanford's CS231n, assignment 3.
    """
    cells = {"rnn": (rnn_forward, rnn_backward), "lstm": (lstm_forward, lstm_backward)}
    if cell_type not in cells:
        raise InputError(f'cell_type must be "rnn" or "lstm", got {cell_type!r}')
    forward, backward = cells[cell_type]
    read, said = captions[:, :-1], captions[:, 1:]  # (N, T-1) each

    h0 = features @ params["W_proj"] + params["b_proj"]  # (N, H)
    x, embedding_cache = word_embedding_forward(read, params["W_embed"])  # (N, T-1, W)
    h, cell_cache = forward(x, h0, params["Wx"], params["Wh"], params["b"])  # (N, T-1, H)
    scores, affine_cache = temporal_affine_forward(h, params["W_vocab"], params["b_vocab"])  # (N, T-1, V)
    loss, dscores = temporal_softmax_loss(scores, said, said != null)

    grads = {}
    dh, grads["W_vocab"], grads["b_vocab"] = temporal_affine_backward(dscores, affine_cache)
    dx, dh0, grads["Wx"], grads["Wh"], grads["b"] = backward(dh, cell_cache)
    grads["W_embed"] = word_embedding_backward(dx, embedding_cache)
    grads["W_proj"], grads["b_proj"] = features.T @ dh0, dh0.sum(axis=0)
    return loss, grads

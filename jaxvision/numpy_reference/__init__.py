"""The course's layers in NumPy, forward and hand-derived backward: text to learn from, and the tests' oracle.

Each file opens with its derivation. A forward function returns its output and a cache, a backward function takes the
derivative of the loss by that output and the cache. float32 in gives float32 out, float64 gives float64.
"""

from jaxvision.numpy_reference.affine import temporal_affine_backward, temporal_affine_forward
from jaxvision.numpy_reference.captioning import captioning_loss
from jaxvision.numpy_reference.embedding import word_embedding_backward, word_embedding_forward
from jaxvision.numpy_reference.lstm import (
    lstm_backward,
    lstm_forward,
    lstm_step_backward,
    lstm_step_forward,
    sigmoid,
)
from jaxvision.numpy_reference.rnn import rnn_backward, rnn_forward, rnn_step_backward, rnn_step_forward
from jaxvision.numpy_reference.softmax import temporal_softmax_loss

__all__ = [
    "captioning_loss",
    "lstm_backward",
    "lstm_forward",
    "lstm_step_backward",
    "lstm_step_forward",
    "rnn_backward",
    "rnn_forward",
    "rnn_step_backward",
    "rnn_step_forward",
    "sigmoid",
    "temporal_affine_backward",
    "temporal_affine_forward",
    "temporal_softmax_loss",
    "word_embedding_backward",
    "word_embedding_forward",
]

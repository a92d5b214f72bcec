"""Recurrent cells and their scans, equations only: one step, or whole sequences with masks and a fast gradient.

Soft attention, and an LSTM that attends to a grid of cells, stand beside them.

A cell is `step(params, state, x) -> state` and `sequence(params, x, state) -> (states, last state)`; parameters are
plain pytrees.
"""

from jaxvision.recurrent.attention import (
    Attended,
    AttentionParams,
    attend_to,
    attention_keys,
    attention_params,
    soft_attention,
)
from jaxvision.recurrent.attentive_lstm import attentive_lstm, attentive_lstm_step
from jaxvision.recurrent.conversion import (
    gru_from_flax,
    gru_from_torch,
    gru_to_flax,
    gru_to_torch,
    lstm_from_flax,
    lstm_from_torch,
    lstm_to_flax,
    lstm_to_torch,
    rnn_from_flax,
    rnn_from_torch,
    rnn_to_flax,
    rnn_to_torch,
)
from jaxvision.recurrent.gru import gru, gru_step
from jaxvision.recurrent.lstm import LSTMState, lstm, lstm_step
from jaxvision.recurrent.parameters import GRUParams, RecurrentParams, gru_params, lstm_params, rnn_params
from jaxvision.recurrent.rnn import rnn, rnn_step

__all__ = [
    "Attended",
    "AttentionParams",
    "GRUParams",
    "LSTMState",
    "RecurrentParams",
    "attend_to",
    "attention_keys",
    "attention_params",
    "attentive_lstm",
    "attentive_lstm_step",
    "gru",
    "gru_from_flax",
    "gru_from_torch",
    "gru_params",
    "gru_step",
    "gru_to_flax",
    "gru_to_torch",
    "lstm",
    "lstm_from_flax",
    "lstm_from_torch",
    "lstm_params",
    "lstm_step",
    "lstm_to_flax",
    "lstm_to_torch",
    "rnn",
    "rnn_from_flax",
    "rnn_from_torch",
    "rnn_params",
    "rnn_step",
    "rnn_to_flax",
    "rnn_to_torch",
    "soft_attention",
]

"""From an image to a sentence: words as integers, the captioner, the loss of a caption, and decoding.

A decoder takes any function `step(carry, tokens (N,)) -> (carry, logits (N, V))`, such as a captioner's `step`; so
does self-critical training, which learns from rewards of what was said.
"""

from jaxvision.captioning.adaptive import AdaptiveCaptioner, AdaptiveCarry, adaptive_captioner
from jaxvision.captioning.attention import (
    AttentionCaptioner,
    AttentionCarry,
    Grid,
    attention_captioner,
    attention_loss,
    doubly_stochastic,
)
from jaxvision.captioning.beam import BeamDecoded, LengthPenalty, beam_search, gnmt_length_penalty
from jaxvision.captioning.captioner import Captioner, caption_loss, captioner
from jaxvision.captioning.decoding import NEVER_CHOSEN, Decoded, greedy, log_prob
from jaxvision.captioning.dropout import drop_features, drop_words
from jaxvision.captioning.guided import misplaced_attention
from jaxvision.captioning.losses import temporal_softmax_loss
from jaxvision.captioning.made_steps import ensemble, with_min_length, without_repeats
from jaxvision.captioning.precision import InBfloat16
from jaxvision.captioning.rewards import RewardFn, caption_lengths, cider_reward
from jaxvision.captioning.sampling import sample
from jaxvision.captioning.scheduled import scheduled_sampling
from jaxvision.captioning.self_critical import Attempts, CaptionModel, attempt, policy_gradient_loss, self_critical_loss
from jaxvision.captioning.steps import OfImages
from jaxvision.captioning.top_down import TopDownCaptioner, TopDownCarry, top_down_captioner
from jaxvision.captioning.transformer import TransformerCaptioner, TransformerCarry, transformer_captioner
from jaxvision.captioning.vocabulary import END, NULL, START, UNK, Vocabulary
from jaxvision.captioning.words import word_logits_fn

__all__ = [
    "END",
    "NEVER_CHOSEN",
    "NULL",
    "START",
    "UNK",
    "AdaptiveCaptioner",
    "AdaptiveCarry",
    "Attempts",
    "AttentionCaptioner",
    "AttentionCarry",
    "BeamDecoded",
    "CaptionModel",
    "Captioner",
    "Decoded",
    "Grid",
    "InBfloat16",
    "LengthPenalty",
    "OfImages",
    "RewardFn",
    "TopDownCaptioner",
    "TopDownCarry",
    "TransformerCaptioner",
    "TransformerCarry",
    "Vocabulary",
    "adaptive_captioner",
    "attempt",
    "attention_captioner",
    "attention_loss",
    "beam_search",
    "caption_lengths",
    "caption_loss",
    "captioner",
    "cider_reward",
    "doubly_stochastic",
    "drop_features",
    "drop_words",
    "ensemble",
    "gnmt_length_penalty",
    "greedy",
    "log_prob",
    "misplaced_attention",
    "policy_gradient_loss",
    "sample",
    "scheduled_sampling",
    "self_critical_loss",
    "temporal_softmax_loss",
    "top_down_captioner",
    "transformer_captioner",
    "with_min_length",
    "without_repeats",
    "word_logits_fn",
]

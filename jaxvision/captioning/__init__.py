"""From an image to a sentence: words as integers, the captioner, the loss of a caption, and decoding.

A decoder takes any function `step(carry, tokens (N,)) -> (carry, logits (N, V))`, such as a captioner's `step`.
"""

from jaxvision.captioning.beam import BeamDecoded, beam_search
from jaxvision.captioning.captioner import Captioner, caption_loss, captioner
from jaxvision.captioning.decoding import NEVER_CHOSEN, Decoded, greedy, log_prob
from jaxvision.captioning.losses import temporal_softmax_loss
from jaxvision.captioning.sampling import sample
from jaxvision.captioning.vocabulary import END, NULL, START, UNK, Vocabulary

__all__ = [
    "END",
    "NEVER_CHOSEN",
    "NULL",
    "START",
    "UNK",
    "BeamDecoded",
    "Captioner",
    "Decoded",
    "Vocabulary",
    "beam_search",
    "caption_loss",
    "captioner",
    "greedy",
    "log_prob",
    "sample",
    "temporal_softmax_loss",
]

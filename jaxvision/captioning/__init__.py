"""From an image to a sentence: words as integers, the captioner, and the loss of a caption."""

from jaxvision.captioning.captioner import Captioner, caption_loss, captioner
from jaxvision.captioning.losses import temporal_softmax_loss
from jaxvision.captioning.vocabulary import END, NULL, START, UNK, Vocabulary

__all__ = [
    "END",
    "NULL",
    "START",
    "UNK",
    "Captioner",
    "Vocabulary",
    "caption_loss",
    "captioner",
    "temporal_softmax_loss",
]

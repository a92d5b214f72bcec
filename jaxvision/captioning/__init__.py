"""From an image to a sentence: words as integers, and the loss of a caption."""

from jaxvision.captioning.losses import temporal_softmax_loss
from jaxvision.captioning.vocabulary import END, NULL, START, UNK, Vocabulary

__all__ = ["END", "NULL", "START", "UNK", "Vocabulary", "temporal_softmax_loss"]

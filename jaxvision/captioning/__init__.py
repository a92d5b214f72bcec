"""From an image to a sentence."""

from jaxvision.captioning.vocabulary import END, NULL, START, UNK, Vocabulary

__all__ = ["END", "NULL", "START", "UNK", "Vocabulary"]

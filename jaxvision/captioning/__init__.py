"""Captioning: the loss of a caption."""

from jaxvision.captioning.losses import temporal_softmax_loss

__all__ = ["temporal_softmax_loss"]

"""How good outputs are: of captions, and of generated images."""

from jaxvision.metrics import captions, generative

__all__ = ["captions", "generative"]

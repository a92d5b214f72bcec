"""How good outputs are: of captions."""

from jaxvision.metrics import captions

__all__ = ["captions"]

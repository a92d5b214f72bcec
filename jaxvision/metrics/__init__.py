"""How good outputs are: of captions, of generated images, and of attribution maps."""

from jaxvision.metrics import captions, faithfulness, generative

__all__ = ["captions", "faithfulness", "generative"]

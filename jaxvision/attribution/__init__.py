"""Which pixels matter: saliency and, in time, its successors."""

from jaxvision.attribution.saliency import saliency_map

__all__ = ["saliency_map"]

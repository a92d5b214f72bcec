"""Which pixels matter: saliency and, in time, its successors."""

from jaxvision.attribution.saliency import saliency_map
from jaxvision.attribution.xgrad_cam import xgrad_cam

__all__ = ["saliency_map", "xgrad_cam"]

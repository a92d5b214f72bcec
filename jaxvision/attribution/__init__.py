"""Which pixels matter: saliency and its successors."""

from jaxvision.attribution.expected_gradients import expected_gradients
from jaxvision.attribution.input_x_gradient import input_x_gradient
from jaxvision.attribution.integrated import IntegratedGradients, integrated_gradients
from jaxvision.attribution.saliency import saliency_map
from jaxvision.attribution.smoothgrad import smoothgrad, vargrad
from jaxvision.attribution.xgrad_cam import xgrad_cam

__all__ = [
    "IntegratedGradients",
    "expected_gradients",
    "input_x_gradient",
    "integrated_gradients",
    "saliency_map",
    "smoothgrad",
    "vargrad",
    "xgrad_cam",
]

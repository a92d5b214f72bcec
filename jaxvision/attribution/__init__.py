"""Which pixels matter: saliency and its successors."""

from jaxvision.attribution.deconvnet import deconvnet
from jaxvision.attribution.deep_lift import DeepLift, deep_lift
from jaxvision.attribution.directional import directional_derivative, hessian_vector_product
from jaxvision.attribution.expected_gradients import expected_gradients
from jaxvision.attribution.grad_cam import grad_cam
from jaxvision.attribution.grad_cam_plus_plus import grad_cam_plus_plus
from jaxvision.attribution.guided_backprop import guided_backprop
from jaxvision.attribution.hires_cam import hires_cam
from jaxvision.attribution.input_x_gradient import input_x_gradient
from jaxvision.attribution.integrated import IntegratedGradients, integrated_gradients
from jaxvision.attribution.kernel_shap import kernel_shap
from jaxvision.attribution.layer_cam import layer_cam
from jaxvision.attribution.layer_cams import layer_cams
from jaxvision.attribution.lime import lime
from jaxvision.attribution.lrp import lrp
from jaxvision.attribution.lrp_rules import alpha_beta_rule, epsilon_rule, gamma_rule
from jaxvision.attribution.occlusion import occlusion
from jaxvision.attribution.rise import rise
from jaxvision.attribution.rules import backward_rule
from jaxvision.attribution.saliency import saliency_map
from jaxvision.attribution.scalars import scalar_logits_fn
from jaxvision.attribution.segments import SegmentAttributions, patches
from jaxvision.attribution.smoothgrad import smoothgrad, vargrad
from jaxvision.attribution.xgrad_cam import xgrad_cam

__all__ = [
    "DeepLift",
    "IntegratedGradients",
    "SegmentAttributions",
    "alpha_beta_rule",
    "backward_rule",
    "deconvnet",
    "deep_lift",
    "directional_derivative",
    "epsilon_rule",
    "expected_gradients",
    "gamma_rule",
    "grad_cam",
    "grad_cam_plus_plus",
    "guided_backprop",
    "hessian_vector_product",
    "hires_cam",
    "input_x_gradient",
    "integrated_gradients",
    "kernel_shap",
    "layer_cam",
    "layer_cams",
    "lime",
    "lrp",
    "occlusion",
    "patches",
    "rise",
    "saliency_map",
    "scalar_logits_fn",
    "smoothgrad",
    "vargrad",
    "xgrad_cam",
]

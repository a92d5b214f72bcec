"""The laws' rows of attribution."""

import jax
import numpy as np

from jaxvision.attribution import (
    deconvnet,
    deep_lift,
    directional_derivative,
    expected_gradients,
    grad_cam,
    grad_cam_plus_plus,
    guided_backprop,
    hessian_vector_product,
    hires_cam,
    input_x_gradient,
    integrated_gradients,
    kernel_shap,
    layer_cam,
    layer_cams,
    lime,
    lrp,
    occlusion,
    patches,
    rise,
    saliency_map,
    smoothgrad,
    vargrad,
    xgrad_cam,
)
from jaxvision.pixels import pytree_function
from tests.laws.setting import N_STEPS, SHAPE, Method


def run_saliency(logits_fn, images, labels, keys):
    return {"map": saliency_map(logits_fn, images, labels)}


def run_xgrad_cam(logits_fn, images, labels, keys):
    return {"map": xgrad_cam(logits_fn, images, labels)}


def run_input_x_gradient(logits_fn, images, labels, keys):
    return {"attributions": input_x_gradient(logits_fn, images, labels)}


def run_integrated_gradients(logits_fn, images, labels, keys):
    return integrated_gradients(logits_fn, images, labels, baseline=0.5, n_steps=N_STEPS)._asdict()


def run_smoothgrad(logits_fn, images, labels, keys):
    return {"gradient": smoothgrad(logits_fn, images, labels, key=keys, n_samples=N_STEPS)}


def run_vargrad(logits_fn, images, labels, keys):
    return {"variance": vargrad(logits_fn, images, labels, key=keys, n_samples=N_STEPS)}


def run_expected_gradients(logits_fn, images, labels, keys):
    baselines = np.linspace(-1, 1, 4 * np.prod(SHAPE), dtype=np.float32).reshape(4, *SHAPE)
    return {"attributions": expected_gradients(logits_fn, images, labels, baselines, key=keys, n_samples=N_STEPS)}


def run_occlusion(logits_fn, images, labels, keys):
    return {"attributions": occlusion(logits_fn, images, labels, window=3, stride=2, baseline=0.5)}


def without_rules(logits_fn, images, rules):
    return logits_fn(images)


def ruled(logits_fn):
    return jax.tree_util.Partial(without_rules, pytree_function(logits_fn))


def run_guided_backprop(logits_fn, images, labels, keys):
    return {"gradient": guided_backprop(ruled(logits_fn), images, labels)}


def run_deconvnet(logits_fn, images, labels, keys):
    return {"gradient": deconvnet(ruled(logits_fn), images, labels)}


def run_grad_cam(logits_fn, images, labels, keys):
    return {"map": grad_cam(logits_fn, images, labels)}


def run_grad_cam_plus_plus(logits_fn, images, labels, keys):
    return {"map": grad_cam_plus_plus(logits_fn, images, labels)}


def run_hires_cam(logits_fn, images, labels, keys):
    return {"map": hires_cam(logits_fn, images, labels)}


def run_layer_cam(logits_fn, images, labels, keys):
    return {"map": layer_cam(logits_fn, images, labels)}


def with_tap(logits_fn, images, taps):
    doubled = 2 * images + taps.get("doubled", 0)
    return logits_fn(doubled), {"doubled": doubled}


def run_layer_cams(logits_fn, images, labels, keys):
    tapped_fn = jax.tree_util.Partial(with_tap, pytree_function(logits_fn))
    return layer_cams(tapped_fn, images, labels, cam=hires_cam)


def run_deep_lift(logits_fn, images, labels, keys):
    return deep_lift(ruled(logits_fn), images, labels, baseline=0.5)._asdict()


def run_lrp(logits_fn, images, labels, keys):
    return {"relevance": lrp(ruled(logits_fn), images, labels)}


def run_kernel_shap(logits_fn, images, labels, keys):
    settings = {"key": keys, "n_samples": 12, "baseline": 0.5}
    return kernel_shap(logits_fn, images, labels, patches(*SHAPE[:2], 3), **settings)._asdict()


def run_lime(logits_fn, images, labels, keys):
    settings = {"key": keys, "n_samples": 12, "baseline": 0.5}
    return lime(logits_fn, images, labels, patches(*SHAPE[:2], 3), **settings)._asdict()


def run_rise(logits_fn, images, labels, keys):
    return {"map": rise(logits_fn, images, labels, key=keys, n_masks=N_STEPS, cells=3, baseline=0.5)}


def run_directional_derivative(logits_fn, images, labels, keys):
    return {"derivative": directional_derivative(logits_fn, images, labels, 1 + images**2)}


def run_hessian_vector_product(logits_fn, images, labels, keys):
    return {"product": hessian_vector_product(logits_fn, images, labels, 1 + images**2)}


METHODS = [
    Method("saliency_map", run_saliency),
    Method("xgrad_cam", run_xgrad_cam),
    Method("input_x_gradient", run_input_x_gradient),
    Method("integrated_gradients", run_integrated_gradients),
    Method("smoothgrad", run_smoothgrad, random=True),
    Method("vargrad", run_vargrad, random=True),
    Method("expected_gradients", run_expected_gradients, random=True),
    Method("occlusion", run_occlusion),
    Method("guided_backprop", run_guided_backprop),
    Method("deconvnet", run_deconvnet),
    Method("grad_cam", run_grad_cam),
    Method("grad_cam_plus_plus", run_grad_cam_plus_plus),
    Method("hires_cam", run_hires_cam),
    Method("layer_cam", run_layer_cam),
    Method("layer_cams", run_layer_cams),
    Method("deep_lift", run_deep_lift),
    Method("lrp", run_lrp),
    Method("kernel_shap", run_kernel_shap, random=True),
    Method("lime", run_lime, random=True),
    Method("rise", run_rise, random=True),
    Method("directional_derivative", run_directional_derivative),
    Method("hessian_vector_product", run_hessian_vector_product),
]

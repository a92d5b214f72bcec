"""The attribution methods that `experiments.attribution` compares, in one form: a problem in, maps out."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvision import attribution
from jaxvision.backbones import logits_fn, ruled_fn
from jaxvision.backbones.classifier import RuledModel
from jaxvision.pixels import resize

CELLS = 8  # on a side of the image: patches and cells of masks; occluded windows are two wide
N_MASKS = 500  # that an image is seen through


class Problem(NamedTuple):
    """What every method is given.

    Attributes:
        model: normalised images to logits and activations, by taps and rules; a pytree.
        images: `(N, H, W, C)`, normalised; their zeros, a mean grey, are the baseline.
        labels: `(N,)`.
        layer: of class activation maps.
        keys: `(N,)`, of methods that draw.
    """

    model: RuledModel
    images: Float[Array, "n h w c"]
    labels: Int[Array, " n"]
    layer: str
    keys: Key[Array, " n"]


Maps = Float[Array, "n h w"]
Method = Callable[[Problem], Maps]


def evidence(attributions: Float[Array, "n h w c"]) -> Maps:
    """What all channels of a pixel say for the class."""
    return jnp.sum(attributions, axis=-1)


def magnitude(attributions: Float[Array, "n h w c"]) -> Maps:
    """How much a pixel matters, for the class or against it."""
    return jnp.max(jnp.abs(attributions), axis=-1)


def _saliency(problem: Problem) -> Maps:
    return attribution.saliency_map(logits_fn(problem.model), problem.images, problem.labels)


def _smoothgrad(problem: Problem) -> Maps:
    return magnitude(attribution.smoothgrad(logits_fn(problem.model), problem.images, problem.labels, key=problem.keys))


def _vargrad(problem: Problem) -> Maps:
    return magnitude(attribution.vargrad(logits_fn(problem.model), problem.images, problem.labels, key=problem.keys))


def _input_x_gradient(problem: Problem) -> Maps:
    return evidence(attribution.input_x_gradient(logits_fn(problem.model), problem.images, problem.labels))


def _integrated_gradients(problem: Problem) -> Maps:
    return evidence(
        attribution.integrated_gradients(logits_fn(problem.model), problem.images, problem.labels).attributions
    )


def _guided_backprop(problem: Problem) -> Maps:
    return magnitude(attribution.guided_backprop(ruled_fn(problem.model), problem.images, problem.labels))


def _deconvnet(problem: Problem) -> Maps:
    return magnitude(attribution.deconvnet(ruled_fn(problem.model), problem.images, problem.labels))


def _lrp(problem: Problem) -> Maps:
    return evidence(attribution.lrp(ruled_fn(problem.model), problem.images, problem.labels))


def _deep_lift(problem: Problem) -> Maps:
    return evidence(attribution.deep_lift(ruled_fn(problem.model), problem.images, problem.labels).attributions)


def _occlusion(problem: Problem) -> Maps:
    window = tuple(max(1, 2 * side // CELLS) for side in problem.images.shape[1:3])
    stride = tuple(max(1, side // 2) for side in window)
    return evidence(
        attribution.occlusion(logits_fn(problem.model), problem.images, problem.labels, window=window, stride=stride)
    )


def _rise(problem: Problem) -> Maps:
    maps = attribution.rise(
        logits_fn(problem.model), problem.images, problem.labels, key=problem.keys, n_masks=N_MASKS, cells=CELLS
    )
    return maps - jnp.min(maps, axis=(1, 2), keepdims=True)  # probabilities all: what is lowest matters least


def _lime(problem: Problem) -> Maps:
    return attribution.lime(
        logits_fn(problem.model), problem.images, problem.labels, _patches(problem), key=problem.keys, n_samples=N_MASKS
    ).maps


def _kernel_shap(problem: Problem) -> Maps:
    return attribution.kernel_shap(
        logits_fn(problem.model), problem.images, problem.labels, _patches(problem), key=problem.keys, n_samples=N_MASKS
    ).maps


def _patches(problem: Problem) -> Int[np.ndarray, "h w"]:
    height, width = problem.images.shape[1:3]
    return attribution.patches(height, width, max(1, height // CELLS))


def _cam(method: Callable[..., Array]) -> Method:
    def maps(problem: Problem) -> Maps:
        found = attribution.layer_cams(
            problem.model, problem.images, problem.labels, layers=(problem.layer,), cam=method
        )[problem.layer]
        height, width = problem.images.shape[1:3]
        return resize(found[..., None], (height, width))[..., 0]

    return maps


MethodName = Literal[
    "saliency",
    "smoothgrad",
    "vargrad",
    "guided_backprop",
    "deconvnet",
    "input_x_gradient",
    "integrated_gradients",
    "deep_lift",
    "lrp",
    "grad_cam",
    "grad_cam_plus_plus",
    "hires_cam",
    "layer_cam",
    "xgrad_cam",
    "occlusion",
    "rise",
    "lime",
    "kernel_shap",
]

METHODS: Mapping[str, Method] = {
    "saliency": _saliency,
    "smoothgrad": _smoothgrad,
    "vargrad": _vargrad,
    "guided_backprop": _guided_backprop,
    "deconvnet": _deconvnet,
    "input_x_gradient": _input_x_gradient,
    "integrated_gradients": _integrated_gradients,
    "deep_lift": _deep_lift,
    "lrp": _lrp,
    "grad_cam": _cam(attribution.grad_cam),
    "grad_cam_plus_plus": _cam(attribution.grad_cam_plus_plus),
    "hires_cam": _cam(attribution.hires_cam),
    "layer_cam": _cam(attribution.layer_cam),
    "xgrad_cam": _cam(attribution.xgrad_cam),
    "occlusion": _occlusion,
    "rise": _rise,
    "lime": _lime,
    "kernel_shap": _kernel_shap,
}

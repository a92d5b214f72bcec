"""The pixel loop, the image operations that it and its users need, and what a classifier is to them."""

from jaxvision.pixels.baseline import check_baseline
from jaxvision.pixels.blur import gaussian_blur
from jaxvision.pixels.chunks import in_chunks
from jaxvision.pixels.classifier import Classes, check_images, check_labels, margin, pytree_function, target_logit
from jaxvision.pixels.crop import center_crop
from jaxvision.pixels.fid_images import fid_images
from jaxvision.pixels.gradient_step import normalized_gradient
from jaxvision.pixels.grid import grid
from jaxvision.pixels.jitter import Jitter, jitter
from jaxvision.pixels.keys import Keys, example_keys
from jaxvision.pixels.loop import (
    PixelProblem,
    PixelResult,
    PixelState,
    advance,
    evaluate,
    optimize,
    start,
)
from jaxvision.pixels.noise import start_from_noise
from jaxvision.pixels.normalize import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    ClipNormalized,
    clip_normalized,
    denormalize,
    normalize,
    require_floats,
)
from jaxvision.pixels.points import (
    Score,
    points_per_pass,
    scores_at_points,
    sum_over_scores,
    summing_dtype,
    target_probability,
)
from jaxvision.pixels.resize import resize
from jaxvision.pixels.settings import with_settings
from jaxvision.pixels.transforms import Chain, FrameCrop, Pad, RandomRotation, RandomScale, Transform, chain

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Chain",
    "Classes",
    "ClipNormalized",
    "FrameCrop",
    "Jitter",
    "Keys",
    "Pad",
    "PixelProblem",
    "PixelResult",
    "PixelState",
    "RandomRotation",
    "RandomScale",
    "Score",
    "Transform",
    "advance",
    "center_crop",
    "chain",
    "check_baseline",
    "check_images",
    "check_labels",
    "clip_normalized",
    "denormalize",
    "evaluate",
    "example_keys",
    "fid_images",
    "gaussian_blur",
    "grid",
    "in_chunks",
    "jitter",
    "margin",
    "normalize",
    "normalized_gradient",
    "optimize",
    "points_per_pass",
    "pytree_function",
    "require_floats",
    "resize",
    "scores_at_points",
    "start",
    "start_from_noise",
    "sum_over_scores",
    "summing_dtype",
    "target_logit",
    "target_probability",
    "with_settings",
]

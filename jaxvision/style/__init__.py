"""Content of one picture, style of another: losses, statistics and the transfer."""

from jaxvision.style.adain import adaptive_instance_norm
from jaxvision.style.central import central_distance, central_moments
from jaxvision.style.color import keep_chroma, match_color
from jaxvision.style.devices import SPACE, divide_rows, space_mesh
from jaxvision.style.feedforward import adain_loss, perceptual_loss
from jaxvision.style.gram import gram_distance, gram_matrix
from jaxvision.style.losses import content_loss, style_loss, total_variation_loss
from jaxvision.style.moments import channel_moments, moments_distance
from jaxvision.style.objective import StyleObjective, StyleTargets, style_problem, style_targets
from jaxvision.style.optimizers import adam, average, averaged, lbfgs
from jaxvision.style.published import CLAMP, Clamp, published_schedule
from jaxvision.style.sliced import channel_histogram, sliced_wasserstein
from jaxvision.style.statistic import CENTRAL, GRAM, HISTOGRAM, MOMENTS, SLICED, WASSERSTEIN, StyleStatistic
from jaxvision.style.transfer import TransferResult, at_side, rescaled, transfer
from jaxvision.style.wasserstein import bures_distance, gaussian_moments

__all__ = [
    "CENTRAL",
    "CLAMP",
    "GRAM",
    "HISTOGRAM",
    "MOMENTS",
    "SLICED",
    "SPACE",
    "WASSERSTEIN",
    "Clamp",
    "StyleObjective",
    "StyleStatistic",
    "StyleTargets",
    "TransferResult",
    "adain_loss",
    "adam",
    "adaptive_instance_norm",
    "at_side",
    "average",
    "averaged",
    "bures_distance",
    "central_distance",
    "central_moments",
    "channel_histogram",
    "channel_moments",
    "content_loss",
    "divide_rows",
    "gaussian_moments",
    "gram_distance",
    "gram_matrix",
    "keep_chroma",
    "lbfgs",
    "match_color",
    "moments_distance",
    "perceptual_loss",
    "published_schedule",
    "rescaled",
    "sliced_wasserstein",
    "space_mesh",
    "style_loss",
    "style_problem",
    "style_targets",
    "total_variation_loss",
    "transfer",
]

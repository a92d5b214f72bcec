"""How well generated images agree with real ones, by features `(N, d)` or by a classifier's logits.

Everything is computed in float64, whatever JAX's own setting.
"""

from jaxvision.metrics.generative.classes import (
    ClassifierScore,
    ModeCoverage,
    class_histogram,
    classifier_score,
    mode_coverage,
)
from jaxvision.metrics.generative.frechet import (
    FeatureGaussian,
    feature_gaussian,
    frechet_distance,
    gaussian_frechet_distance,
)
from jaxvision.metrics.generative.kernel import KernelDistance, kernel_distance, squared_mmd
from jaxvision.metrics.generative.manifolds import ManifoldScores, manifold_scores
from jaxvision.metrics.generative.neighbours import Neighbours, nearest_neighbours, squared_radii

__all__ = [
    "ClassifierScore",
    "FeatureGaussian",
    "KernelDistance",
    "ManifoldScores",
    "ModeCoverage",
    "Neighbours",
    "class_histogram",
    "classifier_score",
    "feature_gaussian",
    "frechet_distance",
    "gaussian_frechet_distance",
    "kernel_distance",
    "manifold_scores",
    "mode_coverage",
    "nearest_neighbours",
    "squared_mmd",
    "squared_radii",
]

"""Which image excites: images made for a class, a channel or a neuron, dreams, inversions and caricatures."""

from jaxvision.visualization.caricature import caricature
from jaxvision.visualization.class_visualization import (
    ClassVisualizationResult,
    ClipAndBlur,
    class_visualization,
    class_visualization_problem,
)
from jaxvision.visualization.deep_dream import deep_dream
from jaxvision.visualization.feature_visualization import (
    ROBUST,
    FeatureVisualization,
    feature_visualization,
    feature_visualization_problem,
    start_from,
)
from jaxvision.visualization.groups import alignment, diversity
from jaxvision.visualization.inversion import FeatureInversion, feature_inversion
from jaxvision.visualization.objectives import (
    Objective,
    add,
    channel,
    class_logit,
    direction,
    energy,
    likeness,
    log_probability,
    neuron,
    scale,
)
from jaxvision.visualization.parametrization import COLOR_CORRELATION, Parametrization, fourier, maco, pixel

__all__ = [
    "COLOR_CORRELATION",
    "ROBUST",
    "ClassVisualizationResult",
    "ClipAndBlur",
    "FeatureInversion",
    "FeatureVisualization",
    "Objective",
    "Parametrization",
    "add",
    "alignment",
    "caricature",
    "channel",
    "class_logit",
    "class_visualization",
    "class_visualization_problem",
    "deep_dream",
    "direction",
    "diversity",
    "energy",
    "feature_inversion",
    "feature_visualization",
    "feature_visualization_problem",
    "fourier",
    "likeness",
    "log_probability",
    "maco",
    "neuron",
    "pixel",
    "scale",
    "start_from",
]

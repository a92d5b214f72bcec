"""Which image excites: images made for a class or a neuron."""

from jaxvision.visualization.class_visualization import (
    ClassVisualizationResult,
    ClipAndBlur,
    class_visualization,
    class_visualization_problem,
)

__all__ = ["ClassVisualizationResult", "ClipAndBlur", "class_visualization", "class_visualization_problem"]

"""Where pretrained weights come from: the manifest, the download, the conversion; tensors in and out of safetensors.

Nothing here knows a network: tensors go by torchvision's parameter names, convolution kernels as (out, in, height,
width), and `jaxvision.backbones` fits them in. No pickle is opened except by `convert`, through PyTorch's restricted
reader. On the command line: `python -m jaxvision.weights list|fetch|convert`.
"""

from jaxvision.weights.class_names import imagenet_class_names
from jaxvision.weights.container import Tensors, metadata, save
from jaxvision.weights.conversion import convert
from jaxvision.weights.loading import load
from jaxvision.weights.manifest import CLASS_NAMES, WEIGHTS, PublishedWeights

__all__ = [
    "CLASS_NAMES",
    "WEIGHTS",
    "PublishedWeights",
    "Tensors",
    "convert",
    "imagenet_class_names",
    "load",
    "metadata",
    "save",
]

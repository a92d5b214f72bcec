"""Networks as functions: `model(images) -> (logits, activations)`, weights under torchvision's names.

`logits_fn(model)` is the classifier that attribution, attacks and visualization take.
"""

from jaxvision.backbones.classifier import features_fn, logits_fn, ruled_fn
from jaxvision.backbones.convolution import (
    conv2d,
    conv_blocks,
    conv_direct,
    conv_patches,
    conv_pointwise,
    conv_rows,
    relu,
)
from jaxvision.backbones.inception import InceptionV3, inception_v3_fid
from jaxvision.backbones.layers import Conv, Layered, with_recomputed_blocks, with_replicated_edges
from jaxvision.backbones.lenet import LeNet, lenet
from jaxvision.backbones.parameters import load_state_dict, state_dict
from jaxvision.backbones.pooling import max_around, max_pool, mean_around
from jaxvision.backbones.scenenet import SceneNet, scenenet
from jaxvision.backbones.squeezenet import SqueezeNet, squeezenet1_1
from jaxvision.backbones.vgg import VGG, vgg16, vgg19

__all__ = [
    "VGG",
    "Conv",
    "InceptionV3",
    "Layered",
    "LeNet",
    "SceneNet",
    "SqueezeNet",
    "conv2d",
    "conv_blocks",
    "conv_direct",
    "conv_patches",
    "conv_pointwise",
    "conv_rows",
    "features_fn",
    "inception_v3_fid",
    "lenet",
    "load_state_dict",
    "logits_fn",
    "max_around",
    "max_pool",
    "mean_around",
    "relu",
    "ruled_fn",
    "scenenet",
    "squeezenet1_1",
    "state_dict",
    "vgg16",
    "vgg19",
    "with_recomputed_blocks",
    "with_replicated_edges",
]

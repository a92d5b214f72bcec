"""What the networks look at: image files in and out, sample photographs, procedural scenes, digits, clothes, CIFAR."""

from jaxvision.data.cifar import CIFAR10_CLASS_NAMES, CIFAR10_FILE, cifar10
from jaxvision.data.cores import n_cores
from jaxvision.data.idx import read_idx
from jaxvision.data.image_paths import IMAGE_SUFFIXES, find_images
from jaxvision.data.image_writing import write_image
from jaxvision.data.images import (
    decode_image,
    read_image,
    read_images,
    read_metadata,
    resize_image,
    resized_size,
)
from jaxvision.data.mnist import (
    FASHION_MNIST_CLASS_NAMES,
    FASHION_MNIST_FILES,
    MNIST_FILES,
    fashion_mnist,
    mnist,
)
from jaxvision.data.samples import PATTERNS, SAMPLES, sample_file, samples
from jaxvision.data.scenes import (
    BACKGROUNDS,
    CAPTION_WORDS,
    CLAIM_KINDS,
    COLORS,
    MAX_OBJECTS,
    SCENE_CLASS_NAMES,
    SHAPES,
    SIZES,
    TEXTURES,
    Claim,
    Scene,
    describe,
    judge,
    largest_object,
    render_scene,
    sample_scene,
    scene_batch,
    scene_label,
    split_key,
)

__all__ = [
    "BACKGROUNDS",
    "CAPTION_WORDS",
    "CIFAR10_CLASS_NAMES",
    "CIFAR10_FILE",
    "CLAIM_KINDS",
    "COLORS",
    "FASHION_MNIST_CLASS_NAMES",
    "FASHION_MNIST_FILES",
    "IMAGE_SUFFIXES",
    "MAX_OBJECTS",
    "MNIST_FILES",
    "PATTERNS",
    "SAMPLES",
    "SCENE_CLASS_NAMES",
    "SHAPES",
    "SIZES",
    "TEXTURES",
    "Claim",
    "Scene",
    "cifar10",
    "decode_image",
    "describe",
    "fashion_mnist",
    "find_images",
    "judge",
    "largest_object",
    "mnist",
    "n_cores",
    "read_idx",
    "read_image",
    "read_images",
    "read_metadata",
    "render_scene",
    "resize_image",
    "resized_size",
    "sample_file",
    "sample_scene",
    "samples",
    "scene_batch",
    "scene_label",
    "split_key",
    "write_image",
]

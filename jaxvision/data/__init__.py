"""What the networks look at: image files in and out, sample photographs, procedural scenes, MNIST."""

from jaxvision.data.idx import read_idx
from jaxvision.data.image_paths import IMAGE_SUFFIXES, find_images
from jaxvision.data.images import read_image, read_images, read_metadata, resize_image, resized_size, write_image
from jaxvision.data.mnist import MNIST_FILES, mnist
from jaxvision.data.samples import PATTERNS, SAMPLES, sample_file, samples
from jaxvision.data.scenes import (
    BACKGROUNDS,
    CAPTION_WORDS,
    COLORS,
    MAX_OBJECTS,
    SCENE_CLASS_NAMES,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
    describe,
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
    "COLORS",
    "IMAGE_SUFFIXES",
    "MAX_OBJECTS",
    "MNIST_FILES",
    "PATTERNS",
    "SAMPLES",
    "SCENE_CLASS_NAMES",
    "SHAPES",
    "SIZES",
    "TEXTURES",
    "Scene",
    "describe",
    "find_images",
    "largest_object",
    "mnist",
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

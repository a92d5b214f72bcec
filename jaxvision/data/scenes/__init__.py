"""Procedural scenes: coloured, textured shapes in relations, rendered by a pure function of a key."""

from jaxvision.data.scenes.captions import CAPTION_WORDS, describe
from jaxvision.data.scenes.render import render_scene, scene_batch
from jaxvision.data.scenes.sample import largest_object, sample_scene, scene_label, split_key
from jaxvision.data.scenes.vocabulary import (
    BACKGROUNDS,
    COLORS,
    MAX_OBJECTS,
    SCENE_CLASS_NAMES,
    SHAPES,
    SIZES,
    TEXTURES,
    Scene,
)

__all__ = [
    "BACKGROUNDS",
    "CAPTION_WORDS",
    "COLORS",
    "MAX_OBJECTS",
    "SCENE_CLASS_NAMES",
    "SHAPES",
    "SIZES",
    "TEXTURES",
    "Scene",
    "describe",
    "largest_object",
    "render_scene",
    "sample_scene",
    "scene_batch",
    "scene_label",
    "split_key",
]

"""Procedural scenes: coloured, textured shapes in relations, rendered by a pure function of a key."""

from jaxvision.data.scenes.captions import CAPTION_WORDS, describe
from jaxvision.data.scenes.grammar import APART, ASKEW
from jaxvision.data.scenes.parts import GRID, N_SCORES, PART_SIZES, Parts, scene_parts, split_scores
from jaxvision.data.scenes.render import render_scene, scene_batch
from jaxvision.data.scenes.sample import largest_object, sample_scene, scene_label, split_key
from jaxvision.data.scenes.truth import CLAIM_KINDS, Claim, judge
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
    "APART",
    "ASKEW",
    "BACKGROUNDS",
    "CAPTION_WORDS",
    "CLAIM_KINDS",
    "COLORS",
    "GRID",
    "MAX_OBJECTS",
    "N_SCORES",
    "PART_SIZES",
    "SCENE_CLASS_NAMES",
    "SHAPES",
    "SIZES",
    "TEXTURES",
    "Claim",
    "Parts",
    "Scene",
    "describe",
    "judge",
    "largest_object",
    "render_scene",
    "sample_scene",
    "scene_batch",
    "scene_label",
    "scene_parts",
    "split_key",
    "split_scores",
]

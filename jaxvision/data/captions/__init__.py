"""Pictures with captions: the procedural scenes, COCO."""

from jaxvision.data.captions.record import CaptionedImage, CaptionedImages
from jaxvision.data.captions.scenes import CaptionedScenes, captioned_scenes

__all__ = [
    "CaptionedImage",
    "CaptionedImages",
    "CaptionedScenes",
    "captioned_scenes",
]

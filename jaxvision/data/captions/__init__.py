"""Pictures with captions: the procedural scenes, COCO, the caption data of CS231n."""

from jaxvision.data.captions.coco import CocoCaptions, coco_captions
from jaxvision.data.captions.coco_files import COCO_FILES
from jaxvision.data.captions.coco_json import CocoRecord, read_coco_json, read_karpathy_json
from jaxvision.data.captions.course import COURSE_PACK, CourseCaptions, course_captions
from jaxvision.data.captions.features import CachedFeatures, cached_features, weights_digest
from jaxvision.data.captions.record import CaptionedImage, CaptionedImages
from jaxvision.data.captions.scenes import CaptionedScenes, captioned_scenes
from jaxvision.data.captions.stream import Feeding, image_stream, measure_feeding

__all__ = [
    "COCO_FILES",
    "COURSE_PACK",
    "CachedFeatures",
    "CaptionedImage",
    "CaptionedImages",
    "CaptionedScenes",
    "CocoCaptions",
    "CocoRecord",
    "CourseCaptions",
    "Feeding",
    "cached_features",
    "captioned_scenes",
    "coco_captions",
    "course_captions",
    "image_stream",
    "measure_feeding",
    "read_coco_json",
    "read_karpathy_json",
    "weights_digest",
]

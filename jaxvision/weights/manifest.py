"""The published weights that this project knows, and what they should score."""

from dataclasses import dataclass
from pathlib import Path

from jaxvision.files import PublishedFile, home

TORCHVISION_LICENCE = "BSD-3-Clause; ImageNet's own terms: non-commercial research"


@dataclass(frozen=True)
class PublishedWeights:
    """A network's published parameters.

    Args:
        name: the network, as `jaxvision.backbones` calls it.
        file: its publisher's, a PyTorch state dict.
        top1: percent of the 50,000 ImageNet-1K validation images whose first guess is right: short side to 256 px,
            centre crop to 224 px, as torchvision reports it; None where the publisher reports none.
        top5: the same for the first five guesses.

    Example:
        >>> WEIGHTS["vgg16"].top1
        71.592
    """

    name: str
    file: PublishedFile
    top1: float | None
    top5: float | None

    @property
    def location(self) -> Path:
        """Where the converted weights are kept under the present home folder, whether they are there or not."""
        return home() / "weights" / f"{self.name}.safetensors"


def _torchvision(name: str, sha256: str, size: int, top1: float, top5: float) -> PublishedWeights:
    file_name = f"{name}-{sha256[:8]}.pth"
    file = PublishedFile(
        path=f"weights/{file_name}",
        url=f"https://download.pytorch.org/models/{file_name}",
        digest=f"sha256:{sha256}",
        size=size,
        licence=TORCHVISION_LICENCE,
        note="torchvision's IMAGENET1K_V1",
    )
    return PublishedWeights(name, file, top1, top5)


INCEPTION = PublishedFile(
    path="weights/pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    digest="sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size=95628359,
    licence="Apache-2.0; ImageNet's own terms: non-commercial research",
    note="TensorFlow's inception-2015-12-05; torch-fidelity's weights-inception-2015-12-05-6726825d.pth is the same",
)

WEIGHTS: dict[str, PublishedWeights] = {
    entry.name: entry
    for entry in (
        _torchvision(
            "squeezenet1_1", "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b", 4958839, 58.178, 80.624
        ),
        _torchvision(
            "vgg16", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", 553433881, 71.592, 90.382
        ),
        _torchvision(
            "vgg19", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", 574673361, 72.376, 90.876
        ),
        PublishedWeights("inception_v3_fid", INCEPTION, None, None),
    )
}

CLASS_NAMES = PublishedFile(
    path="imagenet/imagenet_class_index.json",
    url="https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
    digest="md5:c2c37ea517e94d9795004a39431a14cb",
    size=35363,
    licence="Apache-2.0 (Keras); names from WordNet",
    note="the publisher gives no stronger digest than MD5",
)

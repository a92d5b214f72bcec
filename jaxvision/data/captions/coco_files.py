"""COCO's files: what is published, and where they lie on this machine."""

from pathlib import Path

from jaxvision.errors import InputError
from jaxvision.files import PublishedFile, fetch, home

YEARS = (2014, 2017)

# COCO publishes no digests: sizes and SHA-256 are those that TensorFlow Datasets recorded (url_checksums/coco.txt).
_ARCHIVES = {
    "annotations/annotations_trainval2014": (
        "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
        252_872_794,
    ),
    "annotations/annotations_trainval2017": (
        "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        252_907_541,
    ),
    "zips/train2014": ("ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775", 13_510_573_713),
    "zips/val2014": ("fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0", 6_645_013_297),
    "zips/train2017": ("69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929", 19_336_861_798),
    "zips/val2017": ("4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05", 815_585_330),
}

COCO_FILES = {
    path.rpartition("/")[2]: PublishedFile(
        f"coco/{path.rpartition('/')[2]}.zip",
        f"https://s3.amazonaws.com/images.cocodataset.org/{path}.zip",
        f"sha256:{sha256}",
        size,
        "annotations CC BY 4.0, COCO Consortium; pictures under Flickr's terms of use",
    )
    for path, (sha256, size) in _ARCHIVES.items()
}
COCO_FILES["caption_datasets"] = PublishedFile(
    "coco/caption_datasets.zip",
    "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
    "sha256:4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
    36_745_453,
    "Andrej Karpathy; captions CC BY 4.0, COCO Consortium",
)


def annotation_file(part: str, *, folder: str = "coco") -> tuple[Path, str | None]:
    """Where the captions of one part lie: a JSON file, or a member of the official archive.

    Looked for as `annotations/captions_PART.json`, `captions_PART.json` and inside `annotations_trainvalYEAR.zip`; of
    the folder `coco` the archive (253 MB) is downloaded where none of them is there.

    Args:
        part: "train2014", "val2014", "train2017" or "val2017".
        folder: a folder of the home folder in COCO's layout.

    Returns:
        The JSON file and None, or the archive and its member.

    Raises:
        InputError: if none is there and none can be had.
    """
    name = f"captions_{part}.json"
    return _found(folder, (f"annotations/{name}", name), f"annotations_trainval{part[-4:]}", f"annotations/{name}")


def karpathy_file(*, folder: str = "coco") -> tuple[Path, str | None]:
    """Where the split file of Karpathy and Fei-Fei lies: `dataset_coco.json`, or in `caption_datasets.zip` (37 MB).

    Args:
        folder: a folder of the home folder in COCO's layout.

    Returns:
        The JSON file and None, or the archive and its member.

    Raises:
        InputError: if none is there and none can be had.
    """
    return _found(folder, ("dataset_coco.json",), "caption_datasets", "dataset_coco.json")


def _found(folder: str, names: tuple[str, ...], archive: str, member: str) -> tuple[Path, str | None]:
    root = home() / folder
    for name in names:
        if (root / name).is_file():
            return root / name, None
    if (root / f"{archive}.zip").is_file():
        return root / f"{archive}.zip", member
    if folder == "coco":
        return fetch(COCO_FILES[archive]), member
    raise InputError(
        f"{root} has no {names[0]}: put it there, or {archive}.zip, which is published at {COCO_FILES[archive].url}"
    )


def picture_place(part: str, *, folder: str = "coco", download: bool = False) -> Path:
    """Where the pictures of one part lie: the folder `PART`, or the official `PART.zip`.

    Args:
        part: "train2014", "val2014", "train2017" or "val2017".
        folder: a folder of the home folder in COCO's layout.
        download: download the archive where neither is there (0.8 to 19.3 GB; the size is said first). Nothing of that
            size is ever downloaded unasked.

    Returns:
        A folder or a zip file.

    Raises:
        InputError: if neither is there and downloading was not asked for, or did not work.
    """
    root, file = home() / folder, COCO_FILES[part]
    for place in (root / part, root / f"{part}.zip"):
        if place.exists():
            return place
    assert file.size is not None
    if download and folder == "coco":
        return fetch(file)
    ask = f", or ask for the download of {file.size / 1e9:.1f} GB (download_images=True)" if folder == "coco" else ""
    raise InputError(
        f"the pictures of {part} are not in {root}: put the folder {part} or {part}.zip there "
        f"(published at {file.url}){ask}"
    )

"""Pictures, folders and videos through a stylizer, one after the other."""

import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from experiments import videos
from experiments.inputs import file_name
from experiments.style_pictures import Picture
from jaxvision.data import find_images, read_image, read_metadata, resize_image, write_image
from jaxvision.errors import InputError
from jaxvision.pixels import denormalize, normalize
from jaxvision.signatures import ImagesFn
from jaxvision.stylizers import Steady, next_frame, no_frame
from jaxvision.training import Run, progress


class Styled(NamedTuple):
    """What came out.

    Attributes:
        paths: the pictures, or the video.
        n_frames: pictures or frames.
        rate: of them in a second, reading and writing included, without the first of each size, which is compiled for;
            0 where each was the first.
        complaint: what could not be read, one sentence; "" where there was nothing.
    """

    paths: tuple[Path, ...]
    n_frames: int
    rate: float
    complaint: str


def is_video(content: str) -> bool:
    """Whether a path ends as a video does.

    Example:
        >>> is_video("holiday.MP4"), is_video("holiday.jpg")
        (True, False)
    """
    return Path(content).suffix.lower() in videos.SUFFIXES and not Path(content).is_dir()


def style_images(run: Run, stylizer: ImagesFn, content: str, *, size: int | None, min_side: int) -> Styled:
    """Every picture of a file, a folder or a glob, with its EXIF block and colour profile.

    Args:
        run: where the pictures go.
        stylizer: normalised images to normalised images, a pytree.
        content: file, folder or glob.
        size: short side of the results in pixels; None for that of each picture.
        min_side: the fewest pixels a side may have.

    Returns:
        The pictures. One that cannot be read among several is left out and told of.

    Raises:
        InputError: if no picture can be read or one cannot be written.
    """
    files = find_images(content)
    alone = len(files) == 1 and not Path(content).is_dir()
    paths: list[Path] = []
    complaints: list[str] = []
    known: set[tuple[int, ...]] = set()
    seconds: list[float] = []
    with progress(len(files)) as report:
        for number, file in enumerate(files):
            begun = time.perf_counter()
            try:
                image = _sized(file, read_image(file), size, min_side)
                metadata = read_metadata(file)
            except InputError as error:
                if alone:
                    raise
                complaints.append(str(error))
                continue
            result = styled(stylizer, image)
            path = run.picture("stylised.png" if alone else file_name(number, file.stem))
            write_image(path, result, metadata=metadata)
            if image.shape in known:
                seconds.append(time.perf_counter() - begun)
            known.add(image.shape)
            paths.append(path)
            report(number + 1, {})
    if not paths:
        raise InputError(complaints[0])
    rest = "the other one is" if len(paths) == 1 else f"the other {len(paths)} are"
    others = f"; {len(complaints) - 1} more could not be read either" if len(complaints) > 1 else ""
    complaint = f"{complaints[0]}{others}; {rest} in {paths[0].parent}" if complaints else ""
    return Styled(tuple(paths), len(paths), len(seconds) / sum(seconds) if seconds else 0.0, complaint)


def styled(stylizer: ImagesFn, picture: Picture) -> Picture:
    """One picture through a stylizer."""
    return np.asarray(_image(stylizer, picture[None]))[0]


def style_video(
    run: Run, stylizer: ImagesFn, clip: videos.Clip, *, size: int | None, min_side: int, share: float
) -> Styled:
    """Every frame of a video, each begun from the one before.

    Args:
        run: where the video goes.
        stylizer: normalised images to normalised images, a pytree.
        clip: the video.
        size: short side of the result in pixels; None for that of the video.
        min_side: the fewest pixels a side may have.
        share: of what is new in still parts, see `stylizers.next_frame`.

    Returns:
        The video, with the rate, the sound and, without `size`, the size of the original; of one that is damaged, as
        much as could be read.

    Raises:
        InputError: if it is too small or has no frame that can be read.
    """
    first = _sized(clip.path, np.zeros((*clip.size, 3), np.uint8), size, min_side)
    height, width = first.shape[:2]
    path, complaint, n = run.picture("stylised.mp4"), "", 0
    state, begun = no_frame((height, width)), 0.0
    with progress(max(clip.n_frames, 1)) as report, videos.writer(path, (height, width), clip) as write:
        try:
            for frame in videos.frames(clip):
                state, shown = _frame(stylizer, state, _sized(clip.path, frame, size, min_side)[None], share)
                write(np.asarray(shown)[0])
                begun = begun or time.perf_counter()
                n += 1
                report(n, {})
        except videos.EndsEarly as error:
            complaint = str(error)
        ended = time.perf_counter()
    if not n:
        path.unlink(missing_ok=True)
        raise InputError(complaint or f"{clip.path} has no frame: give a video")
    kept = f"; what they became is in {path}" if complaint else ""
    rate = (n - 1) / (ended - begun) if n > 1 else 0.0
    return Styled((path,), n, rate, complaint + kept)


def _sized(path: Path, image: Picture, size: int | None, least: int) -> Picture:
    if size is not None and min(image.shape[:2]) != size:
        image = resize_image(image, size, crop=False)
    if min(image.shape[:2]) < least:
        raise InputError(
            f"{path} is {image.shape[1]} x {image.shape[0]} pixels: at least {least} on each side are needed, "
            "choose a larger one or a larger --size"
        )
    return image


@jax.jit
def _image(stylizer: ImagesFn, images: UInt8[Array, "n h w 3"]) -> UInt8[Array, "n h w 3"]:
    return _to_bytes(stylizer(_to_normalized(images)))


@jax.jit
def _frame(
    stylizer: ImagesFn, state: Steady, frame: UInt8[Array, "1 h w 3"], share: float
) -> tuple[Steady, UInt8[Array, "1 h w 3"]]:
    state, shown = next_frame(stylizer, state, _to_normalized(frame), share=share)
    return state, _to_bytes(shown)


def _to_normalized(images: UInt8[Array, "n h w 3"]) -> Float[Array, "n h w 3"]:
    return normalize(images.astype(jnp.float32) / 255)


def _to_bytes(images: Float[Array, "n h w 3"]) -> UInt8[Array, "n h w 3"]:
    return jnp.round(jnp.clip(denormalize(images), 0, 1) * 255).astype(jnp.uint8)

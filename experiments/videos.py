"""Videos in and out, frame by frame, by the ffmpeg that imageio-ffmpeg brings (extra `video`)."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import UInt8

from jaxvision.errors import InputError

VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".ogv",
    ".ts",
    ".3gp",
)
_MP4_SOUND = ("aac", "mp3", "ac3", "opus")  # what an MP4 file can hold as it is; other sound is encoded anew
_QUALITY = 8  # of 10: a painting's fine strokes are dear to compress


class EndsEarly(InputError):
    """A video that is cut off or damaged: the frames before that were given."""


@dataclass(frozen=True)
class Clip:
    """A video file.

    Attributes:
        path: the file.
        size: height and width of a frame in pixels, upright.
        rate: frames per second.
        n_frames: as the file says of itself; 0 where it does not.
        sound: the name of its sound's encoding, "" where there is none.
    """

    path: Path
    size: tuple[int, int]
    rate: Fraction
    n_frames: int
    sound: str


def open_clip(path: Path) -> Clip:
    """What a video file says of itself.

    Args:
        path: any file that ffmpeg reads.

    Returns:
        Size, rate and length.

    Raises:
        InputError: if imageio-ffmpeg is not installed, or the file is missing or no video.
    """
    ffmpeg = _ffmpeg()
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the path, it is looked up from {Path.cwd()}")
    try:
        reading = ffmpeg.read_frames(str(path))
        about = next(reading)
        reading.close()
        (width, height), rate = about["size"], _rate(about["fps"])
    except Exception as error:  # of what cannot be parsed imageio-ffmpeg raises nearly anything
        raise InputError(
            f"{path} is not a video that can be read: it is damaged, cut short or of another kind"
        ) from error
    return Clip(path, (height, width), rate, round(about.get("duration", 0) * rate), about.get("audio_codec") or "")


def frames(clip: Clip) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The frames one by one, upright, at a constant rate.

    Args:
        clip: of `open_clip`.

    Yields:
        `(h, w, 3)` RGB in [0, 255].

    Raises:
        EndsEarly: after the last frame that could be read, if the file is cut off or damaged.
    """
    height, width = clip.size
    words = ["-v", "error", "-i", str(clip.path), "-map", "0:v:0", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    n, complaints = 0, ""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [_ffmpeg().get_ffmpeg_exe(), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )
        assert process.stdout is not None
        try:
            while len(data := process.stdout.read(3 * height * width)) == 3 * height * width:
                n += 1
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            process.wait()
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
        log.seek(0)
        complaints = log.read(10_000).decode(errors="replace").strip()
    # A file's length is that of its longest part, so that with sound it says little of the frames.
    missing = 0 if clip.sound else clip.n_frames - n
    if complaints or missing > 2:
        told = complaints.splitlines()[0].rpartition("] ")[2] if complaints else "it says it is longer than it is"
        of = f" of {clip.n_frames}" if missing > 0 else ""
        raise EndsEarly(f"{clip.path} is damaged or cut short ({told}): {n}{of} frames could be read")


@contextmanager
def writer(path: Path, size: tuple[int, int], clip: Clip) -> Iterator[Callable[[UInt8[np.ndarray, "h w 3"]], None]]:
    """An MP4 file (H.264) at a clip's rate and with its sound, which is whole whenever the block ends.

    Args:
        path: the file to write; ends in .mp4.
        size: height and width of the frames.
        clip: whose rate and sound to take.

    Yields:
        `write(frame)`, frames `(h, w, 3)` RGB in [0, 255].

    Raises:
        InputError: if the file cannot be written.
    """
    height, width = size
    # Players want colours at half the size, which odd sizes do not have.
    colours = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
    sound = {"audio_path": str(clip.path), "audio_codec": "copy" if clip.sound in _MP4_SOUND else "aac"}
    stream = _ffmpeg().write_frames(
        str(path),
        (width, height),
        fps=float(clip.rate),
        pix_fmt_out=colours,
        macro_block_size=1,
        quality=_QUALITY,
        codec="libx264",
        ffmpeg_log_level="quiet",
        **(sound if clip.sound else {}),
    )
    stream.send(None)

    def write(frame: UInt8[np.ndarray, "h w 3"]) -> None:
        try:
            stream.send(np.ascontiguousarray(frame))
        except OSError as error:
            raise InputError(f"cannot write {path}: ffmpeg has stopped; see whether the disk is full") from error

    try:
        yield write
    finally:
        stream.close()


def _rate(told: float) -> Fraction:
    """Frames per second as a fraction: 29.97 is 30000/1001.

    Example:
        >>> _rate(23.98), _rate(25.0)
        (Fraction(24000, 1001), Fraction(25, 1))
    """
    whole = round(told)
    if abs(told - whole) > 1e-3 and abs(told - whole / 1.001) < 6e-3:
        return Fraction(whole * 1000, 1001)
    rate = Fraction(told).limit_denominator(1000)
    if rate <= 0:
        raise ValueError(f"{told} frames per second")
    return rate


def _ffmpeg() -> ModuleType:
    with suppress(ImportError):
        import imageio_ffmpeg  # noqa: PLC0415 - an extra

        return imageio_ffmpeg
    raise InputError('videos need imageio-ffmpeg, which is not installed: pip install "jaxvision[video]"')

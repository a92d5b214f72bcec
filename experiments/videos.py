"""Videos in and out, frame by frame, by the ffmpeg that imageio-ffmpeg brings (extra `video`)."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxvision.errors import InputError

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts", ".3gp")
_MP4_SOUND = ("aac", "mp3", "ac3", "opus")  # what an MP4 file can hold as it is; other sound is encoded anew
_LOSS = 12  # x264's constant rate factor, 0 to 51: strokes stay crisp


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
    program = _ffmpeg()
    if not path.is_file():
        raise InputError(f"there is no file {path}: check the path, it is looked up from {Path.cwd()}")
    # The first frame tells the size as it will come, upright; what ffmpeg says of its input tells the rest.
    words = ["-hide_banner", *_read(path), "-map", "0:v:0", "-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm", "-"]
    found = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    about = found.stderr.decode(errors="replace").partition("Stream mapping:")[0]
    size = re.match(rb"P6\s(\d+)\s(\d+)\s255\s", found.stdout)
    rate = re.search(r"Stream #.* Video: .*?([\d.]+) (?:fps|tbr)", about)
    if size is None or rate is None or float(rate[1]) <= 0:
        raise InputError(
            f"{path} is not a video that can be read: it is damaged, cut short or of another kind; get a whole copy"
        )
    length = re.search(r"Duration: (\d+):(\d+):([\d.]+)", about)
    hours, minutes, seconds = (float(part) for part in length.groups()) if length else (0.0, 0.0, 0.0)
    per_second, sound = _rate(float(rate[1])), re.search(r"Stream #.* Audio: (\w+)", about)
    n_frames = round((60 * (60 * hours + minutes) + seconds) * per_second)
    return Clip(path, (int(size[2]), int(size[1])), per_second, n_frames, sound[1] if sound else "")


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
    words = ["-v", "error", *_read(clip.path), "-map", "0:v:0", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    n, complaints = 0, ""
    with tempfile.TemporaryFile() as log:
        process = _started(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
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
def writer(path: Path, size: tuple[int, int], clip: Clip) -> Generator[Callable[[UInt8[np.ndarray, "h w 3"]], None]]:
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
    words = ["-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    words += ["-r", str(clip.rate), "-i", "-"]
    if clip.sound:
        kept = "copy" if clip.sound in _MP4_SOUND else "aac"
        words += [*_read(clip.path), "-map", "0:v:0", "-map", "1:a:0", "-c:a", kept]
    words += ["-c:v", "libx264", "-pix_fmt", colours, "-crf", str(_LOSS), str(path)]
    process = _started(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pipe = process.stdin
    assert pipe is not None
    stopped = InputError(f"cannot write {path}: ffmpeg has stopped; see whether the disk is full")

    def write(frame: UInt8[np.ndarray, "h w 3"]) -> None:
        try:
            pipe.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            raise stopped from error

    try:
        yield write
    finally:
        with suppress(OSError):  # a pipe that is broken already
            pipe.close()
        failed = process.wait()
    if failed:
        raise stopped


def _rate(told: float) -> Fraction:
    """Frames per second as a fraction: 29.97 is 30000/1001.

    Example:
        >>> _rate(23.98), _rate(25.0)
        (Fraction(24000, 1001), Fraction(25, 1))
    """
    whole = round(told)
    if abs(told - whole) > 1e-3 and abs(told - whole / 1.001) < 6e-3:
        return Fraction(whole * 1000, 1001)
    return Fraction(told).limit_denominator(1000)


def _read(path: Path) -> list[str]:
    """A file, though its name look like a flag or an address; ffmpeg itself follows no file onto the network."""
    return ["-i", f"file:{path}"]


def _started(words: list[str], **streams: Any) -> subprocess.Popen[Any]:
    """ffmpeg in a session of its own: Ctrl-C is for this process, which ends that one or lets it finish."""
    return subprocess.Popen([_ffmpeg(), *words], start_new_session=True, **streams)


def _ffmpeg() -> str:
    """The program's path."""
    with suppress(ImportError):
        from imageio_ffmpeg import get_ffmpeg_exe  # noqa: PLC0415 - an extra

        return get_ffmpeg_exe()
    raise InputError('videos need imageio-ffmpeg, which is not installed: pip install "jaxvision[video]"')

"""Videos in and out: a clip made here, cut off, and no video at all."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from experiments import videos
from jaxvision.errors import InputError


@pytest.mark.parametrize(("size", "rate"), [((48, 64), Fraction(24)), ((35, 51), Fraction(30000, 1001))])
def test_what_is_written_is_read(film, make_video, tmp_path, size, rate):
    frames = film(12, *size)
    found = videos.open_clip(make_video(tmp_path / "film.mp4", frames, rate))
    assert (found.size, found.rate, found.n_frames, found.sound) == (size, rate, 12, "")
    read = np.stack(list(videos.frames(found)))
    assert read.shape == frames.shape
    assert np.abs(read.astype(float) - frames).mean() < 6


def test_what_can_be_read_of_a_cut_video_is_given_first(cut_video):
    read, frames = [], videos.frames(videos.open_clip(cut_video))
    with pytest.raises(videos.EndsEarly, match=r"cut.mkv is damaged or cut short \(.*\): \d+ of 30 frames could be"):
        read.extend(frames)
    assert 0 < len(read) < 30


def test_no_video_is_refused(ffmpeg, tmp_path):
    (tmp_path / "letter.mp4").write_text("Dear reader, this is not a film. " * 20)
    with pytest.raises(InputError, match=r"letter.mp4 is not a video"):
        videos.open_clip(tmp_path / "letter.mp4")
    with pytest.raises(InputError, match=r"there is no file .*nowhere.mp4"):
        videos.open_clip(tmp_path / "nowhere.mp4")


def test_a_name_that_looks_like_a_flag_or_an_address_is_a_file(film, make_video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = make_video(tmp_path / "film.mp4", film(3, 48, 64))
    for name in ("-y.mp4", "concat:none.mp4"):
        Path(name).write_bytes(made.read_bytes())
        assert videos.open_clip(Path(name)).size == (48, 64)


def test_sound_is_kept(ffmpeg, film, make_video, tmp_path):
    silent = make_video(tmp_path / "silent.mp4", film(12, 48, 64))
    words = ["-v", "error", "-i", silent, "-f", "lavfi", "-i", "sine=duration=0.5", "-c:v", "copy", "-c:a", "aac"]
    subprocess.run([ffmpeg.get_ffmpeg_exe(), *words, tmp_path / "loud.mp4"], check=True)
    found = videos.open_clip(tmp_path / "loud.mp4")
    assert found.sound == "aac"
    with videos.writer(tmp_path / "copy.mp4", found.size, found) as write:
        for frame in videos.frames(found):
            write(frame)
    copy = videos.open_clip(tmp_path / "copy.mp4")
    assert copy.sound == "aac"
    assert len(list(videos.frames(copy))) == 12


def test_without_the_extra_a_sentence_names_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(InputError, match=r"jaxvision\[video\]"):
        videos.open_clip(tmp_path / "film.mp4")

"""Streams of pictures: every one once in an epoch, the same after a restart, nothing lost to a bad one."""

import json

import numpy as np
import pytest

from jaxvision.data import resize_image
from jaxvision.data.captions import captioned_scenes, coco_captions, image_stream, measure_feeding
from jaxvision.errors import InputError


def stream(source, **changes):
    return image_stream(source, **{"batch_size": 2, "size": 16, "seed": 0, "threads": 2, **changes})


@pytest.fixture
def source(small_coco):
    return coco_captions("validation", folder="small")


def test_every_picture_once_in_an_epoch_in_another_order_each(source):
    indices = np.concatenate([batch["index"] for batch in stream(source, num_epochs=2)])
    assert indices.dtype == np.int32
    assert sorted(indices[:7]) == sorted(indices[7:]) == list(range(7))
    assert list(indices[:7]) != list(indices[7:])


def test_pictures_belong_to_their_numbers(source):
    for batch in stream(source, num_epochs=1):
        assert batch["image"].dtype == np.uint8
        for image, index in zip(batch["image"], batch["index"], strict=True):
            np.testing.assert_array_equal(image, resize_image(source[int(index)].image, 16))


def check_resume(make):
    uninterrupted = make()
    batches = [next(uninterrupted) for _ in range(6)]
    stopped = make()
    for _ in range(2):
        next(stopped)
    resumed = make()
    resumed.set_state(json.loads(json.dumps(stopped.get_state())))
    for expected in batches[2:]:
        found = next(resumed)
        np.testing.assert_array_equal(found["index"], expected["index"])
        np.testing.assert_array_equal(found["image"], expected["image"])


def test_a_resumed_stream_goes_on_exactly(source):
    check_resume(lambda: stream(source))


@pytest.mark.slow
def test_processes_resume_exactly_too(source):
    check_resume(lambda: stream(source, workers=2))
    indices = np.concatenate([batch["index"] for batch in stream(source, workers=2, num_epochs=2)])
    assert len(indices) >= 12  # of 14: each process drops what fills no batch of its own
    assert np.bincount(indices).max() <= 2


def test_a_damaged_picture_is_left_out_and_named(small_coco, capsys):
    (small_coco / "val2017" / "000000000002.jpg").write_bytes(b"no picture")
    source = coco_captions("validation", folder="small")
    indices = np.concatenate([batch["index"] for batch in stream(source, num_epochs=1)])
    assert sorted(indices) == [0, 1, 3, 4, 5, 6]
    assert "Left out: 000000000002.jpg" in capsys.readouterr().err


def test_scenes_stream_too():
    source = captioned_scenes("train", 4, size=16, batch_size=4)
    batch = next(stream(source, batch_size=4))
    np.testing.assert_array_equal(batch["image"], source.images[batch["index"]])


def test_three_rates(source):
    feeding = measure_feeding(stream(source), lambda batch: batch["image"].mean(), n_batches=2)
    assert min(feeding.decoded, feeding.needed, feeding.together) > 0
    assert "the step takes" in str(feeding)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch_size": 0}, "cannot stream batches of 0"),
        ({"workers": -1}, "-1 workers"),
        ({"batch_size": 8, "num_epochs": 1}, "1 epochs of 7 pictures fill no batch of 8"),
    ],
)
def test_bad_arguments(source, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        stream(source, **changes)

"""Cached features: computed once, the same as without a cache, and nothing lost to one bad picture."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data import read_image, resize_image
from jaxvision.data.captions import cached_features, coco_captions, weights_digest
from jaxvision.errors import InputError
from tests.data.captions.conftest import jpeg

WEIGHTS = {"w": np.arange(12, dtype=np.float32).reshape(3, 4) / 12}


class Network:
    """Counts its calls and its traces."""

    def __init__(self):
        self.calls = self.traces = 0

        @jax.jit
        def apply(weights, images):
            self.traces += 1
            return jnp.tanh(images.mean((1, 2)) @ weights["w"])

        self.apply = apply

    def __call__(self, images):
        self.calls += 1
        return self.apply(WEIGHTS, images)


def features(source, network, weights=WEIGHTS, **changes):
    return cached_features(
        source, network, weights, **{"preprocessing": "none", "size": 16, "batch_size": 3, "threads": 2, **changes}
    )


@pytest.fixture
def source(small_coco):
    return coco_captions("validation", folder="small")


def test_features_are_those_of_each_picture_alone(source, small_coco):
    network = Network()
    found = features(source, network)
    assert (network.calls, network.traces) == (3, 1)
    alone = [resize_image(read_image(small_coco / "val2017" / name), 16) / 255 for name in source.names]
    expected = np.tanh(np.stack(alone).astype(np.float32).mean((1, 2)) @ WEIGHTS["w"])
    np.testing.assert_allclose(found.load(), expected, rtol=1e-5)
    np.testing.assert_allclose(np.stack(list(found)), expected, rtol=1e-5)
    assert found.names == source.names
    assert found.indices == tuple(range(7))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found))[2], found[2])


def test_a_second_call_does_not_run_the_network(source):
    first, network = features(source, Network()), Network()
    second = features(source, network, batch_size=2)  # how they are computed is not what they are
    assert (first.computed, second.computed, network.calls) == (True, False, 0)
    np.testing.assert_array_equal(first.load(), second.load())


def test_whatever_changes_the_features_changes_the_cache(source, small_coco):
    first = features(source, Network())
    others = [
        features(source, Network(), {"w": WEIGHTS["w"] + 1}),
        features(source, Network(), preprocessing="other"),
        features(source, Network(), size=8),
    ]
    (small_coco / "val2017" / source.names[0]).write_bytes(jpeg(50))
    others.append(features(coco_captions("validation", folder="small"), Network()))
    assert len({first.path, *(other.path for other in others)}) == 5
    assert all(other.computed for other in others)


def test_damaged_pictures_are_left_out_counted_and_named(source, small_coco, capsys):
    whole = features(source, Network()).load()
    (small_coco / "val2017" / source.names[3]).write_bytes(jpeg(3)[:150])
    (small_coco / "val2017" / source.names[4]).write_bytes(b"")
    found = features(coco_captions("validation", folder="small"), Network())
    assert set(found.skipped) == {source.names[3], source.names[4]}
    assert found.indices == (0, 1, 2, 5, 6)
    np.testing.assert_allclose(found.load(), whole[list(found.indices)], rtol=1e-6)
    said = capsys.readouterr().err
    assert "2 of 7 pictures were left out" in said
    assert source.names[3] in said
    again = features(coco_captions("validation", folder="small"), Network())
    assert again.skipped == found.skipped


def test_a_failure_leaves_nothing_behind(source, own_home):
    for bad, sentence in [
        (lambda images: np.ones((2, 4), np.float32), "expected one row for each image"),
        (lambda images: np.full((3, 4), np.nan, np.float32), "not finite"),
    ]:
        with pytest.raises(InputError, match=sentence):
            features(source, bad)
    assert not list((own_home / "features").iterdir())


def test_no_picture_at_all(small_coco):
    for path in (small_coco / "val2017").iterdir():
        path.write_bytes(b"none")
    with pytest.raises(InputError, match="none of the 7 pictures can be decoded"):
        features(coco_captions("validation", folder="small"), Network())


def test_a_damaged_cache_is_noticed(source):
    path = features(source, Network()).path / "features.array_record"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"are damaged: remove the folder"):
        features(source, Network())


def test_bad_arguments(source):
    with pytest.raises(InputError, match="say in words how the images are prepared"):
        features(source, Network(), preprocessing=" ")


def test_weights_digest_tells_names_shapes_types_and_values():
    one = np.zeros((2, 3), np.float32)
    others = [{"a": one}, {"b": one}, {"a": one.T}, {"a": one.astype(np.int32)}, {"a": one + 1}]
    assert len({weights_digest(other) for other in others}) == 5
    assert weights_digest({"a": jnp.asarray(one)}) == weights_digest({"a": one})

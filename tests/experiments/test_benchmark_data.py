"""The benchmark of scenes and pictures compares programs that do the same; what it measures is no test."""

import numpy as np
import pytest

from experiments import benchmark_data
from experiments.benchmark_data import drawn, images_of, programs, read, render
from experiments.benchmark_program import Setup


def test_rows_without_peers():
    rows = programs(Setup(peers=False), n_scenes=2, n_pictures=5, size=16, batch_size=2)
    prepared = {name: prepare() for name, prepare in rows.items()}
    assert [program.name for program in prepared.values()] == list(prepared)
    images, pictures = prepared.values()
    assert np.asarray(images.calls["ours"]()).shape == (2, 64, 64, 3)
    assert images.costs.operations > 2 * 64 * 64 * 3
    assert pictures.calls["ours"]() == 4  # what fills no batch is dropped
    assert pictures.costs.operations == 0


@pytest.mark.peers
def test_scenes_are_numpys_and_pytorchs():
    """All shapes, textures and backgrounds are among them; to float32's rounding."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    from experiments import peers_data

    scenes = drawn(96, seed=1)
    fields = {name: np.asarray(values) for name, values in scenes._asdict().items()}
    there = np.arange(4) < fields["n_objects"][:, None]
    assert len(np.unique(fields["shape"][there] * 4 + fields["texture"][there])) == 32
    assert len(np.unique(fields["background"])) == 4
    ours = np.asarray(images_of(scenes, size=24))
    np.testing.assert_allclose(peers_data.rendered(fields, 24), ours, atol=2e-4)
    np.testing.assert_allclose(peers_data.rendered_in_torch(fields, 24)(), ours, atol=2e-4)


@pytest.mark.peers
def test_another_picture_is_noticed(monkeypatch):
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    from experiments import peers_data

    shapes = list(peers_data.SHAPES)
    monkeypatch.setattr(peers_data, "SHAPES", shapes[::-1])
    with pytest.raises(FloatingPointError, match="differ by"):
        render(8, Setup(), size=16)


@pytest.mark.peers
def test_pictures_are_a_data_loaders(monkeypatch):
    """And others are noticed."""
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    program = read(6, Setup(), size=16, batch_size=3, workers=(0,))
    assert set(program.calls) == {"ours", "DataLoader, 0 processes"}
    assert all(call() == 6 for call in program.calls.values())
    monkeypatch.setattr(benchmark_data, "read_image", lambda path: np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(FloatingPointError, match="differ by"):
        read(6, Setup(), size=16, batch_size=3, workers=(0,))


@pytest.mark.slow
@pytest.mark.peers
def test_pictures_are_those_of_other_processes():
    pytest.importorskip("torch", reason="extra `peers`: PyTorch is not installed")
    program = read(6, Setup(), size=16, batch_size=3, workers=(1,))
    assert all(call() == 6 for call in program.calls.values())

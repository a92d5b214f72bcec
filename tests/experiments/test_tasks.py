import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import tasks
from experiments.tasks import HELD_OUT_BATCH, distort
from jaxvision.data import SCENE_CLASS_NAMES

STILL = {"shift": 0.0, "turn": 0.0, "scale": 0.0, "shear": 0.0}


def blob(size=28, width=4.0):
    """A round spot in the middle: turning does not change it."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return jnp.asarray(np.exp(-(x**2 + y**2) / (2 * width**2)), jnp.float32)[None, :, :, None]


def center(image):
    weights = np.asarray(image[..., 0])
    return np.array(
        [(weights * axis).sum() / weights.sum() for axis in np.mgrid[: weights.shape[0], : weights.shape[1]]]
    )


def test_turning_leaves_what_is_round():
    np.testing.assert_allclose(distort(blob(), jax.random.key(0), **(STILL | {"turn": 1.0})), blob(), atol=0.02)


def test_shift_moves_the_centre_of_mass_within_its_bounds():
    spots = jnp.repeat(blob(width=2.0), 40, axis=0)
    moved = distort(spots, jax.random.key(0), **(STILL | {"shift": 3.0}))
    offsets = np.stack([center(image) - 13.5 for image in moved])
    assert np.all(np.abs(offsets) < 3.01)
    assert np.all(np.abs(offsets).max(0) > 2)  # both axes use their range
    assert np.all(np.abs(offsets.mean(0)) < 1)


def test_scale_changes_the_area():
    spots = jnp.repeat(blob(width=2.0), 40, axis=0)
    areas = distort(spots, jax.random.key(0), **(STILL | {"scale": 0.2})).sum((1, 2, 3)) / spots.sum((1, 2, 3))
    assert 1 / 1.2**2 - 0.01 < float(areas.min()) < 0.9
    assert 1.15 < float(areas.max()) < 1 / 0.8**2 + 0.01


def test_an_image_does_not_depend_on_its_neighbours():
    images = jax.random.uniform(jax.random.key(1), (5, 9, 9, 1))
    np.testing.assert_array_equal(distort(images, jax.random.key(0))[:2], distort(images[:2], jax.random.key(0)))


@pytest.mark.slow
def test_scenes_are_new_at_every_step_and_held_out_ones_do_not_depend_on_the_seed():
    first, other = tasks.scenes(2, 0), tasks.scenes(2, 1)
    assert first.class_names == SCENE_CLASS_NAMES
    train, held_out = jax.jit(lambda task, step: task(step)), jax.jit(lambda task, index: task(index))
    batches = [np.asarray(train(task.train, jnp.int32(step))[0]) for task in (first, other) for step in (0, 1)]
    assert batches[0].shape == (2, 64, 64, 3)
    for a in range(4):
        for b in range(a):
            assert np.abs(batches[a] - batches[b]).mean() > 0.01
    exams = [held_out(task.held_out, jnp.int32(0)) for task in (first, other)]
    assert exams[0][0].shape == (HELD_OUT_BATCH, 64, 64, 3)
    np.testing.assert_array_equal(exams[0][0], exams[1][0])


@pytest.fixture
def digits(needs):
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        needs(f"mnist/{name}")
    return tasks.digits(100, 0)


def test_digits_are_balanced_bright_on_black(digits):
    images, labels = jax.jit(digits.train)(jnp.int32(0))
    assert images.shape == (100, 28, 28, 1)
    assert float(images.min()) == 0.0
    assert 0.9 < float(images.max()) <= 1.0
    assert 0.05 < float(images.mean()) < 0.25
    _, counts = np.unique(np.concatenate([digits.held_out(jnp.int32(i))[1] for i in range(100)]), return_counts=True)
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # of the published test set
    assert len(np.unique(labels)) == 10

"""Which checkpoints stay: the newest, and the best of all."""

import math

import jax
import jax.numpy as jnp
import optax
import pytest

from jaxvision.errors import InputError
from jaxvision.training import checkpoints, fit, gradient_step, new_run, start

OPTIMIZER = optax.sgd(0.1)


def save(folder, step):
    return checkpoints.save(folder, {"w": jnp.full(2, float(step))}, step=step)


def test_the_best_outlives_newer_ones(tmp_path):
    scores = [0.1, 0.9, 0.3, 0.9, 0.2, math.nan, math.inf, 0.4]
    ranked = [checkpoints.keep_best(save(tmp_path, step), score) for step, score in enumerate(scores, 1)]
    assert ranked == [True, True, False, False, False, False, False, False]
    assert [path.name[-1] for path in checkpoints.found(tmp_path)] == ["8", "7", "6", "2"]
    found = checkpoints.best(tmp_path)
    assert found == (tmp_path / "step-00000002", 0.9)
    assert checkpoints.load(found.path, {"w": jnp.zeros(2)})["w"].tolist() == [2.0, 2.0]
    assert checkpoints.keep_best(save(tmp_path, 9), 0.91)
    assert [path.name[-1] for path in checkpoints.found(tmp_path)] == ["9", "8", "7", "2"]
    save(tmp_path, 10)
    assert [path.name[-2:] for path in checkpoints.found(tmp_path)] == ["10", "09", "08"]


def test_nothing_was_ranked_or_it_is_gone(tmp_path):
    assert checkpoints.best(tmp_path / "nowhere") is None
    path = save(tmp_path, 1)
    assert checkpoints.best(tmp_path) is None
    checkpoints.keep_best(path, 5.0)
    path.rename(tmp_path / "elsewhere")
    assert checkpoints.best(tmp_path) is None
    assert checkpoints.keep_best(save(tmp_path, 2), 1.0)


def test_the_best_step_done_again_is_the_best(tmp_path):
    for step, score in [(1, 0.2), (2, 0.9), (3, 0.4)]:
        checkpoints.keep_best(save(tmp_path, step), score)
    again = save(tmp_path, 2)
    assert again.name == "step-00000002-1"
    assert checkpoints.keep_best(again, 0.9)
    assert checkpoints.best(tmp_path).path == again
    assert not checkpoints.keep_best(save(tmp_path, 4), 0.9)
    with pytest.raises(InputError, match="step-00000009 is not there to be kept"):
        checkpoints.keep_best(tmp_path / "step-00000009", 2.0)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"checkpoint": "step-1"}', '{"checkpoint": "../x", "score": 1}', '{"checkpoint": 3, "score": 1}'],
)
def test_another_file_of_that_name_is_told(tmp_path, text):
    (tmp_path / "best.json").write_text(text)
    with pytest.raises(InputError, match=r"best\.json"):
        checkpoints.best(tmp_path)


def trained(folder, *, after_checkpoint=None, n_steps=60, **settings):
    step_fn = gradient_step(lambda model, batch, key: (jnp.sum((model["w"] - batch) ** 2), {}), OPTIMIZER)
    state = start({"w": jnp.zeros(3)}, OPTIMIZER, key=jax.random.key(0))
    with new_run("ranked", {}, run_dir=folder) as run:
        return fit(
            step_fn,
            state,
            lambda step: jnp.sin(step.astype(jnp.float32)) + jnp.arange(3.0),
            n_steps=n_steps,
            steps_per_dispatch=5,
            run=run,
            checkpoint_every=10,
            after_checkpoint=after_checkpoint,
            **settings,
        )


@pytest.mark.parametrize("behind", [False, True])
def test_a_training_keeps_what_its_look_liked_best(tmp_path, behind):
    trained(tmp_path / "run", after_checkpoint=lambda state: -abs(int(state.step) - 21.0), async_checkpoints=behind)
    found = checkpoints.best(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert (found.path.name, found.score) == ("step-00000020", -1.0)
    names = [path.name[-2:] for path in checkpoints.found(tmp_path / "run" / "checkpoints")]
    assert names == ["60", "50", "40", "20"]


def test_written_behind_are_the_same_checkpoints(tmp_path, bits):
    ends = [trained(tmp_path / name, async_checkpoints=name == "behind") for name in ("at once", "behind")]
    assert bits(ends[0]) == bits(ends[1])
    kept = [checkpoints.found(tmp_path / name / "checkpoints") for name in ("at once", "behind")]
    assert [path.name for path in kept[0]] == [path.name for path in kept[1]]
    assert len(kept[0]) == 3
    for first, second in zip(*kept, strict=True):
        assert bits(checkpoints.load(first, ends[0])) == bits(checkpoints.load(second, ends[0]))


def without_room_at(step, monkeypatch):
    """From now on the checkpoint of that step finds the disk full."""
    save = checkpoints.save

    def saved(directory, state, **settings):
        if int(state.step) == step:
            raise InputError(f"{directory} cannot be written: the disk is full")
        return save(directory, state, **settings)

    monkeypatch.setattr(checkpoints, "save", saved)


def test_what_goes_wrong_behind_is_said_at_the_next_checkpoint(tmp_path, monkeypatch):
    without_room_at(30, monkeypatch)
    with pytest.raises(InputError, match="the disk is full"):
        trained(tmp_path / "run", async_checkpoints=True)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 40
    assert checkpoints.latest(tmp_path / "run" / "checkpoints").path.name == "step-00000020"


def test_what_goes_wrong_behind_is_not_lost_where_the_training_fails_too(tmp_path, monkeypatch, capsys):
    def fail(state):
        if int(state.step) == 20:
            raise RuntimeError("another fault")

    without_room_at(20, monkeypatch)
    with pytest.raises(RuntimeError, match="another fault"):
        trained(tmp_path / "run", after_checkpoint=fail, async_checkpoints=True)
    assert "the disk is full" in capsys.readouterr().err

"""The encoder's training: its loss in closed form, resume to the same bits, its card."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import runs, train_encoder
from experiments.command import command
from experiments.train_encoder import Config, parts_loss
from jaxvision.backbones import scenenet
from jaxvision.data import sample_scene
from jaxvision.data.scenes import N_SCORES, scene_parts


@pytest.fixture(scope="module")
def parts():
    """What stands where in six scenes."""
    keys = jax.random.split(jax.random.key(0), 6)
    return jax.jit(jax.vmap(lambda key: scene_parts(sample_scene(key))))(keys)  # quicker than op by op


def loss_of(scores, parts):
    """Of a network that gives these scores."""
    return parts_loss(lambda images: (scores, {}), (jnp.zeros((6, 64, 64, 3)), parts), jax.random.key(0))


def test_the_loss_of_knowing_nothing(parts):
    loss, metrics = loss_of(jnp.zeros((6, 8, 8, N_SCORES)), parts)
    n_objects = float(parts.there.sum()) / 6
    of_object = 2 * np.log(8) + np.log(4) + np.log(2)
    np.testing.assert_allclose(loss, 64 * np.log(2) + n_objects * of_object + np.log(4), rtol=1e-5)
    assert 0 <= float(metrics["right"]) <= 1


def test_the_loss_of_knowing_everything(parts):
    sure = [jnp.where(parts.there, 50.0, -50.0)[..., None]]
    sure += [50 * jax.nn.one_hot(parts.of_object[..., i], n) for i, n in enumerate((8, 8, 4, 2))]
    sure += [jnp.broadcast_to(50 * jax.nn.one_hot(parts.background, 4)[:, None, None], (6, 8, 8, 4))]
    loss, metrics = loss_of(jnp.concatenate(sure, axis=-1), parts)
    assert float(loss) < 1e-6
    assert float(metrics["right"]) == 1


@pytest.mark.slow
def test_it_learns_and_resumes_to_the_same_bits(tmp_path, monkeypatch):
    few = {"steps": 6, "batch_size": 4, "n_held_out": 100, "checkpoint_every": 3}
    whole = train_encoder.main(Config(**few, run_dir=tmp_path / "whole", export=tmp_path / "whole.safetensors"))

    def stops(*args, **settings):
        fit(*args, **(settings | {"n_steps": 3}))
        raise KeyboardInterrupt

    fit = runs.fit
    monkeypatch.setattr(runs, "fit", stops)
    with pytest.raises(KeyboardInterrupt):
        train_encoder.main(Config(**few, run_dir=tmp_path / "two"))
    monkeypatch.setattr(runs, "fit", fit)
    again = train_encoder.main(
        Config(**few, run_dir=tmp_path / "two", resume=True, export=tmp_path / "two.safetensors")
    )
    assert (tmp_path / "whole.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert again.shape == whole.shape
    assert "AdamW" in (tmp_path / "two.md").read_text("utf-8")
    losses = [json.loads(line)["loss"] for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    assert scenenet(tmp_path / "two.safetensors")(jnp.zeros((1, 64, 64, 3)))[0].shape == (1, 8, 8, N_SCORES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--steps", "0"), "--steps must be above 0, got 0"),
        (("--n-held-out", "150"), "--n-held-out must be a multiple of 100, got 150"),
    ],
)
def test_bad_settings(refused, words, sentence):
    assert refused(train_encoder, *words) == [sentence]


def test_help(capsys):
    with pytest.raises(SystemExit):
        command(train_encoder.main, Config, args=["--help"])
    assert "what stands where" in capsys.readouterr().out

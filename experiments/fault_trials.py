"""Small trainings of the three kinds, on scenes, for `experiments.faults` to break: seconds long, nothing is judged."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import PartitionSpec
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from experiments import meshes, optimizers, runs
from experiments.meshes import DIVIDED
from jaxvision import gan
from jaxvision.backbones import lenet
from jaxvision.captioning import Vocabulary, caption_loss, captioner
from jaxvision.data.captions import captioned_scenes
from jaxvision.data.scenes import CAPTION_WORDS
from jaxvision.training import classification_loss, gradient_step, shuffled, start

N_SCENES, LENGTH = 64, 24


@dataclass(frozen=True)
class Config:
    """The settings of one trial."""

    kind: Literal["captioner", "gan", "classifier"]
    scenes: Path
    steps: int
    checkpoint_every: int
    steps_per_dispatch: int
    learning_rate: float = 1e-3
    seed: int = 0
    mesh: str | None = None
    hosts: str | None = None
    run_dir: Path | None = None
    resume: bool = False
    async_checkpoints: bool = False


def write_scenes(file: Path) -> None:
    """Renders the scenes that all trials learn, which would take each process seconds."""
    scenes = captioned_scenes("train", N_SCENES, size=28)
    words = Vocabulary.build([[word] for word in CAPTION_WORDS])
    tokens = words.encode([five[0].split() for five in scenes.captions], LENGTH)
    np.savez(file, images=scenes.images, tokens=tokens, n_words=len(words))


@dataclass(frozen=True)
class Result:
    """Where it is."""

    run_dir: Path


def main(config: Config) -> Result:
    """Trains, with checkpoints; what came out is the last one."""
    state, step_fn, batch_fn = {"captioner": _captioner, "gan": _gan, "classifier": _classifier}[config.kind](config)
    with runs.open_run(config.kind, config) as run:
        runs.trained(
            config,
            run,
            state,
            step_fn,
            batch_fn,
            n_steps=config.steps,
            steps_per_dispatch=config.steps_per_dispatch,
            layout=meshes.layout(config, PartitionSpec(None, "data") if config.kind == "gan" else DIVIDED),
        )
        run.finish({"steps": config.steps})
    return Result(run.path)


def _captioner(config: Config) -> tuple[Any, Callable[..., Any], Any]:
    """An LSTM that reads scenes as 7 x 7 pixels."""
    scenes = np.load(config.scenes)
    features = (scenes["images"][:, ::4, ::4].reshape(N_SCENES, -1) / 255).astype(np.float32)
    width, n_words = features.shape[1], int(scenes["n_words"])
    key, optimizer = jax.random.key(config.seed), optax.adam(config.learning_rate)
    model = captioner(key, feature_size=width, vocabulary_size=n_words, embed_size=32, hidden_size=64)

    def loss_fn(model: Any, batch: tuple[Array, Array], key: Any) -> tuple[Array, dict[str, Array]]:
        return caption_loss(model, *batch), {}

    batch_fn = Partial(partial(_rows, batch_size=16), (jnp.asarray(features), jnp.asarray(scenes["tokens"])), key)
    return start(model, optimizer, key=key), gradient_step(loss_fn, optimizer), batch_fn


def _gan(config: Config) -> tuple[Any, Callable[..., Any], Any]:
    """The assignment's fully connected pair."""
    keys = jax.random.split(jax.random.key(config.seed), 3)
    both = gan.Optimizers(optax.adam(config.learning_rate), optax.adam(config.learning_rate))
    latent_fn = partial(gan.uniform_latents, dim=16)
    state = gan.start_gan(gan.mlp_generator(16, key=keys[0]), gan.mlp_critic(key=keys[1]), both, key=keys[2])

    def batch_fn(images: Array, step: Int[Array, ""]) -> tuple[Array]:
        (batch,) = _rows((images,), keys[2], step, batch_size=8)
        return (2 * batch[None] - 1,)

    return state, gan.alternating_step(gan.LEAST_SQUARES, both, latent_fn), Partial(batch_fn, _grey(config))


def _classifier(config: Config) -> tuple[Any, Callable[..., Any], Any]:
    """LeNet, with the optimiser of `experiments.train_classifier`; which scene is it?"""
    rate = optimizers.warm_cosine(config.learning_rate, config.steps, 0.05)
    optimizer, key = optimizers.adamw(rate, weight_decay=1e-4, clip=1.0), jax.random.key(config.seed)
    state = start(lenet(num_classes=N_SCENES, key=key), optimizer, key=key)
    batch_fn = Partial(partial(_rows, batch_size=16), (_grey(config), jnp.arange(N_SCENES, dtype=jnp.int32)), key)
    return state, gradient_step(classification_loss, optimizer), batch_fn


def _rows(arrays: tuple[Array, ...], key: Any, step: Int[Array, ""], *, batch_size: int) -> tuple[Array, ...]:
    rows = shuffled(key, step, batch_size=batch_size, n_examples=N_SCENES)
    return tuple(array[rows] for array in arrays)


def _grey(config: Config) -> Float[Array, "n 28 28 1"]:
    images = np.load(config.scenes)["images"]
    return jnp.asarray(images.astype(np.float32).mean(axis=-1, keepdims=True) / 255)

"""Training on attacked images, and the accuracy under attack, of pictures in [0, 1] that a network sees prepared."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from experiments import tasks
from jaxvision.adversarial import pgd
from jaxvision.backbones import logits_fn
from jaxvision.signatures import ImagesFn
from jaxvision.training import adversarial_loss, classification_loss
from jaxvision.training.loop import Metrics

AttackedBatch = tuple[Float[Array, "n h w c"], Int[Array, " n"], Float[Array, ""]]
"""Images, labels, and by how much a value may be changed."""

STEPS = {"fast": 1, "pgd": 7}  # of a training batch's attack
LENGTHS = {"fast": 1.25, "pgd": 2.5}  # of all steps together, in eps
RISE = 0.5  # share of the training in which eps grows: from untrained weights, MNIST at 0.3 is not learned at once
MOST_IMAGES, N_STEPS = 1000, 40  # of the score


def batches(settings: Any, train: Callable[[Array], tasks.Batch]) -> Callable[[Array], AttackedBatch]:
    """Batches to train on, each with the budget of its step: eps grows in the first half of the training.

    Args:
        settings: with `eps` and `steps`.
        train: a pytree, `index -> (images, labels)`.
    """
    return Partial(partial(_with_budget, settings.eps, RISE * settings.steps), train)


def loss(settings: Any, prepare: ImagesFn) -> Callable[[Any, AttackedBatch, Array], tuple[Array, Metrics]]:
    """Cross-entropy of pictures that the network's present weights are most wrong about.

    Args:
        settings: with `adversarial`.
        prepare: pictures in [0, 1] to what the network reads.
    """
    n_steps, kind = STEPS[settings.adversarial], settings.adversarial

    def attacked_loss(model: Any, batch: AttackedBatch, key: Array) -> tuple[Array, Metrics]:
        images, labels, eps = batch
        attack = partial(pgd, eps=eps, step_size=LENGTHS[kind] * eps / n_steps, n_steps=n_steps, keep_best=False)
        seeing = Partial(partial(_seeing, prepare), model)
        return adversarial_loss(classification_loss, attack)(seeing, (images, labels), key)

    return attacked_loss


def accuracy(settings: Any, prepare: ImagesFn, model: Any, task: tasks.Task) -> float:
    """Share of held-out pictures that stay right under PGD.

    Args:
        settings: with `eps`, `seed` and `n_held_out`.
        prepare: pictures in [0, 1] to what the network reads.
        model: to logits and activations.
        task: what was learned.
    """
    seeing = logits_fn(Partial(partial(_seeing, prepare), model))
    n_batches = n_images(settings) // tasks.HELD_OUT_BATCH
    key = jax.random.key(settings.seed)
    stays = [
        1 - jnp.mean(pgd(seeing, *task.held_out(jnp.int32(i)), eps=settings.eps, n_steps=N_STEPS, key=key).success)
        for i in range(n_batches)
    ]
    return float(jnp.mean(jnp.stack(stays)))


def n_images(settings: Any) -> int:
    """How many of the held-out pictures are attacked."""
    return min(MOST_IMAGES, settings.n_held_out)


def _with_budget(eps: float, n_rise: float, train: Callable[[Array], tasks.Batch], index: Array) -> AttackedBatch:
    images, labels = train(index)
    return images, labels, eps * jnp.minimum(1.0, index.astype(jnp.float32) / n_rise)


def _seeing(prepare: ImagesFn, model: Any, images: Float[Array, "n h w c"]) -> tuple[Array, Any]:
    return model(prepare(images))

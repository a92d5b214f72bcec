"""Training on attacked images, and the accuracy under attack, of pictures in [0, 1] that a network sees prepared."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from experiments import tasks
from jaxvision.adversarial import pgd
from jaxvision.backbones import logits_fn
from jaxvision.signatures import ImagesFn
from jaxvision.training import adversarial_loss, classification_loss
from jaxvision.training.adversarial import LossFn

STEPS = {"fast": 1, "pgd": 10}  # of a training batch's attack
LENGTHS = {"fast": 1.25, "pgd": 2.5}  # of all steps together, in eps
MOST_IMAGES, N_STEPS = 1000, 40  # of the score


def loss(settings: Any, prepare: ImagesFn) -> LossFn:
    """Cross-entropy of pictures that the network's present weights are most wrong about.

    Args:
        settings: with `adversarial` and `eps`.
        prepare: pictures in [0, 1] to what the network reads.
    """
    n_steps, kind = STEPS[settings.adversarial], settings.adversarial
    step_size = LENGTHS[kind] * settings.eps / n_steps
    attack = partial(pgd, eps=settings.eps, step_size=step_size, n_steps=n_steps, keep_best=False)
    of_pictures = adversarial_loss(classification_loss, attack)
    return lambda model, batch, key: of_pictures(Partial(partial(_seeing, prepare), model), batch, key)


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


def _seeing(prepare: ImagesFn, model: Any, images: Float[Array, "n h w c"]) -> tuple[Array, Any]:
    return model(prepare(images))

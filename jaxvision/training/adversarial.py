"""Adversarial training: a loss on images that are attacked first, by the very network that learns."""

from collections.abc import Callable
from typing import Any

import jax
from jax.tree_util import Partial
from jaxtyping import Array

from jaxvision.adversarial import AttackResult
from jaxvision.training.classification import Batch
from jaxvision.training.loop import Metrics

LossFn = Callable[[Any, Batch, Array], tuple[Array, Metrics]]
"""A loss for `gradient_step`: `(model, batch, key) -> (loss, metrics)`."""

Attack = Callable[..., AttackResult]
"""`(logits_fn, images, labels, *, key) -> result`, such as `functools.partial(pgd, eps=0.3)`."""

OF_THE_LOSS = 2**32 - 1  # folded into the key; an attack folds in the numbers of images, which begin at 0


def adversarial_loss(loss_fn: LossFn, attack: Attack) -> LossFn:
    r"""The same loss, on images that the model's present weights are most wrong about.

    $$ \min_\theta\, \mathbb{E} \max_{\lVert \delta \rVert \le \epsilon} L(\theta, x + \delta, y) $$

    The inner maximum is an attack's; no derivative passes it, which by Danskin's theorem is right where the attack has
    found the maximum. It is drawn anew for each step, and is part of the compiled step. Two attacks of the literature:

    - Madry's, on digits: `partial(pgd, eps=0.3, step_size=0.01, n_steps=40, keep_best=False)`.
    - "fast", one step from a random start: `partial(pgd, eps=0.3, step_size=1.25 * 0.3, n_steps=1, keep_best=False)`.

    Args:
        loss_fn: `(model, (images, labels), key) -> (loss, metrics)`, such as `classification_loss`; the model is a
            callable pytree, `images -> (logits, activations)`.
        attack: `(logits_fn, images, labels, *, key) -> result` with `result.images`: `pgd`, `apgd` or another attack of
            this project, with its settings bound by `functools.partial`.

    Returns:
        A loss for `gradient_step`; its metrics, the accuracy for one, are those of the attacked batch.

    Example:
        >>> from functools import partial
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxvision.adversarial import pgd
        >>> from jaxvision.training import classification_loss
        >>> model = Partial(lambda images: (images[:, 0, :, 0], {}))  # two pixels, two classes
        >>> batch = jnp.array([0.6, 0.4]).reshape(1, 1, 2, 1), jnp.array([0])
        >>> attack = partial(pgd, eps=0.3, step_size=0.4, n_steps=2, keep_best=False)
        >>> loss, metrics = adversarial_loss(classification_loss, attack)(model, batch, jax.random.key(0))
        >>> bool(jnp.isclose(loss, jnp.log(1 + jnp.exp(0.4)))), metrics["accuracy"]  # of 0.3 and 0.7
        (True, Array(0., dtype=float32))

    References:
        Madry et al., "Towards deep learning models resistant to adversarial attacks",
        https://arxiv.org/abs/1706.06083, 2017, equation 2.1 and section 5. Wong, Rice and Kolter, "Fast is better than
        free: revisiting adversarial training", https://arxiv.org/abs/2001.03994, 2020, algorithm 3. Departure: the
        start is brought within the bounds as well.
    """

    def attacked_loss(model: Any, batch: Batch, key: Array) -> tuple[Array, Metrics]:
        images, labels = batch
        attacked = attack(Partial(_logits, model), images, labels, key=key).images
        return loss_fn(model, (attacked, labels), jax.random.fold_in(key, OF_THE_LOSS))

    return attacked_loss


def _logits(model: Any, images: Array) -> Array:
    logits, _ = model(images)
    return logits

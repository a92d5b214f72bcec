"""Loss and score of a classifier."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

Batch = tuple[Float[Array, "n h w c"], Int[Array, " n"]]


def classification_loss(
    model: Any, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    r"""Cross-entropy of a classifier, averaged over the batch; a `loss_fn` for `gradient_step`.

    $$ L = -\frac{1}{n} \sum_i \log \mathrm{softmax}(z_i)_{y_i} $$

    Args:
        model: a callable pytree, `images -> (logits (n, K), activations)`.
        batch: images `(n, h, w, c)` in the model's units, and labels `(n,)`.
        key: unused, the loss is deterministic.

    Returns:
        The loss in nats, and {"accuracy": share of the batch whose largest logit is the label's}.

    Example:
        >>> from jax.tree_util import Partial
        >>> model = Partial(lambda images: (images[:, 0, 0, :], {}))
        >>> images = jnp.zeros((3, 1, 1, 2))
        >>> loss, metrics = classification_loss(model, (images, jnp.asarray([0, 0, 1])), jax.random.key(0))
        >>> bool(jnp.isclose(loss, jnp.log(2.0))), round(float(metrics["accuracy"]), 3)
        (True, 0.667)
    """
    images, labels = batch
    logits, _ = model(images)
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))
    return loss, {"accuracy": jnp.mean(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.float32)}


class Score(NamedTuple):
    """How a classifier did on `n` images; arrays in their order, on the host.

    Attributes:
        labels: `(n,)`, what was right.
        predictions: `(n,)`, the class of the largest logit.
        losses: `(n,)`, cross-entropy in nats.
    """

    labels: Int[np.ndarray, " n"]
    predictions: Int[np.ndarray, " n"]
    losses: Float[np.ndarray, " n"]

    @property
    def accuracy(self) -> float:
        """Share of images that were classified rightly."""
        return float(np.mean(self.labels == self.predictions))

    @property
    def margin(self) -> float:
        """Half the width of the accuracy's 95 % interval (normal approximation of the binomial)."""
        return 1.96 * math.sqrt(self.accuracy * (1 - self.accuracy) / len(self.labels))


def score(model: Any, batch_fn: Callable[[Int[Array, ""]], Batch], *, n_batches: int) -> Score:
    """Scores a classifier on held-out batches, made and classified by one compiled program.

    Args:
        model: a callable pytree, `images -> (logits (n, K), activations)`.
        batch_fn: `index -> (images, labels)`, pure: a `jax.tree_util.Partial`.
        n_batches: the indices are 0 to `n_batches - 1`.

    Returns:
        Labels, predictions and losses of all images.

    Example:
        >>> from jax.tree_util import Partial
        >>> model = Partial(lambda images: (images[:, 0, 0, :], {}))
        >>> batches = Partial(lambda index: (jnp.zeros((2, 1, 1, 3)), jnp.stack([index, index])))
        >>> score(model, batches, n_batches=4).accuracy
        0.25
    """
    parts = [jax.device_get(_score_batch(model, batch_fn, jnp.int32(index))) for index in range(n_batches)]
    return Score(*(np.concatenate(part) for part in zip(*parts, strict=True)))


@jax.jit
def _score_batch(
    model: Any, batch_fn: Callable[[Int[Array, ""]], Batch], index: Int[Array, ""]
) -> tuple[Int[Array, " n"], Int[Array, " n"], Float[Array, " n"]]:
    images, labels = batch_fn(index)
    logits, _ = model(images)
    return labels, jnp.argmax(logits, axis=-1), optax.softmax_cross_entropy_with_integer_labels(logits, labels)

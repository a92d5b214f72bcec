"""What a captioner is trained by, first its captions and then their worth; any captioner will do."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int, Key

from experiments import optimizers
from experiments.caption_data import Split
from experiments.caption_pointing import Named
from jaxvision.captioning import (
    NULL,
    CaptionModel,
    InBfloat16,
    caption_lengths,
    caption_loss,
    cider_reward,
    drop_features,
    drop_words,
    misplaced_attention,
    scheduled_sampling,
    self_critical_loss,
)
from jaxvision.metrics.captions import NgramWeights, ngram_weights
from jaxvision.training import shuffled, weight_average

CLIP = 5.0  # of the gradient's global norm, as in the field
NUM_SAMPLES = 5  # captions that are drawn of an image, each beside the mean of the others
SELF_CRITICAL = 0.1  # of the learning rate: its rate

LossFn = Callable[[Any, Any, Key[Array, ""]], tuple[Array, dict[str, Array]]]


class Written(NamedTuple):
    """A batch of captions: features `(N, ...)`, tokens `(N, T)`, which share of the steps is behind, and the cells
    `(N, T - 1, L)` that the thing is in which a word names, where attention is guided."""

    features: Array
    tokens: Array
    done: Array
    where: Array | None = None


class Judged(NamedTuple):
    """A batch of images: features `(N, ...)`, references `(N, R, U)` after START, their lengths `(N, R)`, and what the
    n-grams of the whole training set weigh."""

    features: Array
    references: Array
    lengths: Array
    weights: NgramWeights


def optimizer(config: Any, n_steps: int, rate: float) -> optax.GradientTransformation:
    """AdamW, with an average of the weights and several batches to an update where the settings say so.

    Args:
        config: `accumulate`, `ema_decay` and `overfit` are read.
        n_steps: batches in all.
        rate: the largest.
    """
    schedule = optimizers.warm_cosine(rate, -(-n_steps // config.accumulate), 0.05)
    chain = optimizers.adamw(schedule, weight_decay=0.0 if config.overfit else 1e-4, clip=CLIP)
    if config.ema_decay:
        chain = optax.chain(chain, weight_average(config.ema_decay))
    if config.accumulate == 1:
        return chain
    return optax.MultiSteps(chain, config.accumulate).gradient_transformation()


def cross_entropy(config: Any) -> LossFn:
    """The loss of captions that people wrote: `(model, Written, key) -> (loss, metrics)`.

    Args:
        config: `label_smoothing`, `scheduled_sampling`, `dropout`, `precision` and `guide_attention` are read.
    """

    def loss_fn(model: Any, batch: Written, key: Key[Array, ""]) -> tuple[Array, dict[str, Array]]:
        of_features, of_words, of_draws = jax.random.split(key, 3)
        computed = InBfloat16(model) if config.precision == "bfloat16" else model
        features, tokens, read = batch.features, batch.tokens, batch.tokens
        if config.dropout:
            features = drop_features(features, of_features, config.dropout)
        if config.scheduled_sampling:
            rate = config.scheduled_sampling * batch.done
            read = scheduled_sampling(computed.step, computed.start(features), read, of_draws, rate)
        if config.dropout:
            read = drop_words(read, of_words, config.dropout)
        n_words = jnp.mean(jnp.sum(tokens[:, 1:] != NULL, axis=1).astype(jnp.float32))
        if batch.where is None:
            loss = caption_loss(computed, features, tokens, label_smoothing=config.label_smoothing, read=read)
            return loss, {"per_word": loss / n_words}
        logits, maps = computed.attend(features, read[:, :-1])
        loss = caption_loss(lambda *_: logits, features, tokens, label_smoothing=config.label_smoothing)
        misplaced = jnp.mean(misplaced_attention(maps, batch.where))
        return loss + config.guide_attention * misplaced, {"per_word": loss / n_words, "misplaced": misplaced}

    return loss_fn


def self_critical(config: Any) -> LossFn:
    """The loss of captions that are drawn, by their CIDEr-D: `(model, Judged, key) -> (loss, metrics)`.

    Args:
        config: `max_length` and `precision` are read.
    """

    def loss_fn(model: CaptionModel, batch: Judged, key: Key[Array, ""]) -> tuple[Array, dict[str, Array]]:
        computed = InBfloat16(model) if config.precision == "bfloat16" else model
        reward = cider_reward(batch.weights, batch.references, batch.lengths)
        length = config.max_length - 1
        loss, attempts = self_critical_loss(
            computed, batch.features, key, reward, max_length=length, num_samples=NUM_SAMPLES
        )
        return loss, {"reward": jnp.mean(attempts.rewards)}

    return loss_fn


def written(features: Any, split: Split, key: Key[Array, ""], *, batch_size: int, n_steps: int) -> Any:
    """Batches of captions, `step -> Written`, over data that stay on the device.

    Args:
        features: scaled, of the split's pictures.
        split: captions and the pictures they are of.
        key: decides the order.
        batch_size: captions in a batch.
        n_steps: batches in all.
    """

    def batch(
        features: Array,
        tokens: Array,
        pictures: Array,
        named: Named | None,
        key: Key[Array, ""],
        step: Int[Array, ""],
    ) -> Written:
        rows = shuffled(key, step, batch_size=batch_size, n_examples=tokens.shape[0])
        done, of_rows, where = step.astype(jnp.float32) / n_steps, pictures[rows], None
        if named is not None:
            things = named.objects[rows].astype(jnp.int32)[:, :, None]  # (N, T - 1, 1)
            where = jnp.take_along_axis(named.cells[of_rows], jnp.maximum(things, 0), axis=1) & (things >= 0)
        return Written(features[of_rows].astype(jnp.float32), tokens[rows], done, where)

    of_all = jax.tree.map(jnp.asarray, (features, split.tokens, split.pictures, split.named))
    return Partial(batch, *of_all, key)


def judged(features: Any, split: Split, key: Key[Array, ""], *, batch_size: int) -> Any:
    """Batches of images with all of their references, `step -> Judged`, over data that stay on the device.

    Args:
        features: scaled, of the split's pictures.
        split: captions and the pictures they are of.
        key: decides the order.
        batch_size: captions that are drawn for a batch; `NUM_SAMPLES` of each image.
    """
    references, lengths = references_of(split)
    n_images = max(1, batch_size // NUM_SAMPLES)

    def batch(of_all: Judged, key: Key[Array, ""], step: Int[Array, ""]) -> Judged:
        rows = shuffled(key, step, batch_size=n_images, n_examples=of_all.references.shape[0])
        of_rows = of_all.features[rows].astype(jnp.float32), of_all.references[rows], of_all.lengths[rows]
        return Judged(*of_rows, of_all.weights)

    weights = ngram_weights(references, lengths)
    of_all = Judged(jnp.asarray(features), jnp.asarray(references), jnp.asarray(lengths), weights)
    return Partial(batch, of_all, key)


def references_of(split: Split) -> tuple[Int[np.ndarray, "m r t"], Int[np.ndarray, "m r"]]:
    """All captions of each picture, the words after START, and their lengths with END; -1 where there are fewer.

    Example:
        >>> split = Split(np.zeros((2, 1)), np.array([[1, 5, 2], [1, 6, 2], [1, 7, 2]]), np.array([0, 0, 1]), (), None)
        >>> references_of(split)[1].tolist()
        [[2, 2], [2, -1]]
    """
    counts = np.bincount(split.pictures, minlength=len(split.features))
    references = np.full((len(counts), int(counts.max()), split.tokens.shape[1] - 1), NULL, np.int32)
    lengths = np.full(references.shape[:2], -1, np.int32)
    order = np.argsort(split.pictures, kind="stable")
    pictures = split.pictures[order]
    place = np.arange(len(order)) - (np.cumsum(counts) - counts)[pictures]  # among the captions of its picture
    references[pictures, place] = split.tokens[order, 1:]
    lengths[pictures, place] = np.asarray(caption_lengths(jnp.asarray(split.tokens[order, 1:])))
    return references, lengths


@jax.jit
def held_out_loss(model: CaptionModel, features: Float[Array, "m ..."], tokens: Array, pictures: Array) -> Array:
    """The plain loss of captions, whatever the training's options."""
    return caption_loss(model, features[pictures].astype(jnp.float32), tokens)

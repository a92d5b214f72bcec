"""What a captioner sees: images as one row of features each, or as a grid of cells, by a network not trained along."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Shaped

from experiments.networks import CHECKPOINTS, load_network
from jaxvision.backbones import SceneNet, scenenet
from jaxvision.data.captions import weights_digest
from jaxvision.data.scenes import APART, ASKEW, COLORS, GRID, MAX_OBJECTS, PART_SIZES, SHAPES, split_scores
from jaxvision.errors import InputError
from jaxvision.pixels import normalize
from jaxvision.signatures import FeaturesFn, LogitsFn

SCENENET = CHECKPOINTS / "scenenet.safetensors"
SHARP = 40.0  # how suddenly two objects stand plainly apart; an eighth of the image is a cell
LAST_MAP = "features.12"  # of SqueezeNet 1.1

Features = Callable[[Float[Array, "n s s 3"]], Float[Array, "n *d"]]


@dataclass(frozen=True)
class Encoder:
    """From square images to features.

    Attributes:
        name: "scenes", "imagenet" or "course"; what `load_encoder` takes.
        features_fn: RGB in [0, 1] `(N, size, size, 3)` to `(N, D)`, or to `(N, L, D)` where there is a grid, a pytree;
            None where only features are published.
        size: of the images, pixels.
        digest: SHA-256 of its weights, "" where it has none.
        preprocessing: one sentence, all that happens to an image.
        side: of the grid, cells; None where an image is one row of features.
    """

    name: str
    features_fn: Features | None
    size: int
    digest: str
    preprocessing: str
    side: int | None = None

    @property
    def grid(self) -> bool:
        """Whether features are a grid of cells."""
        return self.side is not None


def load_encoder(name: str, *, grid: bool = False) -> Encoder:
    """The encoder for a kind of pictures.

    Args:
        name: "scenes" (SceneNet and SqueezeNet, which come with the project), "imagenet" (SqueezeNet 1.1, the mean of
            its last map) or "course" (VGG-16's fc7 as the course publishes it, no network).
        grid: cells for a captioner that attends: of "scenes" what SceneNet says of each of 8 x 8 cells, of "imagenet"
            SqueezeNet's last map at 6 x 6 places; "course" has none.

    Raises:
        InputError: if its weights are missing or damaged, or there is no grid.
    """
    if grid:
        return _grid_encoder(name)
    if name == "course":
        return Encoder("course", None, 224, "", "VGG-16's fc7 in 512 principal components, as CS231n publishes them")
    if name == "scenes":
        models = (_scenenet(), load_network("scenes").logits_fn)
        said = (
            "the objects that SceneNet finds, the one that SqueezeNet takes for the largest first; RGB in [0, 1], 64 px"
        )
        return Encoder(name, Partial(_of_scenes, *models), 64, weights_digest(models), said)
    network = load_network("imagenet")
    said = f"SqueezeNet 1.1, mean of {LAST_MAP} over the image; RGB in [0, 1], ImageNet-normalised, 224 px"
    return Encoder(name, Partial(_of_photographs, network.features_fn), 224, weights_digest(network.features_fn), said)


def _grid_encoder(name: str) -> Encoder:
    if name == "course":
        raise InputError(
            "the course's pack has one row of features for each picture and no grid to look at: take --model plain, or "
            "--dataset coco"
        )
    if name == "scenes":
        model = _scenenet()
        said = (
            "SceneNet's 8 x 8 cells: where each is, what it says is there, its last activations; RGB in [0, 1], 64 px"
        )
        return Encoder(name, Partial(_cells_of_scenes, model), 64, weights_digest(model), said, GRID)
    features_fn = load_network("imagenet").features_fn
    said = f"SqueezeNet 1.1, {LAST_MAP} as 6 x 6 cells, means of 3 x 3; RGB in [0, 1], ImageNet-normalised, 224 px"
    return Encoder(name, Partial(_cells_of_photographs, features_fn), 224, weights_digest(features_fn), said, 6)


def _scenenet() -> SceneNet:
    if not SCENENET.exists():
        raise InputError(
            f"{SCENENET} is not there: train it with python -m experiments.train_encoder --export {SCENENET}"
        )
    return scenenet(SCENENET)


def encode(
    encoder: Encoder, images: Float[np.ndarray, "n s s 3"], *, batch_size: int = 50
) -> Float[np.ndarray, "n *d"]:
    """Features of images, a batch at a time by one compiled program.

    Args:
        encoder: which has a network.
        images: `(N, size, size, 3)`, RGB in [0, 1], or integers in [0, 255].
        batch_size: images at once.

    Returns:
        `(N, D)`, or `(N, L, D)` in half precision, on the host.
    """
    assert encoder.features_fn is not None
    kept = np.float16 if encoder.grid else np.float32
    batches = whole_batches(images, batch_size)
    parts = [np.asarray(apply(encoder.features_fn, _unit(batch)), kept) for batch in batches]
    return np.concatenate(parts)[: len(images)]


def whole_batches(rows: Shaped[np.ndarray, "n ..."], size: int) -> Iterator[Shaped[np.ndarray, "size ..."]]:
    """Rows, some at a time, the last of them filled up with zeros, so that one compiled program serves all.

    Example:
        >>> [batch.tolist() for batch in whole_batches(np.ones(3), 2)]
        [[1.0, 1.0], [1.0, 0.0]]
    """
    for first in range(0, len(rows), size):
        batch = rows[first : first + size]
        yield np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)])


def _unit(images: np.ndarray) -> np.ndarray:
    whole = np.issubdtype(images.dtype, np.integer)
    return images.astype(np.float32) / np.float32(255) if whole else images.astype(np.float32)


@jax.jit
def apply(features_fn: Features, images: Float[Array, "n s s 3"]) -> Float[Array, "n *d"]:
    """`features_fn(images)`, compiled."""
    return features_fn(images)


def _of_scenes(model: SceneNet, logits_fn: LogitsFn, images: Float[Array, "n s s 3"]) -> Float[Array, "n d"]:
    """The objects that SceneNet finds, the largest first and the others from left to right, and how they stand.

    An object is a cell that is surer than its neighbours. It is told by how sure that is, where it is, the
    probabilities of what it is, and the network's last activations there; all zero where there are fewer objects. The
    largest is the one most like what the classifier, which was trained to name the largest, says. Besides the
    background come what a first, linear layer could not tell from these: how many objects there are, how many of each
    shape and colour, and which of two stands plainly beside or above the other.
    """
    scores, seen = model(images)
    parts = split_scores(scores)  # (n, 8, 8, ...)
    there = jax.nn.sigmoid(parts["there"][..., 0])
    around = partial(jax.lax.reduce_window, window_dimensions=(1, 3, 3), window_strides=(1, 1, 1), padding="SAME")
    peaks = jnp.where(there >= around(there, -jnp.inf, jax.lax.max), there, 0.0)
    at = (jnp.arange(GRID, dtype=there.dtype) + 0.5) / GRID
    mass = around(there, 0.0, jax.lax.add)
    x = around(there * at[None, None, :], 0.0, jax.lax.add) / mass  # centres between cells
    y = around(there * at[None, :, None], 0.0, jax.lax.add) / mass
    named = [jax.nn.softmax(parts[name]) for name in PART_SIZES]
    cells = jnp.concatenate([jnp.stack([jnp.ones_like(x), x, y], axis=-1), *named, seen["conv7"]], axis=-1)
    sure, place = jax.lax.top_k(peaks.reshape(len(images), -1), MAX_OBJECTS)  # (n, 4)
    objects = jnp.take_along_axis(cells.reshape(len(images), GRID**2, -1), place[:, :, None], axis=1)
    largest = jax.nn.softmax(logits_fn(normalize(images))).reshape(-1, len(SHAPES), len(COLORS))
    shape, color = objects[:, :, 3 : 3 + len(SHAPES)], objects[:, :, 3 + len(SHAPES) :][:, :, : len(COLORS)]
    likeness = sure * jnp.einsum("nos,noc,nsc->no", shape, color, largest)
    first = jax.nn.one_hot(jnp.argmax(likeness, axis=1), MAX_OBJECTS, dtype=bool)
    key = jnp.where(first, -1.0, jnp.where(sure > 0.5, objects[:, :, 1], 2.0 - sure))  # doubtful ones last
    order = jnp.argsort(key, axis=1)
    objects, sure = (jnp.take_along_axis(a, order[:, :, None], axis=1) for a in (objects, sure[:, :, None]))
    shape, color = (jnp.take_along_axis(a, order[:, :, None], axis=1) for a in (shape, color))
    alike = jnp.einsum("no,nos,noc->nsc", sure[..., 0], shape, color).reshape(len(images), -1)
    number = jax.nn.one_hot(jnp.sum(sure[..., 0] > 0.5, axis=1) - 1, MAX_OBJECTS)
    beside = _beside(objects[:, :, 1:3], sure[..., 0])
    objects = objects * sure
    background = jax.nn.softmax(jnp.mean(jax.nn.log_softmax(parts["background"]), axis=(1, 2)))
    named_largest = [jnp.sum(largest, axis=2), jnp.sum(largest, axis=1)]
    sums = [jnp.sum(sure * part, axis=1) for part in (shape, color)]
    rows = [objects.reshape(len(images), -1), background, *named_largest, number, *sums, alike, beside]
    return jnp.concatenate(rows, axis=1)


def _beside(centers: Float[Array, "n o 2"], sure: Float[Array, "n o"]) -> Float[Array, "n pairs"]:
    """For each two objects: near 1 where the second is plainly to the right, or below, near -1 for the contrary.

    Example:
        >>> _beside(jnp.array([[[0.2, 0.5], [0.8, 0.5]]]), jnp.ones((1, 2))).round(2)
        Array([[1., 0.]], dtype=float32)
    """
    first, second = np.triu_indices(centers.shape[1], k=1)
    apart = centers[:, second] - centers[:, first]  # (n, pairs, 2)
    across = apart[:, :, ::-1]
    far = jax.nn.sigmoid((jnp.abs(apart) - APART) * SHARP)
    straight = jax.nn.sigmoid((ASKEW * jnp.abs(apart) - jnp.abs(across)) * SHARP)
    plain = jnp.sign(apart) * far * straight * (sure[:, first] * sure[:, second])[:, :, None]
    return plain.reshape(len(centers), -1)


def _of_photographs(features_fn: FeaturesFn, images: Float[Array, "n s s 3"]) -> Float[Array, "n d"]:
    return jnp.mean(features_fn(normalize(images))[LAST_MAP], axis=(1, 2))


def _cells_of_scenes(model: SceneNet, images: Float[Array, "n s s 3"]) -> Float[Array, "n l d"]:
    """Of each cell: x and y of its centre, the probabilities of what is there, the network's last activations."""
    scores, seen = model(images)
    parts = split_scores(scores)  # (n, 8, 8, ...)
    at = (jnp.arange(GRID, dtype=scores.dtype) + 0.5) / GRID
    x = jnp.broadcast_to(at[None, None, :, None], (len(images), GRID, GRID, 1))
    named = [jax.nn.sigmoid(part) if name == "there" else jax.nn.softmax(part) for name, part in parts.items()]
    cells = jnp.concatenate([x, x.swapaxes(1, 2), *named, seen["conv7"]], axis=3)
    return cells.reshape(len(images), GRID**2, -1)


def _cells_of_photographs(features_fn: FeaturesFn, images: Float[Array, "n s s 3"]) -> Float[Array, "n l d"]:
    seen = features_fn(normalize(images))[LAST_MAP]  # (n, 13, 13, 512)
    sums = jax.lax.reduce_window(seen, 0.0, jax.lax.add, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
    return (sums / 9).reshape(len(images), -1, seen.shape[3])

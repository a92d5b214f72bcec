"""SceneNet for the procedural scenes: seven convolutions that say what stands where, 569,000 parameters."""

from pathlib import Path

import jax
from flax import nnx
from jaxtyping import Array, Float

from jaxvision.backbones.convolution import relu
from jaxvision.backbones.layers import Activations, Backbone, Conv, Keys, Taps, keep
from jaxvision.backbones.parameters import build
from jaxvision.signatures import PLAIN, Rules

# Size, channels and stride of each convolution; where neither channels nor size change, the input is added.
LAYERS = ((5, 32, 2), (3, 64, 2), (3, 96, 1), (3, 96, 1), (3, 128, 2), (3, 128, 1), (3, 128, 1))


class SceneNet(Backbone):
    """What stands where, `model(images) -> (scores, activations)`; see `scenenet`."""

    stem = "conv1"
    head = "head"

    def __init__(self, n_scores: int, *, key: Keys):
        keys = jax.random.split(key, len(LAYERS) + 1)
        layers, channels = {}, 3
        for number, ((size, features, stride), k) in enumerate(zip(LAYERS, keys, strict=False), start=1):
            conv = Conv(size, channels, features, stride=stride, padding=size // 2, key=k)
            layers[f"conv{number}"], channels = conv, features
        layers["head"] = Conv(1, channels, n_scores, key=keys[-1])
        self.layers = nnx.Dict(layers)

    def __call__(
        self, images: Float[Array, "n h w 3"], taps: Taps | None = None, rules: Rules = PLAIN
    ) -> tuple[Float[Array, "n h2 w2 k"], Activations]:
        """Scores of each cell and named activations.

        Args:
            images: `(N, H, W, 3)`, RGB in [0, 1].
            taps: what to add to activations, by name, of their shapes.
            rules: how to run the layers.

        Returns:
            `(N, H / 8, W / 8, K)`, and the activations `conv1` to `conv7`.
        """
        x, seen = images - 0.5, Activations()
        for number, _ in enumerate(LAYERS, start=1):
            y = rules.relu(relu, rules.affine(self.layers[f"conv{number}"], x))
            y = rules.affine(_joined, (x, y)) if x.shape == y.shape else y
            x = keep(seen, taps or {}, y, f"conv{number}")
        return rules.affine(self.layers["head"], x), seen


def _joined(branches: tuple[Float[Array, "n h w c"], Float[Array, "n h w c"]]) -> Float[Array, "n h w c"]:
    return (branches[0] + branches[1]) * 0.5**0.5


def scenenet(weights: str | Path | None = None, *, n_scores: int | None = None, key: Keys | None = None) -> SceneNet:
    """A small fully convolutional network for scenes, which has one answer for every 8 x 8 pixels.

    Args:
        weights: a safetensors file written from `state_dict`, or None for random ones.
        n_scores: K, for each cell; taken from the weights where there are any.
        key: for random weights; `jax.random.key(0)` if not given.

    Returns:
        `model(images (N, H, W, 3) in [0, 1]) -> (scores (N, H / 8, W / 8, K), activations)`.

    Raises:
        InputError: if the file is missing or damaged, or is of another network.

    Example:
        >>> import jax.numpy as jnp
        >>> jax.eval_shape(lambda: scenenet(n_scores=27)(jnp.zeros((2, 64, 64, 3))))[0].shape
        (2, 8, 8, 27)

    References:
        Redmon et al., "You only look once", https://arxiv.org/abs/1506.02640, 2015, for a grid of cells each of which
        answers for the object whose centre is in it; He et al., "Deep residual learning for image recognition",
        https://arxiv.org/abs/1512.03385, 2015, for the sums. No normalisation layers.
    """
    path = None if weights is None else Path(weights)
    kind = "scores for each cell"
    return build(SceneNet, "scenenet", path, n_scores, key=key, default=1, kind=kind, argument="n_scores")

"""The captioners that can be trained, by the name of the flag, and what they need of their features."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from jaxvision.captioning import (
    AdaptiveCaptioner,
    AttentionCaptioner,
    Captioner,
    TransformerCaptioner,
    adaptive_captioner,
    attention_captioner,
    captioner,
    top_down_captioner,
    transformer_captioner,
)

ATTENTIVE: dict[str, Callable[..., Any]] = {
    "adaptive": adaptive_captioner,
    "attention": attention_captioner,
    "top_down": top_down_captioner,
    "transformer": transformer_captioner,
}
"""Those that look at a grid of cells; "plain" is the other one, which sees one row of features for each image."""


class OfRawCells(NamedTuple):
    """An attentive captioner for cells that were not brought to mean 0 and deviation 1 beforehand.

    Attributes:
        model: for scaled cells.
        mean: `(D,)`.
        scale: `(D,)`.
    """

    model: Any
    mean: Float[Array, " d"]
    scale: Float[Array, " d"]

    def __call__(self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]) -> Float[Array, "n t v"]:
        """As of the model."""
        return self.model(self._scaled(grid), tokens)

    def attend(
        self, grid: Float[Array, "n l d"], tokens: Int[Array, "n t"]
    ) -> tuple[Float[Array, "n t v"], Float[Array, "n t l"]]:
        """As of the model."""
        return self.model.attend(self._scaled(grid), tokens)

    def start(self, grid: Float[Array, "n l d"]) -> Any:
        """As of the model."""
        return self.model.start(self._scaled(grid))

    def step(self, carry: Any, tokens: Int[Array, " m"]) -> tuple[Any, Float[Array, "m v"]]:
        """As of the model."""
        return self.model.step(carry, tokens)

    def _scaled(self, grid: Array) -> Array:
        return (grid - self.mean[None, None]) / self.scale[None, None]


def sizes_of(settings: Any, feature_size: int, vocabulary_size: int) -> dict[str, int]:
    """The arguments of the captioner of `settings.model`; for those of `ATTENTIVE`.

    Args:
        settings: the resolved settings of `experiments.caption`.
        feature_size: D.
        vocabulary_size: V.
    """
    sizes = {"feature_size": feature_size, "vocabulary_size": vocabulary_size, "embed_size": settings.embed_size}
    if settings.model == "transformer":
        of_layers = {"num_heads": settings.num_heads, "num_layers": settings.num_layers}
        return sizes | of_layers | {"inner_size": settings.hidden_size, "max_length": settings.max_length}
    return sizes | {"hidden_size": settings.hidden_size, "attention_size": settings.embed_size}


def new_captioner(settings: Any, key: Key[Array, ""], feature_size: int, vocabulary_size: int) -> Any:
    """A captioner to begin with.

    Args:
        settings: the resolved settings of `experiments.caption`.
        key: decides the weights.
        feature_size: D, of an image's features, or of a cell.
        vocabulary_size: V.
    """
    if settings.model != "plain":
        return ATTENTIVE[settings.model](key, **sizes_of(settings, feature_size, vocabulary_size))
    return captioner(
        key,
        feature_size=feature_size,
        vocabulary_size=vocabulary_size,
        embed_size=settings.embed_size,
        hidden_size=settings.hidden_size,
        cell=settings.cell,
    )


def moments(features: Shaped[np.ndarray, "m *d"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each feature, over images and cells; those that hardly vary are not blown up.

    Example:
        >>> moments(np.array([[0.0, 5.0], [2.0, 5.0]], np.float32))[0]
        array([1., 5.], dtype=float32)
    """
    rows = features.reshape(-1, features.shape[-1])
    deviation = rows.std(axis=0, dtype=np.float32)
    return rows.mean(axis=0, dtype=np.float32), np.maximum(deviation, 0.1 * deviation.mean() + 1e-6)


def with_scaled_input(model: Any, mean: Float[np.ndarray, " d"], scale: Float[np.ndarray, " d"]) -> Any:
    r"""The same captioner for features that were not brought to mean 0 and deviation 1 beforehand.

    $$ \frac{f - \mu}{\sigma} W + b = f \frac{W}{\sigma} + \left( b - \frac{\mu}{\sigma} W \right) $$

    Args:
        model: for scaled features.
        mean: $\mu$, `(D,)`.
        scale: $\sigma$, `(D,)`.

    Returns:
        For features as they are; an attentive captioner uses its cells more than once, and scales them first.
    """
    if not isinstance(model, Captioner):
        return OfRawCells(model, jnp.asarray(mean), jnp.asarray(scale))
    W = model.W_proj / jnp.asarray(scale)[:, None]
    return model._replace(W_proj=W, b_proj=model.b_proj - jnp.asarray(mean) @ W)


def with_raw_input(model: Captioner, mean: Float[np.ndarray, " d"], scale: Float[np.ndarray, " d"]) -> Captioner:
    """`with_scaled_input` undone: of a captioner of features as they are, the one for scaled features.

    Args:
        model: a plain captioner, whatever mean and scale it was trained with.
        mean: `(D,)`, of the features to come.
        scale: `(D,)`.
    """
    W = model.W_proj * jnp.asarray(scale)[:, None]
    return model._replace(W_proj=W, b_proj=model.b_proj + jnp.asarray(mean) @ model.W_proj)


def built_by(model: Any) -> tuple[str, dict[str, int]]:
    """Which attentive captioner this is, and the arguments of which it was made.

    Example:
        >>> model = top_down_captioner(jax.random.key(0), feature_size=2, vocabulary_size=5, hidden_size=3)
        >>> built_by(model)[1]["hidden_size"]
        3
    """
    n_words, embed_size = model.W_embed.shape
    sizes = {"vocabulary_size": n_words, "embed_size": embed_size}
    if isinstance(model, TransformerCaptioner):
        first, (length, _) = model.layers[0], model.positions.shape
        of_layers = {"num_layers": len(model.layers), "num_heads": first.words.b_query.shape[0]}
        sizes |= {"inner_size": first.b_in.shape[0], "max_length": length, "feature_size": model.W_grid.shape[0]}
        return "transformer", sizes | of_layers
    if isinstance(model, AttentionCaptioner):
        (feature_size, attention_size), hidden_size = model.attention.W_cells.shape, model.W_h.shape[0]
        name = "attention"
    elif isinstance(model, AdaptiveCaptioner):
        feature_size, (hidden_size, attention_size) = model.W_cells.shape[0], model.W_keys.shape
        name = "adaptive"
    else:
        (feature_size, attention_size), hidden_size = model.W_cells.shape, model.W_state.shape[0]
        name = "top_down"
    return name, sizes | {
        "feature_size": feature_size,
        "attention_size": attention_size,
        "hidden_size": hidden_size,
    }


def named_leaves(model: Any) -> dict[str, Any]:
    """The leaves of a captioner by their paths, of a plain one by the assignment's names.

    Example:
        >>> list(named_leaves(captioner(jax.random.key(0), feature_size=2, vocabulary_size=5)))[:5]
        ['W_proj', 'b_proj', 'W_embed', 'Wx', 'Wh']
    """
    leaves = jax.tree_util.tree_leaves_with_path(model)
    named = {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
    return {name.removeprefix("recurrent.") if isinstance(model, Captioner) else name: v for name, v in named.items()}

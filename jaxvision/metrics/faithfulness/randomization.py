"""A sanity check: does a map change when the network's weights are lost, layer by layer?"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxvision.errors import InputError
from jaxvision.metrics.faithfulness.spearman import spearman
from jaxvision.pixels import Classes, check_images, pytree_function

Initialize = Callable[[Array, Array], Array]
"""A key and a leaf of a model to what takes the leaf's place, of its shape and type."""


class CascadingRandomization(NamedTuple):
    """What is left of the maps.

    Attributes:
        correlations: `(L, N)` in [-1, 1], Spearman's, of each map after the first 1, 2, ... L layers are lost with the
            original one.
        maps: `(L, N, ...)`, the maps themselves.
    """

    correlations: Float[Array, "layers n"]
    maps: Float[Array, "layers n ..."]


def redraw(key: PRNGKeyArray, leaf: Array) -> Array:
    """Normal noise of a leaf's own mean and deviation: nothing is left of what was learned but its scale.

    Args:
        key: decides the noise.
        leaf: of a model; integers and keys stay as they are.

    Returns:
        The same shape and type.

    Example:
        >>> redraw(jax.random.key(0), jnp.full(3, 2.0))  # no deviation
        Array([2., 2., 2.], dtype=float32)
    """
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    return jnp.mean(leaf) + jnp.std(leaf) * jax.random.normal(key, leaf.shape, leaf.dtype)


def cascading_randomization(
    attribute: Callable[[Any, Array, Array], Array],
    model: Any,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    layers: Sequence[str],
    *,
    key: PRNGKeyArray,
    initialize: Initialize = redraw,
) -> CascadingRandomization:
    r"""Maps of a network whose layers lose their weights one after the other, compared with those of the whole one.

    $$ \rho_l = \operatorname{Spearman}\bigl(A(f_0), A(f_l)\bigr), \qquad
       f_l: f_0 \text{ with the first } l \text{ of the given layers drawn anew} $$

    A map that hardly changes does not show what the network has learned. Give maps as they are looked at: with
    absolute values where the picture has them. Pixels that are zero in every map, as the background of a digit is in a
    product with the image, agree whatever the network does: leave them out, or the correlation is high.
    All steps are one program, one after the other.

    Args:
        attribute: `(model, images (N, H, W, C), labels (N,)) -> maps (N, ...)`, such as
            `lambda model, *arguments: saliency_map(backbones.logits_fn(model), *arguments)`.
        model: any pytree of arrays.
        images: `(N, H, W, C)` floats.
        labels: `(N,)` integers, handed to `attribute`.
        layers: from the top, the one next to the logits, down: each the beginning of the paths of its leaves, as
            `jax.tree_util.keystr(path, simple=True, separator=".")` has them: "fc2" is "fc2.kernel" and "fc2.bias",
            but not "fc21.kernel"; in the backbones here "layers.fc2". A leaf belongs to the first layer that has it.
        key: one key; a leaf takes `fold_in(key, i)` by its place i in the model, the same at every step.
        initialize: from a key and a leaf to what takes its place, a function of a module.

    Returns:
        Correlations `(L, N)` and maps `(L, N, ...)`.

    Raises:
        InputError: if images or labels have the wrong shape or type, or a layer has no leaf of its own.

    Example:
        >>> model = {"top": jnp.array([1.0, 3.0]), "bottom": jnp.array([5.0])}
        >>> attribute = lambda model, images, labels: model["top"][None, None] * jnp.ones_like(images[..., 0])
        >>> image = jnp.ones((1, 1, 2, 1))
        >>> flip = lambda key, leaf: -leaf
        >>> settings = {"key": jax.random.key(0), "initialize": flip}
        >>> found = cascading_randomization(attribute, model, image, [0], ["top", "bottom"], **settings)
        >>> found.correlations.ravel().round(3).tolist()
        [-1.0, -1.0]

    References:
        Adebayo et al., "Sanity checks for saliency maps", https://arxiv.org/abs/1810.03292, 2018, section 3.1.
        Departure: weights are drawn with the mean and deviation of the trained ones, since a tree of arrays does not
        tell how it began; give `initialize` for another distribution.
    """
    images = check_images(images)
    classes = jnp.asarray(labels)
    if classes.shape != images.shape[:1] or not jnp.issubdtype(classes.dtype, jnp.integer):
        raise InputError(
            f"labels must be one integer for each of the {len(images)} images, "
            f"got {classes.dtype} of shape {classes.shape}"
        )
    return _cascade(
        pytree_function(attribute),
        model,
        images,
        classes,
        key,
        turns=_turns(model, tuple(layers)),
        n_layers=len(layers),
        initialize=initialize,
    )


@functools.partial(jax.jit, static_argnames=("turns", "n_layers", "initialize"))
def _cascade(
    attribute: Callable[[Any, Array, Array], Array],
    model: Any,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    key: PRNGKeyArray,
    *,
    turns: tuple[int, ...],
    n_layers: int,
    initialize: Initialize,
) -> CascadingRandomization:
    leaves, tree = jax.tree.flatten(model)
    original = attribute(model, images, labels)

    def step(lost: Array) -> Array:
        kept_or_lost = [
            leaf if turn == n_layers else jnp.where(turn <= lost, initialize(jax.random.fold_in(key, i), leaf), leaf)
            for i, (turn, leaf) in enumerate(zip(turns, leaves, strict=True))
        ]
        return attribute(jax.tree.unflatten(tree, kept_or_lost), images, labels)

    maps = jax.lax.map(step, jnp.arange(n_layers))
    return CascadingRandomization(jax.vmap(lambda of_step: spearman(of_step, original))(maps), maps)


def _turns(model: Any, layers: tuple[str, ...]) -> tuple[int, ...]:
    """For each leaf of the model the place of its layer, or their number for a leaf that stays."""
    paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(model)]
    turns = [
        next((turn for turn, layer in enumerate(layers) if f"{path}.".startswith(f"{layer}.")), len(layers))
        for path in paths
    ]
    for missing in np.setdiff1d(np.arange(len(layers)), turns)[:1]:
        raise InputError(f'layer "{layers[missing]}" has no leaf of its own among {", ".join(paths)}')
    if not layers:
        raise InputError("there must be one layer or more to lose")
    return tuple(turns)

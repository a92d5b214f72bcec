"""Class activation maps of many layers at once, from one backward pass."""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.grad_cam import grad_cam
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, check_images, check_labels, in_chunks, pytree_function, target_logit
from jaxvision.signatures import LogitsFn, TappedFn

Cam = Callable[[LogitsFn, Array, Array], Array]


def layer_cams(
    tapped_fn: TappedFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    layers: Sequence[str] | None = None,
    cam: Cam = grad_cam,
) -> dict[str, Float[Array, "n lh lw"]]:
    r"""A class activation map at each of several layers, by one forward and one backward pass.

    Zeros $t_\ell$ are added to what each layer computes; the derivative by them is the one by the layer's features:

    $$ \frac{\partial s_y}{\partial F_\ell} = \frac{\partial s_y}{\partial t_\ell}\bigg|_{t = 0} $$

    Args:
        tapped_fn: images `(N, H, W, C)` and, by name, what to add to activations, to logits `(N, K)` and named
            activations: any network of `backbones` but Inception-v3, or a function of your own.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        layers: names of activations `(N, h, w, c)`; None for all that have this shape.
        cam: what makes a map of features and their derivatives: `grad_cam`, `grad_cam_plus_plus`, `hires_cam`,
            `layer_cam`, `xgrad_cam`, or a function like them that asks for first derivatives only.

    Returns:
        By name, `(N, h, w)`: of each layer's size, to be enlarged (`pixels.resize`).

    Raises:
        InputError: if images, labels or logits have the wrong shape, type or range, or there is no such layer.

    Example:
        >>> def network(images, taps):
        ...     features = 2 * images + taps.get("doubled", 0)
        ...     return features.sum(axis=(1, 2)), {"doubled": features}
        >>> layer_cams(network, jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1), jnp.array([0]))
        {'doubled': Array([[[2., 6.]]], dtype=float32)}
    """
    images = check_images(images)
    tapped_fn = pytree_function(tapped_fn)
    labels = check_labels(jax.tree_util.Partial(_logits, tapped_fn), images, labels)
    found = jax.eval_shape(_activations, tapped_fn, images)
    chosen = [name for name in found if found[name].ndim == 4] if layers is None else list(layers)
    for name in chosen:
        if name not in found:
            raise InputError(f'there is no layer "{name}", the network has {", ".join(found)}')
        if found[name].ndim != 4:
            raise InputError(f'layers must have pixels, shape (N, h, w, c), got "{name}" of shape {found[name].shape}')
    return _layer_cams(tapped_fn, images, labels, layers=tuple(chosen), cam=cam)


@functools.partial(jax.jit, static_argnames=("layers", "cam"))
def _layer_cams(
    tapped_fn: TappedFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    *,
    layers: tuple[str, ...],
    cam: Cam,
) -> dict[str, Array]:
    def maps(images: Array, labels: Array) -> dict[str, Array]:
        def score(taps: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
            logits, found = tapped_fn(images, taps)
            return target_logit(logits, labels), {name: found[name] for name in layers}

        shapes = jax.eval_shape(_activations, tapped_fn, images)
        taps = {name: jnp.zeros(shapes[name].shape, shapes[name].dtype) for name in layers}
        scores, pull_back, features = jax.vjp(score, taps, has_aux=True)
        (gradients,) = pull_back(jnp.ones_like(scores))
        # A map of first derivatives is that of the linear function which has them.
        return {
            name: cam(jax.tree_util.Partial(_linear, gradients[name]), features[name], jnp.zeros_like(labels))
            for name in layers
        }

    return in_chunks(maps, images, labels)


def _linear(gradient: Float[Array, "n h w c"], features: Float[Array, "n h w c"]) -> Float[Array, "n 1"]:
    return jnp.sum(gradient * features, axis=(1, 2, 3))[:, None]


def _logits(tapped_fn: TappedFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return tapped_fn(images, {})[0]


def _activations(tapped_fn: TappedFn, images: Float[Array, "n h w c"]) -> dict[str, Array]:
    return dict(tapped_fn(images, {})[1])

"""Caricature: an image with what a layer makes of another one, made stronger."""

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxvision.pixels import Keys, Transform, check_images, pytree_function, with_settings
from jaxvision.signatures import FeaturesFn
from jaxvision.visualization.feature_visualization import ROBUST, FeatureVisualization, feature_visualization
from jaxvision.visualization.objectives import likeness, of_layer
from jaxvision.visualization.parametrization import Parametrization


def caricature(
    features_fn: FeaturesFn,
    images: Float[ArrayLike, "n h w c"],
    layer: str,
    *,
    key: Keys,
    power: float = 1.0,
    parametrization: Parametrization | None = None,
    transform: Transform | None = ROBUST,
    learning_rate: float = 0.05,
    n_steps: int = 256,
) -> FeatureVisualization:
    r"""From faint noise, an image whose activations go the way of a given one's, as far as they can.

    $$ \arg\max_\theta \; \mathbb{E}_T \; \frac{\langle F, P \rangle}{hw} \, \max(\cos(F, P), 0.1)^p, \qquad
       F = f(T(D(\theta))), \quad P = f(I) $$

    What a layer holds for important in the image is exaggerated, what it does not see is left out.

    Args:
        features_fn: $f$, images `(N, H, W, C)`, ImageNet-normalised, to named activations, each image on its own.
        images: $I$, `(N, H, W, C)` floats, normalised. Only their activations are looked at.
        layer: the activations' name.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.
        power: $p$, see `likeness`.
        parametrization: $D$; `fourier` of the images' shape if not given.
        transform: $T$, `(image, key) -> image` of the same size; None for none.
        learning_rate: Adam's.
        n_steps: steps.

    Returns:
        Images, trace and the objective reached, as of `feature_visualization`.

    Raises:
        InputError: if the images have the wrong shape or type, or there is no such layer.

    Example:
        >>> import jax.numpy as jnp
        >>> features_fn = lambda images: {"colour": images}
        >>> image = jnp.ones((1, 8, 8, 3))
        >>> result = caricature(features_fn, image, "colour", key=jax.random.key(0), transform=None, n_steps=20)
        >>> bool((result.value > result.trace["objective"][0]).all())
        True

    References:
        Olah et al., "The building blocks of interpretability", https://distill.pub/2018/building-blocks/, 2018; Carter
        et al., "Activation atlas", https://distill.pub/2019/activation-atlas/, 2019.
    """
    images = check_images(images)
    n, h, w, c = images.shape
    features = jax.jit(with_settings(_features, layer))(pytree_function(features_fn), images)
    return feature_visualization(
        features_fn,
        likeness(layer, features, power=power),
        n,
        key=key,
        image_shape=(h, w, c),
        parametrization=parametrization,
        transform=transform,
        learning_rate=learning_rate,
        n_steps=n_steps,
    )


def _features(layer: str, features_fn: FeaturesFn, images: Float[Array, "n h w c"]) -> Float[Array, "n h2 w2 c2"]:
    return of_layer(features_fn(images), layer)

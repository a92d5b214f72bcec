"""Gram matrices: which features occur together, wherever that is."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def gram_matrix(
    features: Float[Array, "n h w c"],
    weights: Float[Array, "n h w"] | None = None,
    *,
    normalize: bool = True,
) -> Float[Array, "n c c"]:
    r"""Products of channels, summed over pixels.

    $$ G_{cd} = \frac{1}{HWC} \sum_{i,j} F_{ijc} F_{ijd} $$

    Args:
        features: `(N, H, W, C)`.
        weights: `(N, H, W)`, zero or more, how much each pixel counts; None for all alike, and zeros alone give zero.
            Their scale does not matter to a normalised matrix, whose sum runs over $H W w_{ij} / \sum w$.
        normalize: divide by $HWC$, so that neither the size of the image nor the number of channels matters; without,
            the plain sum.

    Returns:
        `(N, C, C)`, symmetric, positive semi-definite.

    Example:
        >>> gram_matrix(jnp.array([1.0, 2.0]).reshape(1, 1, 1, 2), normalize=False)
        Array([[[1., 2.],
                [2., 4.]]], dtype=float32)

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, equation 3;
        there without a norm, which stands in equation 4. Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time
        style transfer and super-resolution", https://arxiv.org/abs/1603.08155, 2016, equation 3: this one.
    """
    n, h, w, c = features.shape
    rows = features.reshape(n, h * w, c)
    if weights is None:
        products = self_products(rows)
    else:
        share = weights.reshape(n, h * w, 1)
        total = jnp.sum(share, axis=1, keepdims=True)
        share = share * (float(h * w) / jnp.where(total > 0, total, 1)) if normalize else share
        products = _products(rows * share, rows)
    return products / float(h * w * c) if normalize else products


@jax.custom_jvp
def self_products(rows: Float[Array, "n p c"]) -> Float[Array, "n c c"]:
    r"""$F^\top F$ for each example, with half the work in its derivative.

    The derivative is written as $M + M^\top$ with $M = F^\top \dot F$, so that its transpose takes one product,
    $F (\bar G + \bar G^\top)$, and not the two of a product whose factors nobody knows to be the same. Of any order.

    Example:
        >>> self_products(jnp.array([[[1.0, 2.0]]]))
        Array([[[1., 2.],
                [2., 4.]]], dtype=float32)
    """
    return _products(rows, rows)


@self_products.defjvp
def _self_products_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (rows,), (moved,) = primals, tangents
    half = _products(rows, moved)
    return self_products(rows), half + half.mT


def _products(a: Float[Array, "n p c"], b: Float[Array, "n p d"]) -> Float[Array, "n c d"]:
    return jnp.einsum("npc,npd->ncd", a, b)


def gram_distance(gram: Float[Array, "n c c"], target: Float[Array, "n c c"]) -> Float[Array, " n"]:
    r"""The squared distance of two Gram matrices.

    $$ \lVert G - A \rVert_F^2 = \sum_{c,d} (G_{cd} - A_{cd})^2 $$

    Of normalised matrices this is four times Gatys' $E_l$, with gradient $\frac{4}{HWC} F (G - A)$ in the features.

    Args:
        gram: `(N, C, C)`, of `gram_matrix`.
        target: `(N, C, C)`.

    Returns:
        `(N,)`.

    Example:
        >>> gram_distance(jnp.ones((1, 2, 2)), jnp.zeros((1, 2, 2)))
        Array([4.], dtype=float32)

    References:
        Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR 2016, equations 4 and
        6. Departure: no factor 1/4.
    """
    return jnp.sum((gram - target) ** 2, axis=(1, 2))

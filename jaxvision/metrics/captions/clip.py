"""CLIPScore: how well a caption fits an image, by embeddings of a CLIP that you have."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def clip_score(
    image_embeddings: Float[Array, "n d"], text_embeddings: Float[Array, "n d"], *, weight: float = 2.5
) -> Float[Array, " n"]:
    r"""How well each caption fits its image; no references are asked for.

    $$ \mathrm{CLIP\text{-}S}(c, v) = w \max(\cos(c, v), 0) $$

    Args:
        image_embeddings: `(N, D)`, $v$, of any length.
        text_embeddings: `(N, D)`, $c$, of `A photo depicts` and the caption, as in the paper.
        weight: w; published scores are of 2.5 and CLIP's ViT-B/32.

    Returns:
        `(N,)`, in [0, w]; 0 where an embedding is zero.

    Example:
        >>> clip_score(jnp.array([[2.0, 0.0], [0.0, 1.0]]), jnp.array([[3.0, 4.0], [0.0, -1.0]]))
        Array([1.5, 0. ], dtype=float32)

    References:
        Hessel et al., "CLIPScore: a reference-free evaluation metric for image captioning",
        https://arxiv.org/abs/2104.08718, 2021, section 3.
    """
    return weight * jnp.maximum(_cosine(text_embeddings, image_embeddings), 0.0)


def ref_clip_score(
    image_embeddings: Float[Array, "n d"],
    text_embeddings: Float[Array, "n d"],
    reference_embeddings: Float[Array, "n r d"],
    *,
    given: Bool[Array, "n r"] | None = None,
    weight: float = 2.5,
) -> Float[Array, " n"]:
    r"""How well each caption fits its image and what people say of it.

    $$ \mathrm{RefCLIP\text{-}S}(c, R, v) = \mathrm{H}\left(\mathrm{CLIP\text{-}S}(c, v),
       \max\left(\max_{r \in R} \cos(c, r), 0\right)\right), \qquad \mathrm{H}(a, b) = \frac{2 a b}{a + b} $$

    Args:
        image_embeddings: `(N, D)`, $v$.
        text_embeddings: `(N, D)`, $c$.
        reference_embeddings: `(N, R, D)`, of what people say.
        given: `(N, R)`, False where an image has no such reference; by default all are given.
        weight: as in `clip_score`.

    Returns:
        `(N,)`; 0 where one of the two is.

    Example:
        >>> one = jnp.array([[3.0, 4.0]])
        >>> ref_clip_score(jnp.array([[1.0, 0.0]]), one, jnp.array([[[0.0, 1.0], [-1.0, 0.0]]]))  # of 1.5 and 0.8
        Array([1.0434784], dtype=float32)

    References:
        Hessel et al., https://arxiv.org/abs/2104.08718, 2021, section 3, RefCLIPScore.
    """
    alike = jnp.maximum(_cosine(text_embeddings[:, None], reference_embeddings), 0.0)  # (N, R)
    best = jnp.max(alike if given is None else jnp.where(given, alike, 0.0), axis=1)
    fits = clip_score(image_embeddings, text_embeddings, weight=weight)
    total = fits + best
    return jnp.where(total > 0, 2 * fits * best / jnp.where(total > 0, total, 1.0), 0.0)


def _cosine(a: Float[Array, "*n d"], b: Float[Array, "*m d"]) -> Float[Array, "..."]:
    squares = jnp.sum(a**2, axis=-1), jnp.sum(b**2, axis=-1)
    there = (squares[0] > 0) & (squares[1] > 0)
    norms = [jnp.sqrt(jnp.where(there, square, 1.0)) for square in squares]  # the root has no slope at zero
    return jnp.where(there, jnp.sum(a * b, axis=-1) / (norms[0] * norms[1]), 0.0)

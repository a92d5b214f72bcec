"""Guided attention: what tells a captioner where the things are that it names."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def misplaced_attention(maps: Float[Array, "n t l"], where: Bool[Array, "n t l"]) -> Float[Array, " n"]:
    r"""How far a caption's attention is from what its words name.

    $$ R = -\sum_{t : W_t \neq \emptyset} \log \sum_{l \in W_t} \alpha_{tl} $$

    The share of a word's attention that lies on what it names is its attention correctness; how it is spread over the
    cells there is left free.

    Args:
        maps: `(N, T, L)`, $\alpha$, from a captioner's `attend`; each word's shares sum to one.
        where: `(N, T, L)`, $W$, True for the cells that the thing is in which a word names; of a word that names
            nothing all False, and it does not count.

    Returns:
        `(N,)`, in nats; zero where each word that names something looks at nothing else.

    Example:
        >>> maps = jnp.array([[[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]])
        >>> misplaced_attention(maps, jnp.array([[[True, True, False], [False, False, False]]]))
        Array([0.], dtype=float32)
        >>> jnp.exp(-misplaced_attention(maps, jnp.array([[[True, False, False], [False, False, True]]]))).round(2)
        Array([0.25], dtype=float32)

    References:
        Liu et al., "Attention correctness in neural image captioning", https://arxiv.org/abs/1605.09553, 2017: the
        measure, and attention that is taught where a word's region is. Departure: the logarithm of the measure is
        the loss, where the paper takes the cross-entropy against a map that is spread evenly over the region.
    """
    share = jnp.sum(jnp.where(where, maps, 0.0), axis=2)  # (N, T)
    counts = jnp.any(where, axis=2)
    least = jnp.finfo(maps.dtype).tiny  # of a share that rounds to zero
    missed = -jnp.log(jnp.maximum(jnp.where(counts, share, 1.0), least))
    return jnp.sum(jnp.where(counts, missed, 0.0), axis=1)

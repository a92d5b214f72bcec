"""Diverse beam search: groups of hypotheses, each of which avoids the words that the groups before it say."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def diverse_extensions(
    merit: Float[Array, "n g w v"], diversity_penalty: Float[Array, ""], end: int, n_kept: int
) -> tuple[Float[Array, "n g k"], Int[Array, "n g k"]]:
    r"""Group by group the best extensions, less what the groups before it have said at this position.

    $$ m_g(w_{\le t}) = m_g(w_{<t}) + \log p(w_t \mid w_{<t}) - \lambda \sum_{h < g} \sum_b [w_t = w^{(h, b)}_t] $$

    The penalty stays in a hypothesis' merit for good. Counted are the hypotheses that live on.

    Args:
        merit: `(N, G, W, V)`, without the penalty of this position.
        diversity_penalty: $\lambda$.
        end: a word that ends a caption; no penalty falls on it.
        n_kept: K.

    Returns:
        Merit and place among the G W V extensions of a row, both `(N, G, K)`.

    Example:
        >>> merit = jnp.log(jnp.array([[[[0.1, 0.5, 0.4]], [[0.1, 0.5, 0.4]]]]))
        >>> diverse_extensions(merit, jnp.array(1.0), end=0, n_kept=1)[1]  # words 1, and 2 of the second group
        Array([[[1],
                [5]]], dtype=int32)

    References:
        Vijayakumar et al., "Diverse beam search: decoding diverse solutions from neural sequence models",
        https://arxiv.org/abs/1610.02424, 2016, equation 6 with Hamming diversity (section 4).
    """
    n, n_groups, width, n_words = merit.shape
    n_said = jnp.zeros((n, n_words), merit.dtype)
    found: list[tuple[Array, Array]] = []
    for group in range(n_groups):
        penalized = merit[:, group] - diversity_penalty * n_said[:, None]  # (N, W, V)
        best, place = jax.lax.top_k(penalized.reshape(n, -1), n_kept)
        found.append((best, place + group * width * n_words))
        word = place % n_words
        lives, stay = jax.lax.top_k(jnp.where(word == end, -jnp.inf, best), width)
        said = jnp.take_along_axis(word, stay, axis=1)  # (N, W)
        n_said = n_said.at[jnp.arange(n)[:, None], said].add((lives > -jnp.inf).astype(n_said.dtype))
    best, place = (jnp.stack(arrays, axis=1) for arrays in zip(*found, strict=True))
    return best, place

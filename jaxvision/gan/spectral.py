"""Bounds on a critic's weights themselves: spectral normalisation and clipping, as functions of any pytree."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.errors import InputError
from jaxvision.pixels import Keys

Model = TypeVar("Model")
Vectors = tuple[Float[Array, " _"], ...]
"""One unit vector for each kernel of a model, in the order of `jax.tree.leaves`: the state of the power iteration."""
TINY = 1e-12  # added to norms: a kernel of zeros stays one


def spectral_norm(
    kernel: Float[Array, "*taps d"], vector: Float[Array, " d"], *, n_steps: int = 1
) -> tuple[Float[Array, ""], Float[Array, " d"]]:
    r"""The largest singular value of a kernel by power iteration from a vector that is kept between calls.

    $$ v \leftarrow \frac{W u}{\lVert W u \rVert}, \qquad u \leftarrow \frac{W^\top v}{\lVert W^\top v \rVert}, \qquad
       \sigma = v^\top W u $$

    Both vectors are constants to a derivative; that of $\sigma$ is $v u^\top$.

    Args:
        kernel: $W$, reshaped to `(product of taps, d)`.
        vector: $u$, `(d,)`, of unit length, from the last call or `spectral_vectors`.
        n_steps: of the iteration; one is enough where the kernel moves slowly. 0 leaves the vector as it is.

    Returns:
        $\sigma$, from below, and the next $u$.

    Example:
        >>> sigma, _ = spectral_norm(jnp.diag(jnp.array([3.0, 1.0])), jnp.array([0.6, 0.8]), n_steps=20)
        >>> sigma.round(4)
        Array(3., dtype=float32)

    References:
        Miyato et al., "Spectral normalization for generative adversarial networks", https://arxiv.org/abs/1802.05957,
        2018, algorithm 1.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    fixed = jax.lax.stop_gradient(matrix)
    for _ in range(n_steps):
        vector = _unit(_unit(fixed @ vector) @ fixed)
    vector = jax.lax.stop_gradient(vector)
    return _unit(fixed @ vector) @ (matrix @ vector), vector


def spectral_vectors(model: object, key: Keys) -> Vectors:
    """Random unit vectors to begin the power iteration of every kernel with.

    Args:
        model: a pytree of arrays; those of two and more axes are kernels.
        key: one key.

    Returns:
        For each kernel `(d,)`, d its last axis.

    Example:
        >>> model = {"kernel": jnp.ones((3, 3, 8, 4)), "bias": jnp.zeros(4)}
        >>> [vector.shape for vector in spectral_vectors(model, jax.random.key(0))]
        [(4,)]
    """
    widths = [leaf.shape[-1] for leaf in jax.tree.leaves(model) if leaf.ndim > 1]
    return tuple(_unit(jax.random.normal(jax.random.fold_in(key, i), (width,))) for i, width in enumerate(widths))


def spectral_normalize(model: Model, vectors: Vectors, *, n_steps: int = 1) -> tuple[Model, Vectors]:
    r"""The same model with every kernel divided by its largest singular value, $W / \sigma(W)$.

    The derivative goes through the division: train the model that is given in, and score with what comes out.

    Args:
        model: a pytree of arrays; those of two and more axes are kernels, the rest stays.
        vectors: of the last call, or of `spectral_vectors`.
        n_steps: of the power iteration; 0 where a result must not change with the number of calls.

    Returns:
        The normalised model and the next vectors.

    Raises:
        InputError: if the vectors are not those of this model.

    Example:
        >>> model = {"kernel": jnp.diag(jnp.array([4.0, 2.0])), "bias": jnp.ones(2)}
        >>> normalized, _ = spectral_normalize(model, spectral_vectors(model, jax.random.key(0)), n_steps=20)
        >>> normalized["kernel"].round(4)
        Array([[1. , 0. ],
               [0. , 0.5]], dtype=float32)

    References:
        Miyato et al., "Spectral normalization for generative adversarial networks", https://arxiv.org/abs/1802.05957,
        2018, equation 8 and algorithm 1. A convolution's kernel counts as a matrix of all taps by features, as there.
    """
    leaves, structure = jax.tree.flatten(model)
    kernels = [index for index, leaf in enumerate(leaves) if leaf.ndim > 1]
    if [leaves[index].shape[-1:] for index in kernels] != [vector.shape for vector in vectors]:
        raise InputError(
            f"{len(vectors)} vectors do not fit the model's {len(kernels)} kernels: make them with spectral_vectors"
        )
    moved = []
    for index, vector in zip(kernels, vectors, strict=True):
        sigma, vector = spectral_norm(leaves[index], vector, n_steps=n_steps)
        leaves[index] = leaves[index] / jnp.where(sigma > 0, sigma, jnp.ones_like(sigma))  # zeros stay zeros
        moved.append(vector)
    return jax.tree.unflatten(structure, leaves), tuple(moved)


def clip_weights(model: Model, bound: float = 0.01) -> Model:
    r"""Every weight within $[-c, c]$: the first way to bound a Wasserstein critic's slope.

    Args:
        model: a pytree of arrays.
        bound: $c$.

    Returns:
        The clipped model.

    Example:
        >>> clip_weights({"kernel": jnp.array([0.5, -0.5, 0.001])})["kernel"]
        Array([ 0.01 , -0.01 ,  0.001], dtype=float32)

    References:
        Arjovsky, Chintala and Bottou, "Wasserstein GAN", https://arxiv.org/abs/1701.07875, 2017, algorithm 1.
    """
    return jax.tree.map(lambda leaf: jnp.clip(leaf, -bound, bound), model)


def _unit(vector: Float[Array, " d"]) -> Float[Array, " d"]:
    return vector / (jnp.linalg.norm(vector) + TINY)

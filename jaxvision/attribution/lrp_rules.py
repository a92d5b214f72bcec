r"""How an affine layer hands relevance back: rules of layer-wise relevance propagation.

A layer is any affine function whose pytree leaves are its weights. A rule changes the leaves, or the sign of what goes
in, and never has to know whether they are of a convolution, a matrix or a sum; shares are a derivative's:

$$ R_i = \sum_j \frac{x_i w_{ij}}{z_j} R_j = x_i \, \frac{\partial}{\partial x_i} \sum_j z_j(x) \, c_j, \qquad
   c_j = \frac{R_j}{z_j} \text{ held fixed} $$
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxvision.attribution.rules import Layer, backward_rule
from jaxvision.errors import InputError
from jaxvision.signatures import Rule


@functools.cache
def epsilon_rule(eps: float = 1e-9, *, has_bias: bool = True) -> Rule:
    r"""Shares in proportion to contributions, of any sign.

    $$ R_i = \sum_j \frac{x_i w_{ij}}{z_j + \epsilon \operatorname{sign} z_j} R_j, \qquad
       z_j = \sum_i x_i w_{ij} + b_j $$

    Args:
        eps: $\epsilon$, zero or more, in units of the layer's output: takes relevance from sums that cancel.
        has_bias: whether $b_j$ counts in $z_j$, and so takes a share that goes no further; else relevance is conserved.

    Returns:
        A rule for `lrp`; the same function for the same numbers.

    Raises:
        InputError: if `eps` is negative.

    Example:
        >>> import jax
        >>> layer = jax.tree_util.Partial(lambda kernel, x: x @ kernel, jnp.array([[2.0], [-1.0]]))
        >>> y, pull_back = jax.vjp(lambda x: epsilon_rule()(layer, x), jnp.array([[3.0, 1.0]]))
        >>> pull_back(jnp.array([[10.0]]))[0]  # 6 of 5, and -1 of 5
        Array([[12., -2.]], dtype=float32)

    References:
        Bach et al., "On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
        propagation", https://doi.org/10.1371/journal.pone.0130140, 2015, equation 58.
    """
    _check(eps=eps)
    return backward_rule(lambda layer, x, relevance: _shares(layer, x, relevance, eps, has_bias))


@functools.cache
def gamma_rule(gamma: float = 0.25, *, eps: float = 1e-9, has_bias: bool = True) -> Rule:
    r"""Shares in proportion to contributions, of which those by positive weights count for more.

    $$ R_i = \sum_j \frac{x_i (w_{ij} + \gamma w_{ij}^+)}{z_j + \epsilon \operatorname{sign} z_j} R_j, \qquad
       z_j = \sum_i x_i (w_{ij} + \gamma w_{ij}^+) + b_j + \gamma b_j^+ $$

    Args:
        gamma: $\gamma$, zero or more: zero for the epsilon rule; the larger, the less negative relevance.
        eps: $\epsilon$, zero or more, in units of the layer's output.
        has_bias: as `epsilon_rule`.

    Returns:
        A rule for `lrp`, meant for x of zero or more; the same function for the same numbers.

    Raises:
        InputError: if `gamma` or `eps` is negative.

    Example:
        >>> import jax
        >>> layer = jax.tree_util.Partial(lambda kernel, x: x @ kernel, jnp.array([[2.0], [-1.0]]))
        >>> y, pull_back = jax.vjp(lambda x: gamma_rule(0.5)(layer, x), jnp.array([[3.0, 1.0]]))
        >>> pull_back(jnp.array([[8.0]]))[0]  # 9 of 8, and -1 of 8
        Array([[ 9., -1.]], dtype=float32)

    References:
        Montavon et al., "Layer-wise relevance propagation: an overview",
        https://doi.org/10.1007/978-3-030-28954-6_10, 2019, section 10.2.1. Departure: with an epsilon.
    """
    _check(gamma=gamma, eps=eps)

    def raise_positive(leaf: Array) -> Array:
        return leaf + gamma * jnp.maximum(leaf, 0)

    def hand_back(layer: Layer, x: Any, relevance: Array) -> Any:
        return _shares(jax.tree.map(raise_positive, layer), x, relevance, eps, has_bias)

    return backward_rule(hand_back)


@functools.cache
def alpha_beta_rule(alpha: float = 1.0, beta: float = 0.0, *, eps: float = 1e-9, has_bias: bool = True) -> Rule:
    r"""Positive and negative contributions apart, each sharing out its part.

    $$ R_i = \sum_j \left(\alpha \frac{z_{ij}^+}{z_j^+} - \beta \frac{z_{ij}^-}{z_j^-}\right) R_j, \qquad
       z_{ij} = x_i w_{ij}, \qquad z_j^\pm = \sum_i z_{ij}^\pm + b_j^\pm $$

    With 1 and 0 it is the $z^+$ rule of deep Taylor decomposition: no negative relevance, where the logit is positive.
    A layer without weights of its own, a mean or a sum, hands back by the epsilon rule.

    Args:
        alpha: $\alpha$, one or more.
        beta: $\beta = \alpha - 1$, so that relevance is conserved.
        eps: moves each $z_j^\pm$ away from zero.
        has_bias: as `epsilon_rule`.

    Returns:
        A rule for `lrp`; the same function for the same numbers.

    Raises:
        InputError: if `alpha - beta` is not 1, or one is negative.

    Example:
        >>> import jax
        >>> layer = jax.tree_util.Partial(lambda kernel, x: x @ kernel, jnp.array([[2.0], [-1.0], [1.0]]))
        >>> y, pull_back = jax.vjp(lambda x: alpha_beta_rule(2.0, 1.0)(layer, x), jnp.array([[3.0, 1.0, 2.0]]))
        >>> pull_back(jnp.array([[8.0]]))[0]  # 16 as 6 to 2, and -8
        Array([[12., -8.,  4.]], dtype=float32)

    References:
        Bach et al., "On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
        propagation", https://doi.org/10.1371/journal.pone.0130140, 2015, equation 60, whose beta is the negative of
        this one; Montavon et al., "Explaining nonlinear classification decisions with deep Taylor decomposition",
        https://arxiv.org/abs/1512.02479, 2015, equation 14, for the z+ rule.
    """
    _check(alpha=alpha, beta=beta, eps=eps)
    if abs(alpha - beta - 1) > 1e-6:
        raise InputError(f"alpha - beta must be 1, so that relevance is conserved, got {alpha} - {beta}")

    def hand_back(layer: Layer, x: Any, relevance: Array) -> Any:
        if not jax.tree.leaves(layer):
            return _shares(layer, x, relevance, eps, has_bias)
        raised, lowered = _parts(layer)
        positive, negative = _parts(x)

        def part(same: Layer, other: Layer) -> Any:
            """Shares of the contributions of one sign, by weights of the same sign as x and of the other."""
            summed = functools.partial(_sum_of_two, same, other)
            return jax.tree.map(jnp.add, *_shares(summed, (positive, negative), relevance, eps, has_bias))

        plus = part(raised, lowered)
        if beta == 0:
            return plus
        return jax.tree.map(lambda p, m: alpha * p - beta * m, plus, part(lowered, raised))

    return backward_rule(hand_back)


def _shares(layer: Layer, x: Any, relevance: Array, eps: float, has_bias: bool) -> Any:
    """Relevance handed to x in proportion to what each of its values contributes."""
    z, pull_back = jax.vjp(layer if has_bias else functools.partial(_without_bias, layer), x)
    z = z + jnp.where(z < 0, -eps, eps)
    (derivative,) = pull_back(relevance / jnp.where(z == 0, 1, z))
    return jax.tree.map(jnp.multiply, x, derivative)


def _parts(tree: Any) -> tuple[Any, Any]:
    """What is positive in arrays, and what is negative."""
    positive = jax.tree.map(lambda leaf: jnp.maximum(leaf, 0), tree)
    return positive, jax.tree.map(lambda leaf: jnp.minimum(leaf, 0), tree)


def _sum_of_two(same: Layer, other: Layer, x: tuple[Any, Any]) -> Array:
    """One layer of the positive and one of the negative part; the bias in the first."""
    return same(x[0]) + _without_bias(other, x[1])


def _without_bias(layer: Layer, x: Any) -> Array:
    """The linear part of an affine layer, which is its derivative in the direction of x."""
    return jax.jvp(layer, (x,), (x,))[1]


def _check(**values: float) -> None:
    for name, value in values.items():
        if value < 0:
            raise InputError(f"{name} must be zero or more, got {value}")

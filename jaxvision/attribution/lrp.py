"""Layer-wise relevance propagation: a logit, handed back from each unit to those that it was made of."""

import functools

import jax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.attribution.lrp_rules import epsilon_rule
from jaxvision.attribution.rules import Layer, backward_rule
from jaxvision.pixels import Classes, check_images, check_labels, in_chunks, pytree_function, target_logit
from jaxvision.signatures import PLAIN, Rule, RuledFn, Rules


def lrp(
    ruled_fn: RuledFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    rule: Rule = epsilon_rule(),  # noqa: B008 - the same function at every call
) -> Float[Array, "n h w c"]:
    r"""The class logit, handed back layer by layer to what contributed to it.

    $$ R_i = \sum_j \frac{z_{ij}}{\sum_{i'} z_{i'j}} R_j, \qquad z_{ij} = x_i w_{ij}, \qquad R_y = s_y $$

    What a `rule` does to the quotient makes the difference: `epsilon_rule`, `gamma_rule`, `alpha_beta_rule`. A ReLU
    hands relevance on as it is, a maximum all of it to the largest. Relevance is conserved up to what biases and
    $\epsilon$ take. With `epsilon_rule(0)` and no biases it is the gradient times the input.

    Args:
        ruled_fn: images `(N, H, W, C)` and rules to logits `(N, K)`, before the softmax, each image on its own:
            `backbones.ruled_fn(model)`, or a function of your own that runs its layers as `rules.affine(layer, x)`,
            with a layer that is a pytree of its weights, and its ReLUs as `rules.relu(jax.nn.relu, x)`.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        rule: how an affine layer hands relevance on. One that tells layers apart is a function of a module, as
            `def composite(layer, x): return (epsilon_rule() if x.ndim == 2 else gamma_rule())(layer, x)`.

    Returns:
        `(N, H, W, C)`, logits: each value's relevance.

    Raises:
        InputError: if images, labels or logits have the wrong shape, type or range.

    Example:
        >>> import jax.numpy as jnp
        >>> def dense(kernel, x):
        ...     return x.reshape(1, 2) @ kernel
        >>> def network(images, rules):
        ...     return rules.affine(jax.tree_util.Partial(dense, jnp.array([[2.0], [-1.0]])), images)
        >>> lrp(network, jnp.array([3.0, 1.0]).reshape(1, 1, 2, 1), jnp.array([0])).ravel()
        Array([ 6., -1.], dtype=float32)

    References:
        Bach et al., "On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
        propagation", https://doi.org/10.1371/journal.pone.0130140, 2015, section "Layer-wise relevance propagation".
    """
    images = check_images(images)
    ruled_fn = pytree_function(ruled_fn)
    labels = check_labels(jax.tree_util.Partial(_plain, ruled_fn), images, labels)
    return _lrp(ruled_fn, images, labels, rule=rule)


@functools.partial(jax.jit, static_argnames="rule")
def _lrp(
    ruled_fn: RuledFn, images: Float[Array, "n h w c"], labels: Int[Array, " n"], *, rule: Rule
) -> Float[Array, "n h w c"]:
    def hand_back(images: Array, labels: Array) -> Array:
        rules = Rules(affine=rule, relu=PASSING)
        scores, pull_back = jax.vjp(lambda x: target_logit(ruled_fn(x, rules), labels), images)
        return pull_back(scores)[0]

    return in_chunks(hand_back, images, labels)


def _plain(ruled_fn: RuledFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return ruled_fn(images, PLAIN)


def _pass(layer: Layer, x: Array, relevance: Array) -> Array:
    return relevance


PASSING = backward_rule(_pass)

"""DeepLIFT: a logit's change from a baseline to an image, taken back through the layers as ratios of changes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Num

from jaxvision.attribution.gradients import logit_gradient
from jaxvision.attribution.rules import Layer, backward_rule
from jaxvision.pixels import (
    Classes,
    check_baseline,
    check_images,
    check_labels,
    in_chunks,
    pytree_function,
    target_logit,
)
from jaxvision.signatures import RuledFn, Rules

PAIR = "image and baseline"  # the axis along which rules see both


class DeepLift(NamedTuple):
    """What each value contributes, and what is missing.

    Attributes:
        attributions: `(N, H, W, C)`, logits: each value's share of the change.
        delta: `(N,)`, logits: the sum of the shares less the change itself, zero but for rounding.
    """

    attributions: Float[Array, "n h w c"]
    delta: Float[Array, " n"]


def deep_lift(
    ruled_fn: RuledFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    baseline: Num[ArrayLike, "..."] | None = None,
) -> DeepLift:
    r"""The change of the class logit, shared out by ratios of changes in place of derivatives (the rescale rule).

    $$ A = (I - I') \odot m_I, \qquad m_x = \frac{y - y'}{x - x'} \, m_y \quad \text{for each} \quad
       y = \operatorname{ReLU}(x), \qquad \delta = \textstyle\sum A - \bigl(s_y(I) - s_y(I')\bigr) $$

    Affine layers hand multipliers $m$ back as a gradient does. A maximum over a window, with $\hat y = \max(y, y')$,
    gives $\hat y - y'$ to where the image is largest and $y - \hat y$ to where the baseline is. Then the shares add up
    to the change, unlike those of a gradient, by one backward pass. Where $x = x'$ the derivative stands for the ratio.

    Args:
        ruled_fn: images `(N, H, W, C)` and rules to logits `(N, K)`, before the softmax, each image on its own:
            `backbones.ruled_fn(model)`, or a function of your own that runs its ReLUs as `rules.relu(jax.nn.relu, x)`
            and its pools as `rules.max_pool(pool, x)`. It is mapped by `jax.vmap` over image and baseline.
        images: `(N, H, W, C)` floats in the classifier's own range.
        labels: `(N,)` integers in `[0, K)`.
        baseline: $I'$, what counts as absence, in the range of the images: anything that broadcasts to their shape.
            None for zeros, which in an ImageNet-normalised range is a mean grey, not black.

    Returns:
        Attributions `(N, H, W, C)` and delta `(N,)`, in logits. A large delta tells of a nonlinear layer outside the
        rules.

    Raises:
        InputError: if images, labels, baseline or logits have the wrong shape, type or range.

    Example:
        >>> def network(images, rules):
        ...     return rules.relu(jax.nn.relu, images.sum(axis=(1, 2)) - 1)
        >>> result = deep_lift(network, jnp.array([2.0, 2.0]).reshape(1, 1, 2, 1), jnp.array([0]))
        >>> result.attributions.ravel(), result.delta  # from -1 to 3 the ReLU rises by 3 of 4
        (Array([1.5, 1.5], dtype=float32), Array([0.], dtype=float32))

    References:
        Shrikumar, Greenside and Kundaje, "Learning important features through propagating activation differences",
        https://arxiv.org/abs/1704.02685, 2017, sections 3.1, 3.2 and 3.5.1: summation to delta, multipliers, and the
        rescale rule. Departures: no reveal-cancel rule; maxima as said above, for which the paper has none.
    """
    images = check_images(images)
    ruled_fn = pytree_function(ruled_fn)
    labels = check_labels(jax.tree_util.Partial(_plain, ruled_fn), images, labels)
    return _deep_lift(ruled_fn, images, check_baseline(baseline, images), labels)


@jax.jit
def _deep_lift(
    ruled_fn: RuledFn, images: Float[Array, "n h w c"], baseline: Float[Array, "n h w c"], labels: Int[Array, " n"]
) -> DeepLift:
    def share_out(images: Array, baseline: Array, labels: Array) -> DeepLift:
        def multipliers(x: Array) -> tuple[Array, Array]:
            score = target_logit(_plain(ruled_fn, x), labels)
            return score, logit_gradient(lambda x: ruled_fn(x, RESCALE), x, labels)

        pair = jnp.stack([images, baseline])
        (score, score_before), (multiplier, _) = jax.vmap(multipliers, axis_name=PAIR)(pair)
        attributions = (images - baseline) * multiplier
        return DeepLift(attributions, jnp.sum(attributions, axis=(1, 2, 3)) - (score - score_before))

    return in_chunks(share_out, images, baseline, labels)


def _plain(ruled_fn: RuledFn, images: Float[Array, "n h w c"]) -> Float[Array, "n k"]:
    return ruled_fn(images, Rules())


def _ratio(layer: Layer, x: Array, multiplier: Array) -> Array:
    """Back through a function of each value alone."""
    y, pull_back = jax.vjp(layer, x)
    (x_now, x_before), (y_now, y_before) = (jax.lax.all_gather(value, PAIR) for value in (x, y))
    change = x_now - x_before
    ratio = (y_now - y_before) / jnp.where(change == 0, 1, change)
    return jnp.where(change == 0, pull_back(multiplier)[0], ratio * multiplier)


def _ratio_of_maxima(layer: Layer, x: Array, multiplier: Array) -> Array:
    """Back through maxima over windows, which may overlap."""
    y, pull_back = jax.vjp(layer, x)
    (x_now, x_before), (y_now, y_before) = (jax.lax.all_gather(value, PAIR) for value in (x, y))
    is_now = jax.lax.axis_index(PAIR) == 0
    risen = jnp.maximum(y_now, y_before)
    # Each member of the pair sends its part to where it is itself the largest.
    part = jnp.where(is_now, risen - y_before, y_now - risen)
    change = x_now - x_before
    shares = jax.lax.psum(pull_back(multiplier * part)[0], PAIR)
    return jnp.where(change == 0, pull_back(multiplier)[0], shares / jnp.where(change == 0, 1, change))


RESCALE = Rules(relu=backward_rule(_ratio), max_pool=backward_rule(_ratio_of_maxima))

"""Can an attack's failure be believed? Signs that a network only hides its gradients."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds
from jaxvision.adversarial.losses import cross_entropy_loss
from jaxvision.adversarial.norms import LINF
from jaxvision.adversarial.pgd import LossFn, pgd
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, in_chunks, margin, pytree_function, summing_dtype
from jaxvision.signatures import LogitsFn

STEP = 1e-2  # of the range: short enough for a gradient to be right, long enough for float32
N_STEPS = 20  # of the attack that may do anything
ALIKE = 1e-3  # of the largest logit: what rounding may do
FEW = 0.05  # of the images, that may be exceptions


class AttackDiagnostics(NamedTuple):
    """What was seen, as shares of the images that the classifier is right about; NaN where there are none.

    Attributes:
        accuracy: of all images, those the classifier is right about.
        zero_gradients: whose loss has no gradient at all.
        non_finite_gradients: whose gradient has a NaN or an infinity.
        does_not_climb: whose loss is no higher after a short step along the gradient's sign.
        unbroken: still right after an attack that may change every value as it likes.
        random: how much the logits of two calls differ, over the largest logit; NaN where one is not finite.
        neighbours: how much an image's logits differ with the others in the batch, likewise.
    """

    accuracy: float
    zero_gradients: float
    non_finite_gradients: float
    does_not_climb: float
    unbroken: float
    random: float
    neighbours: float


def attack_diagnostics(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    bounds: Bounds = (0.0, 1.0),
    loss: LossFn = cross_entropy_loss,
) -> AttackDiagnostics:
    r"""Looks for what makes attacks by gradients fail where others would not.

    Gradients that vanish, are not numbers, or point where the loss does not rise,

    $$ L\bigl(x + \tfrac{1}{100} (u - l) \operatorname{sign} \nabla L(x)\bigr) \le L(x), $$

    come from rounding, thresholds or saturated outputs. An attack without a limit that does not succeed is a broken
    attack. A classifier that draws random numbers must be attacked on average over them, and one that mixes the images
    of a batch cannot be attacked image by image. `explain` puts it in words.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`.
        images: `(N, H, W, C)` floats within the bounds; a few dozen will do.
        labels: `(N,)` integers in `[0, K)`, the true classes.
        bounds: $l$ and $u$, numbers or one for each channel `(C,)`.
        loss: $L$, that an attack would climb.

    Returns:
        Numbers in [0, 1] but for the last two, which are zero or more.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range, or there is no image.

    Example:
        >>> rounded = lambda images: jnp.round(4 * images.mean(axis=(1, 2)))  # no gradient anywhere
        >>> images = jnp.array([[0.75, 0.25], [0.25, 0.75]]).reshape(2, 1, 1, 2)
        >>> found = attack_diagnostics(rounded, images, jnp.array([0, 1]))
        >>> found.zero_gradients, explain(found)[0][:54]
        (1.0, '100 % of the images have a gradient of zero everywhere')

    References:
        Carlini et al., "On evaluating adversarial robustness", https://arxiv.org/abs/1902.06705, 2019, section 4.
        Athalye, Carlini and Wagner, "Obfuscated gradients give a false sense of security",
        https://arxiv.org/abs/1802.00420, 2018, section 3.1.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    low, high = check_bounds(images, bounds)
    if len(images) == 0:
        raise InputError("attack_diagnostics looks at one image or more, got none: give a few dozen")
    half = images[: (len(images) + 1) // 2]
    once, again, fewer = (
        logits_fn(x) for x in (images, images, half)
    )  # not compiled: random numbers would be constants
    function = pytree_function(logits_fn)
    right, *signs = (np.asarray(x) for x in _signs(function, pytree_function(loss), images, labels, low, high))
    eps = jnp.max(high - low)
    attacked = pgd(
        logits_fn,
        images,
        labels,
        eps=eps,
        step_size=eps / 4,
        n_steps=N_STEPS,
        norm=LINF,
        random_start=False,
        bounds=bounds,
        loss=loss,
    )
    signs.append(~np.asarray(attacked.success))
    zero, non_finite, flat, unbroken = (float(sign[right].mean()) if right.any() else float("nan") for sign in signs)
    random, neighbours = (_difference(once[: len(other)], other, once) for other in (again, fewer))
    return AttackDiagnostics(float(right.mean()), zero, non_finite, flat, unbroken, random, neighbours)


def _difference(one: Array, other: Array, logits: Array) -> float:
    """The largest, over the largest of the logits; NaN where there is one."""
    a, b, all_ = (np.asarray(x).astype(summing_dtype(x.dtype)) for x in (one, other, logits))
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite(all_).all()):
        return float("nan")
    return float(np.abs(a - b).max() / max(float(np.abs(all_).max()), np.finfo(all_.dtype).tiny))


@jax.jit
def _signs(
    logits_fn: LogitsFn,
    loss_fn: LossFn,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    low: Array,
    high: Array,
) -> tuple[Array, Array, Array, Array]:
    """For each image: whether it is right, has no gradient, has one that is no number, or one that leads nowhere."""

    def signs(images: Array, labels: Array) -> tuple[Array, Array, Array, Array]:
        def loss(images: Array) -> tuple[Array, Array]:
            logits = logits_fn(images)
            return loss_fn(logits, labels), margin(logits, labels) > 0

        before, pull_back, right = jax.vjp(loss, images, has_aux=True)
        (gradient,) = pull_back(jnp.ones_like(before))
        axes = (1, 2, 3)
        finite = jnp.all(jnp.isfinite(gradient), axis=axes)
        moved = jnp.clip(images + STEP * (high - low) * jnp.sign(jnp.nan_to_num(gradient)), low, high)
        return right, jnp.all(gradient == 0, axis=axes), ~finite, ~(loss(moved)[0] > before)

    return in_chunks(signs, images, labels)


def explain(found: AttackDiagnostics) -> list[str]:
    """What was seen, in sentences; none where there is nothing to warn of.

    Args:
        found: of `attack_diagnostics`.

    Returns:
        A sentence for each sign, with what to do about it.

    Example:
        >>> explain(AttackDiagnostics(0.99, 0.0, 0.0, 0.01, 0.0, 0.0, 1e-7))
        []
        >>> explain(AttackDiagnostics(0.99, 0.0, 0.0, 0.01, 0.0, 0.2, 1e-7))[0][:57]
        'two calls give logits that differ by 20 % of the largest:'
    """
    shares = (
        (found.zero_gradients, "have a gradient of zero everywhere", "take margin_loss or dlr_loss, or square"),
        (found.non_finite_gradients, "have a gradient that is not finite", "look for a division or a root of zero"),
        (
            found.does_not_climb,
            "have a loss that does not rise along its gradient",
            "look for rounding or thresholds, and attack with square, which needs no gradients",
        ),
        (
            found.unbroken,
            "are still right when every value may change as it likes",
            "the attack fails, not the adversary: do not report its accuracy as robustness",
        ),
    )
    words = [f"{100 * share:.0f} % of the images {what}: {do}" for share, what, do in shares if share > FEW]
    if found.accuracy == 0:
        words.append(
            "the classifier is right about none of the images, so that there is nothing to attack: look at the labels, "
            "and at the range that it wants images in"
        )
    if math.isnan(found.random):
        words.append("logits are not finite: look for an overflow, a division or a logarithm of zero")
    if found.random > ALIKE:
        words.append(
            f"two calls give logits that differ by {_percent(found.random)} % of the largest: the classifier draws "
            "random numbers, attack the mean over many draws with keys of your own"
        )
    if found.neighbours > ALIKE:
        words.append(
            f"logits of an image change by {_percent(found.neighbours)} % of the largest with the others in the batch: "
            "use a classifier's inference mode, where images do not mix"
        )
    return words


def _percent(share: float) -> str:
    """A plain number: 20, 3, 0.2."""
    return f"{100 * share:.0f}" if share >= 0.01 else f"{100 * share:.1g}"

"""AutoAttack: four attacks in turn, each on the images that the ones before it have not fooled."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from jaxvision.adversarial.apgd import apgd, apgd_targeted
from jaxvision.adversarial.fab import fab
from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets
from jaxvision.adversarial.pgd import AttackResult
from jaxvision.adversarial.square import square
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, Keys, example_keys
from jaxvision.signatures import LogitsFn

STAGES = ("none", "apgd", "apgd_targeted", "fab", "square")
"""What `AutoAttackResult.stage` counts: "none" is an image that was wrong before any attack."""


class AutoAttackResult(NamedTuple):
    """Attacked images and what fooled the classifier; the share without success is its robust accuracy.

    Attributes:
        images: `(N, H, W, C)`; an image that is not fooled is as it was given.
        success: `(N,)` bool, whether another class than the label wins for these images.
        size: `(N,)`, the largest change of a value.
        stage: `(N,)` int32, an index into `STAGES`: the attack that fooled; -1 where none has.
    """

    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]
    size: Float[Array, " n"]
    stage: Int[Array, " n"]


def autoattack(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike,
    key: Keys,
    n_steps: int = 100,
    n_queries: int = 5000,
    n_target_classes: int = 9,
    batch_size: int = 64,
    bounds: Bounds = (0.0, 1.0),
) -> AutoAttackResult:
    r"""The standard protocol in $\ell_\infty$: `apgd` on the cross-entropy, `apgd_targeted`, `fab`, `square`.

    $$ \text{robust accuracy} = \frac{1}{n} \bigl| \{ i : \text{no attack has found } \lVert \delta_i \rVert_\infty \le
       \epsilon \text{ that fools} \} \bigr| $$

    An image that is fooled does not go on to the next attack. Those that do are packed, on the host, into batches of
    one size, the last one filled up with copies: each attack is compiled once however many are left, and the result of
    an image does not depend on its batch. For the same reason it cannot be called inside a `jax.jit`.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)` of at least 4 classes, each image on its own. A pytree such
            as `backbones.logits_fn(model)` keeps its weights out of the compiled programs.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`, the true classes.
        eps: $\epsilon$, in the images' unit: a number, or one for each image `(N,)`.
        key: one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.
        n_steps: of the first three attacks; of `apgd_targeted` and `fab` for each target.
        n_queries: steps of `square`.
        n_target_classes: targets of `apgd_targeted` and `fab`.
        batch_size: images in one call; fewer where there are no more.
        bounds: the lowest and the highest value, numbers or one for each channel `(C,)`.

    Returns:
        Images, success, size and stage.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range, there
            are fewer than 4 classes, or it is called inside a `jax.jit`.

    Example:
        >>> logits_fn = lambda images: images[:, 0, :, 0]  # four pixels, four classes
        >>> images = jnp.array([[0.75, 0.5, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
        >>> settings = {"eps": 0.25, "key": jax.random.key(0), "n_steps": 9, "n_queries": 9}
        >>> result = autoattack(logits_fn, images.reshape(3, 1, 4, 1), jnp.zeros(3, int), **settings)
        >>> [STAGES[stage] if stage >= 0 else "robust" for stage in result.stage]
        ['apgd', 'robust', 'none']

    References:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks", https://arxiv.org/abs/2003.01690, 2020, section 6. Departures: those of the four attacks.
    """
    if any(isinstance(x, Tracer) for x in (images, labels, eps, key)):
        raise InputError("autoattack packs the images that are left on the host: call it outside of jax.jit")
    images, labels = check_attacked(logits_fn, images, labels, least=4)  # what `targeted_dlr_loss` compares
    budgets = check_budgets(eps, images, "eps")
    check_bounds(images, bounds)
    if batch_size < 1:
        raise InputError(f"expected batch_size of at least 1, got {batch_size}")

    def first(images: Array, labels: Array, eps: Array, keys: Array) -> AttackResult:
        return apgd(logits_fn, images, labels, eps=eps, key=keys, n_steps=n_steps, bounds=bounds)

    def second(images: Array, labels: Array, eps: Array, keys: Array) -> AttackResult:
        number = n_target_classes
        return apgd_targeted(
            logits_fn, images, labels, eps=eps, key=keys, n_target_classes=number, n_steps=n_steps, bounds=bounds
        )

    def third(images: Array, labels: Array, eps: Array, keys: Array) -> AttackResult:
        number = n_target_classes
        found = fab(logits_fn, images, labels, eps=eps, n_target_classes=number, n_steps=n_steps, bounds=bounds)
        return found._replace(success=found.success & (found.size <= eps))

    def fourth(images: Array, labels: Array, eps: Array, keys: Array) -> AttackResult:
        return square(logits_fn, images, labels, eps=eps, key=keys, n_steps=n_queries, bounds=bounds)

    return _in_turn((first, second, third, fourth), images, labels, budgets, example_keys(key, len(images)), batch_size)


def _in_turn(
    attacks: tuple[Callable[[Array, Array, Array, Array], AttackResult], ...],
    images: Array,
    labels: Array,
    eps: Array,
    keys: Array,
    batch_size: int,
) -> AutoAttackResult:
    n = len(images)
    found, size, stage = np.array(images), np.zeros(n, images.dtype), np.full(n, -1, np.int32)
    for number, attack in enumerate(attacks, 1):
        left = np.flatnonzero(stage < 0)
        for begin in range(0, len(left), batch_size):
            chosen = left[begin : begin + batch_size]
            full = np.pad(chosen, (0, min(batch_size, n) - len(chosen)), mode="edge")
            own = jax.vmap(jax.random.fold_in, (0, None))(keys[full], number)
            result = jax.device_get(attack(images[full], labels[full], eps[full], own))
            success = result.success[: len(chosen)]
            fooled = chosen[success]
            found[fooled] = result.images[: len(chosen)][success]
            size[fooled] = result.size[: len(chosen)][success]
            stage[fooled] = np.where(size[fooled] > 0, number, 0)
    return AutoAttackResult(*(jnp.asarray(x) for x in (found, stage >= 0, size, stage)))

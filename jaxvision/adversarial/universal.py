"""Universal perturbations: one change that fools a classifier about most images."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets
from jaxvision.adversarial.losses import cross_entropy_loss
from jaxvision.adversarial.norms import LINF, Norm
from jaxvision.adversarial.pgd import LossFn
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, in_chunks, margin, pytree_function
from jaxvision.signatures import LogitsFn


class UniversalPerturbation(NamedTuple):
    """One change for all images, and what it does to those that it was made from.

    Attributes:
        perturbation: `(H, W, C)`, of size eps at most, in the images' unit.
        images: `(N, H, W, C)`, with it, clipped to the bounds.
        success: `(N,)` bool, of these images: whether another class than the label wins, or the target does.
    """

    perturbation: Float[Array, "h w c"]
    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]


def universal_perturbation(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike,
    key: PRNGKeyArray,
    step_size: ArrayLike | None = None,
    n_epochs: int = 10,
    batch_size: int = 64,
    norm: Norm = LINF,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
    loss: LossFn = cross_entropy_loss,
    ceiling: ArrayLike = 9.0,
) -> UniversalPerturbation:
    r"""Climb the mean loss of batch after batch with one perturbation for all images.

    $$ \delta \leftarrow \Pi_\epsilon\Bigl(\delta + \alpha\, d\Bigl(\frac{1}{|B|} \sum_{i \in B} \nabla_\delta
       \min\bigl(L(\operatorname{clip}(x_i + \delta, l, h), y_i),\, \beta\bigr)\Bigr)\Bigr) $$

    $d$ is the norm's steepest direction. The ceiling $\beta$ keeps the images that are fooled already from drawing the
    whole step to themselves. Images are drawn in a new order in every epoch; what fills no batch is left out of it. One
    program; its memory is that of a batch. Whether the perturbation fools others than the images given is to be tried
    on others.

    Of the two algorithms in use this is the one by stochastic gradients: the older one moves the perturbation by a
    DeepFool for each image that is not fooled yet, takes tens of times as long and fools fewer.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`: the true classes, or the target where `targeted`.
        eps: $\epsilon$, a number in the images' unit.
        key: decides the order of the images.
        step_size: $\alpha$, a number; a tenth of eps if not given.
        n_epochs: how often every image is looked at.
        batch_size: $|B|$, at most N.
        norm: of the perturbation: `LINF`, `L2` or `L1`.
        targeted: descend the loss of a target in place of climbing that of the labels.
        bounds: $l$ and $h$, numbers or one for each channel `(C,)`.
        loss: `(logits (N, K), labels (N,)) -> (N,)`, higher the more wrong the classifier is.
        ceiling: $\beta$, in units of the loss; not looked at where `targeted`.

    Returns:
        Perturbation, images and success.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images[:, 0, 0, 0], images[:, 0, 1, 0]], axis=1)
        >>> images = jnp.array([[0.75, 0.25], [0.5, 0.375]]).reshape(2, 1, 2, 1)
        >>> found = universal_perturbation(logits_fn, images, jnp.array([0, 0]), eps=0.125, key=jax.random.key(0))
        >>> found.perturbation.ravel(), found.success  # enough for the second image
        (Array([-0.125,  0.125], dtype=float32), Array([False,  True], dtype=bool))

    References:
        Shafahi, Najibi, Xu, Dickerson, Davis and Goldstein, "Universal adversarial training",
        https://arxiv.org/abs/1811.11304, 2018, algorithm 2 and equation 4. Moosavi-Dezfooli et al., "Universal
        adversarial perturbations", https://arxiv.org/abs/1610.08401, 2016: that there are any. Departure: the
        perturbed images are clipped to the bounds.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    size = check_budgets(eps, images[:1], "eps")
    rate = 0.1 * size if step_size is None else check_budgets(step_size, images[:1], "step_size")
    if min(n_epochs, batch_size) < 1:
        raise InputError(f"n_epochs and batch_size must be 1 or more, got {n_epochs} and {batch_size}")
    problem = pytree_function(logits_fn), pytree_function(loss), check_bounds(images, bounds), ceiling
    found = _universal(problem, images, labels, size, rate, key, n_epochs, norm, targeted, min(batch_size, len(images)))
    return jax.lax.stop_gradient(found)


Problem = tuple[LogitsFn, LossFn, tuple[Array, Array], ArrayLike]
"""Logits, loss, bounds and ceiling."""


@functools.partial(jax.jit, static_argnums=(7, 8, 9))
def _universal(
    problem: Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, " one"],
    rate: Float[Array, " one"],
    key: Key[Array, ""],
    n_epochs: Int[ArrayLike, ""],
    norm: Norm,
    targeted: bool,
    batch_size: int,
) -> UniversalPerturbation:
    logits_fn, loss_fn, (low, high), ceiling = problem
    n_batches = len(images) // batch_size

    def perturbed(perturbation: Array, images: Array) -> Array:
        return jnp.clip(images + perturbation, low, high)

    def gain(perturbation: Array, rows: Array) -> Array:
        losses = loss_fn(logits_fn(perturbed(perturbation, images[rows])), labels[rows])
        return -jnp.mean(losses) if targeted else jnp.mean(jnp.minimum(losses, jnp.asarray(ceiling, losses.dtype)))

    def step(index: ArrayLike, state: tuple[Array, Array]) -> tuple[Array, Array]:
        perturbation, order = state
        rows = jax.lax.dynamic_slice_in_dim(order, index * batch_size, batch_size)
        gradient = jax.grad(gain)(perturbation, rows)
        room = jnp.broadcast_to(high - low, gradient.shape)
        moved = perturbation + rate[:, None, None, None] * norm.ascend(gradient, -room, room)
        return norm.project(moved, eps, -room, room), order

    def epoch(index: ArrayLike, perturbation: Array) -> Array:
        order = jax.random.permutation(jax.random.fold_in(key, index), len(images))
        return jax.lax.fori_loop(0, n_batches, step, (perturbation, order))[0]

    perturbation = jax.lax.fori_loop(0, n_epochs, epoch, jnp.zeros_like(images[:1]))
    attacked = perturbed(perturbation, images)
    lead = in_chunks(lambda images, labels: margin(logits_fn(images), labels), attacked, labels)
    return UniversalPerturbation(perturbation[0], attacked, lead > 0 if targeted else lead < 0)

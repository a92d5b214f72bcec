r"""Projected gradient ascent on a classifier's loss: FGSM, PGD, MI-, NI- and DI-FGSM are settings of one loop.

The loop is not `pixels.optimize`, whose optimiser and projection are parts of the program: here both need the
unperturbed image and a budget that may differ from image to image and be mapped over, and the best of all images on the
way is kept, by the loss that an optimiser never sees.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvision.adversarial.limits import Bounds, check_attacked, check_bounds, check_budgets
from jaxvision.adversarial.losses import cross_entropy_loss
from jaxvision.adversarial.norms import LINF, Norm
from jaxvision.adversarial.sizes import l1_size, or_one, over_images
from jaxvision.errors import InputError
from jaxvision.pixels import (
    Classes,
    Keys,
    Transform,
    example_keys,
    in_chunks,
    margin,
    pytree_function,
)
from jaxvision.signatures import LogitsFn

LossFn = Callable[[Array, Array], Array]
"""Logits `(N, K)` and labels `(N,)` -> `(N,)`, higher the more wrong the classifier is about the label."""


class AttackResult(NamedTuple):
    """Attacked images and what became of them.

    Attributes:
        images: `(N, H, W, C)`, in the range of the images given.
        success: `(N,)` bool, of these images: whether another class than the label wins, or the target does. A tie
            does not count.
        loss: `(N,)`, of these images.
        size: `(N,)`, the norm of the perturbation in the images' unit.
    """

    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]
    loss: Float[Array, " n"]
    size: Float[Array, " n"]


def pgd(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike,
    step_size: ArrayLike | None = None,
    n_steps: int = 40,
    norm: Norm = LINF,
    key: Keys | None = None,
    n_restarts: int = 1,
    random_start: bool = True,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
    loss: LossFn = cross_entropy_loss,
    momentum: ArrayLike | None = None,
    nesterov: bool = False,
    transform: Transform | None = None,
    keep_best: bool = True,
) -> AttackResult:
    r"""Climb the loss by steps of fixed size, always back to the nearest image within eps and the bounds.

    $$ x_{t+1} = \Pi_{S} \bigl( x_t + \alpha\, d(g_t) \bigr), \qquad g_t = \nabla_x L(s(x_t), y), \qquad
       S = \{x : \lVert x - x_{\text{clean}} \rVert_p \le \epsilon,\; l \le x \le h\} $$

    $d$ is the norm's steepest direction, $\operatorname{sign}$ for `LINF`. With `momentum` $\mu$ the direction is that
    of $m_t = \mu m_{t-1} + g_t / \lVert g_t \rVert_1$. Of all images on the way, and of all restarts, each image keeps
    its best: one that succeeds beats one that does not, then the higher loss counts. One program, one pass forward and
    backward for each step and one forward at the end; its memory does not depend on the number of steps.

    MI-FGSM is `momentum=1.0, step_size=eps / n_steps, random_start=False, keep_best=False`; with `nesterov=True` it is
    NI-FGSM, with `transform=ResizeAndPad()` DI-FGSM: images that fool other classifiers as well. Mapped over budgets,
    `jax.vmap(lambda eps: pgd(..., eps=eps))(budgets)` is a whole curve of robust accuracy. No derivative passes the
    result, so that a training step may call it.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`: the true classes, or the targets where `targeted`.
        eps: $\epsilon$, in the images' unit: a number, or one for each image `(N,)`.
        step_size: $\alpha$, likewise; `2.5 * eps / n_steps` if not given.
        n_steps: steps of each restart.
        norm: of the perturbation: `LINF`, `L2` or `L1`.
        key: for random starts and transforms; one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.
        n_restarts: how often to begin anew.
        random_start: begin uniformly in the ball, brought within the bounds; otherwise at the image itself.
        targeted: descend the loss of a target in place of climbing that of the label.
        bounds: $l$ and $h$, numbers or one for each channel `(C,)`.
        loss: `(logits (N, K), labels (N,)) -> (N,)`, higher the more wrong the classifier is: `cross_entropy_loss`,
            `margin_loss` or `dlr_loss`.
        momentum: $\mu$; None for none.
        nesterov: take the gradient where the momentum is about to lead, $x_t + \alpha \mu D\, m_{t-1}$ of $D$ values.
        transform: `(image (H, W, C), key) -> image`, differentiable, before the classifier where a gradient is taken;
            compared with `==`, as `PixelProblem.transform` is. With it or with `nesterov`, keeping the best costs
            another forward pass for each step.
        keep_best: False returns the last image of a restart in place of the best on its way, as published.

    Returns:
        Images, success, loss and size.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range, or a
            random start has no key.

    Example:
        >>> logits_fn = lambda images: jnp.stack([images.sum((1, 2, 3)), 1.0 - images[:, 0, 0, 0]], axis=1)
        >>> image = jnp.array([0.5, 0.25]).reshape(1, 1, 2, 1)
        >>> result = pgd(logits_fn, image, jnp.array([0]), eps=0.25, n_steps=5, random_start=False)
        >>> result.images.ravel(), result.success
        (Array([0.25, 0.  ], dtype=float32), Array([ True], dtype=bool))

    References:
        Madry et al., "Towards deep learning models resistant to adversarial attacks",
        https://arxiv.org/abs/1706.06083, 2017, section 2.1. Dong et al., "Boosting adversarial attacks with momentum",
        https://arxiv.org/abs/1710.06081, 2017, equations 6 and 7. Lin et al., "Nesterov accelerated gradient and scale
        invariance for adversarial attacks", https://arxiv.org/abs/1908.06281, 2019, equations 6 to 8; $D$ as in the
        authors' program, whose gradients have mean 1. Xie et al., "Improving transferability of adversarial examples
        with input diversity", https://arxiv.org/abs/1803.06978, 2018, section 3.3. Departures: the best image is kept;
        a gradient's sign is exact where the classifier is sure (`cross_entropy_loss`); within l2 and l1 the nearest
        image, not the clipped one.
    """
    images, labels = check_attacked(logits_fn, images, labels)
    n = len(images)
    eps = check_budgets(eps, images, "eps")
    default = 2.5 / max(n_steps, 1) * eps
    rates = default if step_size is None else check_budgets(step_size, images, "step_size")
    if random_start and key is None:
        raise InputError("a random start needs a key: give key=jax.random.key(seed), or random_start=False")
    if transform is not None and key is None:
        raise InputError("a random transform needs a key: give key=jax.random.key(seed)")
    if nesterov and momentum is None:
        raise InputError("nesterov looks ahead along a momentum: give momentum=1.0")
    if n_restarts < 1 or n_steps < 0:
        raise InputError(f"expected n_restarts of at least 1 and n_steps of at least 0, got {n_restarts} and {n_steps}")
    if n_restarts > 1 and not random_start:
        raise InputError("restarts are all the same without a random start: give n_restarts=1, or random_start=True")
    rule = _Rule(norm, n_restarts > 1, random_start, targeted, nesterov, keep_best)
    problem = _Problem(
        pytree_function(logits_fn),
        pytree_function(loss),
        None if transform is None else pytree_function(transform),
        check_bounds(images, bounds),
        None if momentum is None else jnp.asarray(momentum, images.dtype),
        n_steps,
        n_restarts,
    )
    keys = example_keys(jax.random.key(0) if key is None else key, n)
    return jax.lax.stop_gradient(_pgd(rule, problem, images, labels, eps, rates, keys))


class _Rule(NamedTuple):
    """What is part of the program."""

    norm: Norm
    restarts: bool
    random_start: bool
    targeted: bool
    nesterov: bool
    keep_best: bool


class _Problem(NamedTuple):
    """What is an operand of the program, the same for all images."""

    logits_fn: LogitsFn
    loss_fn: LossFn
    transform: Transform | None
    bounds: tuple[Array, Array]
    momentum: Array | None
    n_steps: ArrayLike
    n_restarts: ArrayLike


class _Found(NamedTuple):
    """The best images so far."""

    images: Float[Array, "n h w c"]
    success: Bool[Array, " n"]
    gain: Float[Array, " n"]  # the loss, or minus that of a target


@functools.partial(jax.jit, static_argnums=0)
def _pgd(
    rule: _Rule,
    problem: _Problem,
    images: Float[Array, "n h w c"],
    labels: Int[Array, " n"],
    eps: Float[Array, " n"],
    rates: Float[Array, " n"],
    keys: Key[Array, " n"],
) -> AttackResult:
    problem, images, eps, rates = jax.lax.stop_gradient((problem, images, eps, rates))
    return in_chunks(functools.partial(_attack, rule, problem), images, labels, eps, rates, keys)


def _attack(
    rule: _Rule, problem: _Problem, clean: Array, labels: Array, eps: Array, rates: Array, keys: Array
) -> AttackResult:
    sign, (low, high), momentum = (-1 if rule.targeted else 1), problem.bounds, problem.momentum

    def moved(perturbations: Array) -> Array:
        """The nearest image within eps and the bounds."""
        return jnp.clip(clean + rule.norm.project(perturbations, eps, low - clean, high - clean), low, high)

    def start(restart: ArrayLike) -> Array:
        if not rule.random_start:
            return clean
        drawn = rule.norm.sample(jax.vmap(jax.random.fold_in, (0, None))(keys, restart), clean.shape[1:], clean.dtype)
        return moved(over_images(eps) * drawn)

    def judge(images: Array) -> tuple[Array, Array]:
        logits = problem.logits_fn(images)
        return sign * problem.loss_fn(logits, labels), sign * margin(logits, labels) < 0

    def seen(images: Array, restart: ArrayLike, t: ArrayLike) -> Array:
        """What the classifier is shown where a gradient is taken."""
        if problem.transform is None:
            return images
        of_restart = jax.vmap(jax.random.fold_in, (0, None))(keys, restart)
        return jax.vmap(problem.transform)(images, jax.vmap(jax.random.fold_in, (0, None))(of_restart, t))

    def step(
        restart: ArrayLike, t: ArrayLike, carry: tuple[Array, Array | None, _Found]
    ) -> tuple[Array, Array | None, _Found]:
        images, velocity, best = carry
        ahead = images
        if rule.nesterov and velocity is not None and momentum is not None:
            ahead = images + over_images(momentum * rates) * velocity * images[0].size
        gain, pull_back, success = jax.vjp(lambda x: judge(seen(x, restart, t)), ahead, has_aux=True)
        (gradient,) = pull_back(jnp.ones_like(gain))  # each image's own: image i alone moves gain i
        if velocity is not None and momentum is not None:
            gradient = velocity = momentum * velocity + gradient / over_images(or_one(l1_size(gradient)))
        direction = rule.norm.ascend(gradient, low - images, high - images)
        if rule.keep_best and (rule.nesterov or problem.transform is not None):
            gain, success = judge(images)  # of the images themselves
        if rule.keep_best:
            best = _better(best, _Found(images, success, gain))
        return moved(images - clean + over_images(rates) * direction), velocity, best

    def run(restart: ArrayLike, best: _Found) -> _Found:
        velocity = None if momentum is None else jnp.zeros_like(clean)
        images, _, best = jax.lax.fori_loop(
            0, problem.n_steps, functools.partial(step, restart), (start(restart), velocity, best)
        )
        gain, success = judge(images)
        last = _Found(images, success, gain)
        return last if not rule.restarts and not rule.keep_best else _better(best, last)

    n = len(clean)
    none = _Found(clean, jnp.zeros(n, bool), jnp.full(n, -jnp.inf, clean.dtype))
    best = jax.lax.fori_loop(0, problem.n_restarts, run, none) if rule.restarts else run(0, none)
    return AttackResult(best.images, best.success, sign * best.gain, rule.norm.size(best.images - clean))


def _better(old: _Found, new: _Found) -> _Found:
    """For each image: success first, then the higher gain; a gain that is not a number is never better."""
    improves = (new.success & ~old.success) | ((new.success == old.success) & (new.gain > old.gain))
    return jax.tree.map(functools.partial(jax.vmap(jnp.where), improves), new, old)

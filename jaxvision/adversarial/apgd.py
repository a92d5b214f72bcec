"""Auto-PGD: projected gradient ascent with momentum that finds its own step sizes, one for each image."""

from jax.typing import ArrayLike
from jaxtyping import Float

from jaxvision.adversarial.climbing import TargetedLossFn, climb
from jaxvision.adversarial.limits import Bounds
from jaxvision.adversarial.losses import cross_entropy_loss, targeted_dlr_loss
from jaxvision.adversarial.norms import LINF, Norm
from jaxvision.adversarial.pgd import AttackResult, LossFn
from jaxvision.errors import InputError
from jaxvision.pixels import Classes, Keys
from jaxvision.signatures import LogitsFn


def apgd(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike,
    key: Keys,
    n_steps: int = 100,
    n_restarts: int = 1,
    norm: Norm = LINF,
    bounds: Bounds = (0.0, 1.0),
    loss: LossFn = cross_entropy_loss,
) -> AttackResult:
    r"""Climb the loss with momentum; halve an image's step size, and go back to its best, where it gets nowhere.

    $$ z_{t+1} = \Pi_S \bigl( x_t + \eta_t\, d(g_t) \bigr), \qquad
       x_{t+1} = \Pi_S \bigl( x_t + \tfrac34 (z_{t+1} - x_t) + \tfrac14 (x_t - x_{t-1}) \bigr) $$

    $\eta_0 = 2 \epsilon$. At the steps $w_j \approx 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99$ of `n_steps` the
    size is halved and $x$ set to the best so far, where since $w_{j-1}$

    1. at most three steps in four have raised the loss, or
    2. neither the size nor the highest loss has changed.

    An image that is fooled is done, one that is so from the first is returned as it is, and the program ends with the
    last of them. Its memory does not depend on the number of steps or restarts. No derivative passes the result.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own. A pytree such as
            `backbones.logits_fn(model)` keeps its weights out of the compiled program.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`, the true classes.
        eps: $\epsilon$, in the images' unit: a number, or one for each image `(N,)`.
        key: for random starts; one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.
        n_steps: steps of each restart.
        n_restarts: how often to begin anew.
        norm: of the perturbation: `LINF` or `L2`.
        bounds: the lowest and the highest value, numbers or one for each channel `(C,)`.
        loss: `(logits (N, K), labels (N,)) -> (N,)`, higher the more wrong the classifier is: `cross_entropy_loss`,
            `margin_loss` or `dlr_loss`.

    Returns:
        Images, success, loss and size; where there is no success, the image of the highest loss.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> logits_fn = lambda images: jnp.stack([images.sum((1, 2, 3)), 1.0 - images[:, 0, 0, 0]], axis=1)
        >>> image = jnp.array([0.5, 0.375]).reshape(1, 1, 2, 1)  # fooled where 2 x_0 + x_1 < 1
        >>> result = apgd(logits_fn, image, jnp.array([0]), eps=0.25, key=jax.random.key(0))
        >>> result.success, bool(result.size[0] <= 0.25)
        (Array([ True], dtype=bool), True)

    References:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks", https://arxiv.org/abs/2003.01690, 2020, algorithm 1. As in the authors' program: condition 2 is not
        asked at the first $w$, and windows are rounded down. Departures: the start is uniform in the ball; a fooled
        image stops; in l2 the nearest image of the set, not the clipped one.
    """
    return climb(norm, 0, loss, logits_fn, images, labels, eps, key, n_steps, n_restarts, bounds)


def apgd_targeted(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike,
    key: Keys,
    n_target_classes: int = 9,
    n_steps: int = 100,
    n_restarts: int = 1,
    norm: Norm = LINF,
    bounds: Bounds = (0.0, 1.0),
    loss: TargetedLossFn = targeted_dlr_loss,
) -> AttackResult:
    r"""`apgd` towards each of the likeliest other classes in turn, until any other class than the label wins.

    $$ t_1, t_2, \dots = \text{the classes but } y \text{ by falling logit of the image itself} $$

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`, the true classes.
        eps: in the images' unit: a number, or one for each image `(N,)`.
        key: for random starts; one key, from which image i takes `fold_in(key, i)`, or `(N,)` keys.
        n_target_classes: how many targets; all others where the classifier has no more.
        n_steps: steps of each restart.
        n_restarts: how often to begin anew, for each target.
        norm: of the perturbation: `LINF` or `L2`.
        bounds: the lowest and the highest value, numbers or one for each channel `(C,)`.
        loss: `(logits (N, K), labels (N,), targets (N,)) -> (N,)`, higher the nearer the target is.

    Returns:
        Images, success (another class than the label wins, not the target alone), loss and size; where there is no
        success, the image of the highest loss of all targets.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> logits_fn = lambda images: images[:, 0, :, 0]  # four pixels, four classes
        >>> image = jnp.array([0.75, 0.5, 0.25, 0.0]).reshape(1, 1, 4, 1)
        >>> result = apgd_targeted(logits_fn, image, jnp.array([0]), eps=0.25, key=jax.random.key(0))
        >>> result.success, logits_fn(result.images).argmax(axis=1)
        (Array([ True], dtype=bool), Array([1], dtype=int32))

    References:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks", https://arxiv.org/abs/2003.01690, 2020, section 4 and equation 7. Departures: as `apgd`.
    """
    if n_target_classes < 1:
        raise InputError(f"expected n_target_classes of at least 1, got {n_target_classes}")
    return climb(norm, n_target_classes, loss, logits_fn, images, labels, eps, key, n_steps, n_restarts, bounds)

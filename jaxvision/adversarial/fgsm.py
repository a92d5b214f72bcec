"""The fast gradient sign method: one step as long as the budget."""

from jax.typing import ArrayLike
from jaxtyping import Float

from jaxvision.adversarial.limits import Bounds
from jaxvision.adversarial.losses import cross_entropy_loss
from jaxvision.adversarial.norms import LINF, Norm
from jaxvision.adversarial.pgd import AttackResult, LossFn, pgd
from jaxvision.pixels import Classes
from jaxvision.signatures import LogitsFn


def fgsm(
    logits_fn: LogitsFn,
    images: Float[ArrayLike, "n h w c"],
    labels: Classes,
    *,
    eps: ArrayLike,
    norm: Norm = LINF,
    targeted: bool = False,
    bounds: Bounds = (0.0, 1.0),
    loss: LossFn = cross_entropy_loss,
) -> AttackResult:
    r"""One step as long as the budget, from the image itself.

    $$ x' = \operatorname{clip}\bigl(x + \epsilon \operatorname{sign}(\nabla_x L(s(x), y)),\; l,\; h\bigr) $$

    In `L2` the step is $\epsilon\, g / \lVert g \rVert_2$, in `L1` a sparse one.

    Args:
        logits_fn: images `(N, H, W, C)` to logits `(N, K)`, each image on its own.
        images: `(N, H, W, C)` floats within the bounds.
        labels: `(N,)` integers in `[0, K)`: the true classes, or the targets where `targeted`.
        eps: in the images' unit: a number, or one for each image `(N,)`.
        norm: of the perturbation: `LINF`, `L2` or `L1`.
        targeted: descend the loss of a target in place of climbing that of the label.
        bounds: $l$ and $h$, numbers or one for each channel `(C,)`.
        loss: `(logits (N, K), labels (N,)) -> (N,)`, higher the more wrong the classifier is.

    Returns:
        Images, success, loss and size.

    Raises:
        InputError: if an argument has the wrong shape, type (half precision among them) or range.

    Example:
        >>> import jax.numpy as jnp
        >>> logits_fn = lambda images: jnp.stack([images.sum((1, 2, 3)), 1.0 - images[:, 0, 0, 0]], axis=1)
        >>> image = jnp.array([0.5, 0.25]).reshape(1, 1, 2, 1)
        >>> fgsm(logits_fn, image, jnp.array([0]), eps=0.125).images.ravel()
        Array([0.375, 0.125], dtype=float32)

    References:
        Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples",
        https://arxiv.org/abs/1412.6572, 2014, section 3.
    """
    return pgd(
        logits_fn,
        images,
        labels,
        eps=eps,
        step_size=eps,
        n_steps=1,
        norm=norm,
        random_start=False,
        targeted=targeted,
        bounds=bounds,
        loss=loss,
        keep_best=False,
    )

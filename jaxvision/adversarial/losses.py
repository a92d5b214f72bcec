"""How wrong a classifier is about an image's label: what an attack climbs, or descends towards a target."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxvision.errors import InputError
from jaxvision.pixels import margin, target_logit


def cross_entropy_loss(logits: Float[Array, "n k"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    r"""Minus the log-probability of the label, written so that a gradient is exact where the classifier is sure.

    $$ L = -\log \frac{e^{s_y}}{\sum_k e^{s_k}}
         = \operatorname{softplus}\Bigl(\log \sum_{k \ne y} e^{s_k} - s_y\Bigr) $$

    The derivative in $s_y$ is $p_y - 1$. In float32 that is rounding, or zero, once the label leads by 17, and the
    usual form's gradient in the image then points anywhere. Here it is minus the sum of the other probabilities, exact
    until they underflow at a lead of about 90.

    Args:
        logits: `(N, K)`.
        labels: `(N,)`, class indices in `[0, K)`.

    Returns:
        `(N,)`, in nats, above zero.

    Example:
        >>> loss = lambda logits: cross_entropy_loss(logits, jnp.array([0]))[0]
        >>> loss(jnp.array([[1.0, 1.0]])).round(4)
        Array(0.6931, dtype=float32)
        >>> (jax.grad(loss)(jnp.array([[30.0, 0.0]])) / jnp.exp(-30.0)).round(5)  # no digit is lost
        Array([[-1.,  1.]], dtype=float32)

    References:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks", https://arxiv.org/abs/2003.01690, 2020, section 4: how the usual form fails.
    """
    is_label = jax.nn.one_hot(labels, logits.shape[1], dtype=bool)
    others = jax.nn.logsumexp(jnp.where(is_label, -jnp.inf, logits), axis=1)
    return jax.nn.softplus(others - target_logit(logits, labels))


def margin_loss(logits: Float[Array, "n k"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    r"""How far the strongest other class leads the label: positive exactly where the attack has succeeded.

    $$ L = \max_{k \ne y} s_k - s_y $$

    Args:
        logits: `(N, K)`.
        labels: `(N,)`, class indices in `[0, K)`.

    Returns:
        `(N,)`.

    Example:
        >>> margin_loss(jnp.array([[1.0, 5.0, 3.0]]), jnp.array([1]))
        Array([-2.], dtype=float32)

    References:
        Carlini and Wagner, "Towards evaluating the robustness of neural networks", https://arxiv.org/abs/1608.04644,
        2016, section V, f_6, without its floor.
    """
    return -margin(logits, labels)


def dlr_loss(logits: Float[Array, "n k"], labels: Int[Array, " n"]) -> Float[Array, " n"]:
    r"""The margin as a ratio of differences of logits: no scale or shift of the logits changes it.

    $$ L = -\frac{s_y - \max_{k \ne y} s_k}{s_{\pi_1} - s_{\pi_3}}, \qquad s_{\pi_1} \ge s_{\pi_2} \ge \dots $$

    Args:
        logits: `(N, K)`, at least 3 classes.
        labels: `(N,)`, class indices in `[0, K)`.

    Returns:
        `(N,)`, between -1 and 1 where the label is among the first two.

    Raises:
        InputError: if there are fewer than 3 classes.

    Example:
        >>> dlr_loss(jnp.array([[1.0, 5.0, 3.0], [10.0, 50.0, 30.0]]), jnp.array([1, 1]))
        Array([-0.5, -0.5], dtype=float32)

    References:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks", https://arxiv.org/abs/2003.01690, 2020, equation 6.
    """
    if logits.shape[1] < 3:
        raise InputError(f"dlr_loss needs at least 3 classes, got {logits.shape[1]}: take margin_loss")
    top = jax.lax.top_k(logits, 3)[0]
    spread = jnp.max(top, axis=1) - jnp.min(top, axis=1)
    return margin_loss(logits, labels) / jnp.where(spread > 0, spread, 1)


def targeted_dlr_loss(
    logits: Float[Array, "n k"], labels: Int[Array, " n"], targets: Int[Array, " n"]
) -> Float[Array, " n"]:
    r"""How far a target leads the label, as a ratio of differences of logits: no scale or shift changes it.

    $$ L = -\frac{s_y - s_t}{s_{\pi_1} - (s_{\pi_3} + s_{\pi_4}) / 2}, \qquad s_{\pi_1} \ge s_{\pi_2} \ge \dots $$

    Args:
        logits: `(N, K)`, at least 4 classes.
        labels: `(N,)`, class indices in `[0, K)`.
        targets: `(N,)`, class indices in `[0, K)`.

    Returns:
        `(N,)`, positive where the target leads the label.

    Raises:
        InputError: if there are fewer than 4 classes.

    Example:
        >>> targeted_dlr_loss(jnp.array([[1.0, 5.0, 4.0, 3.0]]), jnp.array([1]), jnp.array([2])).round(4)
        Array([-0.3333], dtype=float32)

    References:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
        attacks", https://arxiv.org/abs/2003.01690, 2020, equation 7.
    """
    if logits.shape[1] < 4:
        raise InputError(f"targeted_dlr_loss needs at least 4 classes, got {logits.shape[1]}")
    first, _, third, fourth = jnp.unstack(jax.lax.top_k(logits, 4)[0], axis=1)
    spread = first - 0.5 * (third + fourth)
    return (target_logit(logits, targets) - target_logit(logits, labels)) / jnp.where(spread > 0, spread, 1)
